"""A checkout of three images and three shared layers, for the tests of what is made of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.family import images
from sparkyard.family.images import Family
from sparkyard.family.projects import Package, Project
from sparkyard.locks import apt_lock, dependencies
from sparkyard.locks.apt_lock import LockedDeb
from sparkyard.locks.jar_lock import render_lock
from sparkyard.locks.jars import declared
from sparkyard.plan.base_image import BaseImage
from sparkyard.plan.plan import Site
from sparkyard.plan.targets import Targets
from sparkyard.settings import Settings

BASE = BaseImage("target:debian", "bootstrapped debian:trixie sha256:1", Path("/rootfs"))
STACK = Project(
    name="s", summary="a stack", debian="trixie", python="3.11",
    python_package=Package("python3.11", "bookworm"), java_package=Package("jre", "sid"),
    java_major=8, java_home="/usr/lib/jvm/java",
)  # fmt: skip
FILES = {
    "images/images.toml": """
default_stack = "s"
namespace = "family"
[contexts]
common = "images/common"
spark = "conf/spark"
[images.environment]
summary = "the base"
[images.notebook]
summary = "the notebook"
session = "notebooks"
drives = "executors"
[images.executors]
summary = "the executors"
session = "executors"
""",
    "images/environment/Dockerfile": """
FROM debian
ARG SUITES
ARG PYTHON
RUN --mount=from=common,target=/run/common --mount=from=packages --mount=from=uv true
""",
    "images/environment/entrypoint": "#!/bin/sh\n",
    "images/common/apt-install": "#!/bin/sh\n",
    "images/notebook/Dockerfile": """
FROM environment
ARG EXECUTORS_IMAGE
ARG SHELL=/bin/sh
RUN --mount=from=spark,target=/run/spark true
COPY --link --from=python-one / /
COPY --link --from=python-two / /
COPY --link --from=jars-extra / /
""",
    "images/executors/Dockerfile": """
FROM environment
COPY --link --from=python-one / /
COPY --link --from=jars-extra / /
""",
    "images/python/Dockerfile": "FROM environment\nARG GROUP\n",
    "images/jars/Dockerfile": "FROM environment\nARG GROUP\nARG PYTHON\n",
    "images/jars/fetch.py": "\n",
    "images/apt/Dockerfile": "FROM environment\nARG GROUP\n",
    "images/debian/Dockerfile": "FROM scratch\n",
    "conf/spark/spark-defaults.conf": "a b\n",
    "package-dependencies/s/pyproject.toml": """
[tool.poetry.group.one.dependencies]
first = "*"
[tool.poetry.group.two.dependencies]
second = "*"
""",
    "package-dependencies/s/poetry.lock": """
[[package]]
name = "First"
version = "1.0"
groups = ["one", "two"]
[[package]]
name = "second"
version = "2.0"
groups = ["two"]
""",
    "package-dependencies/s/requirements/one.txt": "first==1.0 \\\n    --hash=sha256:1\n",
    "package-dependencies/s/requirements/two.txt": "second==2.0 \\\n    --hash=sha256:2\n",
    "package-dependencies/s/jars.toml": """
[groups.extra]
dependencies = [{ artifact = "org.example:it:1.0" }]
""",
    "package-dependencies/s/apt/base.txt": "tini\n",
}
DATES = {"debian": datetime(2026, 1, 2, tzinfo=UTC), "base": datetime(2026, 1, 3, tzinfo=UTC)}
"""When the lists of Debian packages were locked."""


def deb(name: str, version: str = "1.0-1", suite: str = "trixie") -> LockedDeb:
    """Return a locked package."""
    path = f"pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb"
    return LockedDeb(name, version, "amd64", suite, 1000, "a" * 64, path)


def make(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the checkout the one that is worked on, and return the stack's directory in it."""
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr(paths, "ROOT", root)
    monkeypatch.setattr(paths, "IMAGES", root / "images")
    monkeypatch.setattr(paths, "DEPENDENCIES", root / "package-dependencies")
    monkeypatch.setenv("SPARKYARD_CACHE", str(root / "cache"))
    directory = STACK.dependencies
    (directory / "jars").mkdir()
    group = declared(directory)[0]
    (directory / "jars/extra.lock").write_text(render_lock(group.name, group.digest, []))
    for name, date in DATES.items():
        apt_lock.write(STACK, name, [deb("libc6"), deb("tini")], date)
    seal(directory)
    return directory


def seal(directory: Path) -> None:
    """Write the record by which the stack's files belong together."""
    digests = dependencies._digests(directory)
    lines = "".join(f'"{name}" = "{digest}"\n' for name, digest in digests.items())
    (directory / "requirements/exported.toml").write_text(f"[sha256]\n{lines}")


def family() -> Family:
    """Return the family as images.toml has it now."""
    return images.load(paths.IMAGES / "images.toml")


def site(settings: Settings | None = None) -> Site:
    """Return the site that is built for."""
    return Site(family(), STACK, settings or Settings(ca_bundle="none"))


def targets(executors: str = "family/executors:s-1", base: BaseImage = BASE) -> Targets:
    """Return all targets, made anew."""
    return Targets(family(), STACK, base, {"executors": executors})
