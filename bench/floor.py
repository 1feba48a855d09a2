"""What does it cost merely to fetch and unpack what the family is made of?

This is the floor under a cold build: the same Debian packages, Python packages and jars, from the
same hosts, unpacked into a directory, with nothing configured, compiled, hashed into layers or
compressed. The kinds are fetched side by side, as a build does.
"""

from __future__ import annotations

import ssl
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sparkyard import paths
from sparkyard.command import run
from sparkyard.files import archive
from sparkyard.locks import apt_lock, dependencies, jars, python_lock, spark_jars
from sparkyard.plan import base_image
from sparkyard.plan.plan import Site
from sparkyard.settings import MAVEN_CENTRAL, PYPI, archives, ca_bundle


def seconds(where: Site) -> dict[str, float]:
    """Fetch and unpack everything once, and return the seconds of each kind and of "all"."""
    base = base_image.named(where.project, where.settings)  # what packages are fetched in: no cost
    kinds: dict[str, Callable[[Path], None]] = {
        "debian": lambda place: _debian(where, place, base),
        "python": lambda place: _python(where, place),
        "jars": lambda place: _jars(where, place),
    }
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sparkyard-floor-", dir=paths.BUILD) as name:

        def measure(kind: str) -> float:
            place = Path(name) / kind
            place.mkdir()
            kinds[kind](place)
            return time.monotonic() - started

        with ThreadPoolExecutor(len(kinds)) as pool:
            taken = dict(zip(kinds, pool.map(measure, kinds), strict=True))
    return {**taken, "all": max(taken.values())}


def _debian(where: Site, place: Path, base: str) -> None:
    """Download and extract the base (mmdebstrap's `extract` does no more) and all packages."""
    stack = where.project
    mirror, security = archives(where.settings)
    argv = ["mmdebstrap", "--variant=extract", "--quiet", "--format=directory"]
    argv += ["--include=?essential", "--include=apt"]
    run([*argv, stack.debian, str(place / "root"), mirror])
    lists = [
        apt_lock.locked(project, name).debs
        for project in stack.chain
        for name in apt_lock.lists(project)
        if name != apt_lock.DEBIAN
    ]
    words = []
    for deb in (deb for debs in lists for deb in debs):
        origin = security if deb.suite.endswith("-security") else mirror
        words += [f"{origin}/{deb.path}", f"/var/cache/{deb.sha256}.deb", f"SHA256:{deb.sha256}"]
    script = (
        "/usr/lib/apt/apt-helper -qq -o APT::Sandbox::User=root "
        f"download-file {' '.join(words)} && "
        "for file in /var/cache/*.deb; do dpkg -x $file /tmp/root; done"
    )
    image = base.removeprefix("docker-image://")
    run(["docker", "run", "--rm", image, "sh", "-c", script])


def _python(where: Site, place: Path) -> None:
    """Fetch and unpack the locked packages: wheels by uv, and Spark's sdist, which is not built."""
    directory = where.project.dependencies
    bundle = ca_bundle(where.settings)
    index = where.settings.pypi_index or PYPI
    environment = {"UV_DEFAULT_INDEX": index} | ({"SSL_CERT_FILE": str(bundle)} if bundle else {})
    wheels = place / "wheels.txt"
    packages = [
        package
        for package in python_lock.read(directory / "poetry.lock")
        if package.name != "pyspark" and package.kind not in python_lock.ARCHIVED
    ]
    texts = python_lock.requirements(packages, dependencies.groups(directory), lambda _: "")
    wheels.write_text("".join(texts.values()))
    argv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--no-cache"]
    argv += ["--python-version", where.project.python]
    argv += ["--target", str(place / "wheels"), "--require-hashes", "--requirements", str(wheels)]
    with ThreadPoolExecutor(1) as pool:
        wheels_installed = pool.submit(run, argv, env=environment)
        file, digest = spark_jars.pinned_sdist(directory / "poetry.lock")
        fetched = place / file
        tls = ssl.create_default_context(cafile=bundle)
        spark_jars.fetch(index, file, digest, fetched, tls)
        with tarfile.open(fetched) as sdist:
            archive.unpack(sdist, place / "sdist")
        wheels_installed.result()  # its failure is the measurement's: a floor without it is too low


def _jars(where: Site, place: Path) -> None:
    """Fetch the locked jars, which are used as they are."""
    bundle = ca_bundle(where.settings)
    fetch = paths.IMAGES / "jars" / "fetch.py"
    mirror = where.settings.maven_mirror or MAVEN_CENTRAL
    for group in jars.groups(where.project.dependencies):
        lock = jars.lock_file(where.project.dependencies, group)
        run(
            [sys.executable, str(fetch), str(lock), str(place / "cache"), str(place / group)],
            env={"MAVEN_MIRROR": mirror, **({"SSL_CERT_FILE": str(bundle)} if bundle else {})},
        )
