"""Is every locked Python package there, in its version, whole, and can it be imported?"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import uv

from sparkyard.family.images import PYTHON
from sparkyard.locks import dependencies
from sparkyard.plan.plan import Site
from tests.images.conftest import UV
from tests.support import Container, Lab

NOT_IMPORTED = {
    # Of use only to who draws with matplotlib, and does not ask for it.
    "matplotlib-inline": "import matplotlib_inline: "
    "ModuleNotFoundError: No module named 'matplotlib'",
}
"""What is known to be wrong with a package, with the reason why that is no fault of the image."""

IMPORT_ALL = """
import importlib, importlib.metadata, json, sys, traceback
wanted = json.loads(sys.argv[1])
wrong = {}
for name, version in wanted.items():
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        wrong[name] = "is not installed"
        continue
    if found.version != version:
        wrong[name] = f"is {found.version}, and {version} is locked"
        continue
    modules = {
        parts[0].split(".")[0]
        for parts in (file.parts for file in found.files or [])
        if parts[-1].endswith((".py", ".so"))
        and parts[0] not in ("..", "tests", "test", "docs", "examples")
        and not parts[0].endswith((".dist-info", ".data", ".pth"))
        and parts[0].split(".")[0].isidentifier()
        and (len(parts) == 1 or parts[1] == "__init__.py")
    }
    if not modules:  # of a namespace that several packages share, as google.protobuf: its outermost
        inner = [f.parts for f in found.files or [] if f.suffix in (".py", ".so")]
        depth = min(map(len, inner), default=0)
        names = (parts for parts in inner if len(parts) == depth)
        modules = {".".join([*parts[:-1], parts[-1].split(".")[0]]) for parts in names}
    if not modules:
        wrong[name] = "has no module"
    for module in sorted(modules):
        try:
            importlib.import_module(module)
        except BaseException as error:
            wrong[name] = f"import {module}: {type(error).__name__}: {error}"
print(json.dumps(wrong))
"""


def locked(site: Site, image: str) -> dict[str, str]:
    """Return name and version of the Python packages that the lock puts into an image."""
    found = {}
    for taken in site.family.takes(image):
        if not taken.startswith(PYTHON):
            continue
        group = taken.removeprefix(PYTHON)
        text = dependencies.exported(site.stack.dependencies, group).read_text()
        for line in text.splitlines():
            if "==" in line and not line.startswith(("#", " ")):
                name, _, rest = line.partition("==")
                found[name.partition("[")[0]] = rest.split()[0]
    return found


def failing(container: Container, wanted: dict[str, str]) -> dict[str, str]:
    """Return what is wrong with each of the wanted packages that has something wrong."""
    told = container.python(IMPORT_ALL, json.dumps(wanted))
    wrong: dict[str, str] = json.loads(told.splitlines()[-1])
    return wrong


def check_command(python: str = "/opt/venv/bin/python") -> list[str]:
    """Return the command which says whether packages have what they need."""
    return [UV, "--no-cache", "pip", "check", "--python", python]


@pytest.mark.once_a_set_of_packages
def test_every_locked_package_imports(container: Container, site: Site, image: str) -> None:
    wanted = locked(site, image)
    assert {"pyspark", "pandas", "numpy", "pyarrow"} <= wanted.keys()
    wrong = failing(container, wanted)
    assert {name: why for name, why in wrong.items() if NOT_IMPORTED.get(name) != why} == {}


def test_nothing_but_the_locked_packages_is_there(
    container: Container, site: Site, image: str
) -> None:
    names = container.python(
        "import importlib.metadata as m, json, re; print(json.dumps(sorted("
        "re.sub('[-_.]+', '-', d.metadata['Name']).lower() for d in m.distributions())))"
    )
    assert sorted(set(json.loads(names))) == sorted(locked(site, image))


def test_packages_have_what_they_need(container: Container) -> None:
    ended = container.exec(*check_command(), check=False)
    assert ended.exit_code == 0, ended.stderr


# That the checks refuse is a fact about the checks: one image shows it.
@pytest.mark.parametrize(
    ("name", "version", "why"),
    [
        ("sparkyard-absent", "1.0", "is not installed"),
        ("pandas", "0.1", "and 0.1 is locked"),
        ("numpy", "", "is locked"),
    ],
)
def test_the_import_test_refuses(
    containers: Callable[[str], Container], driver_image: str, name: str, version: str, why: str
) -> None:
    assert why in failing(containers(driver_image), {name: version})[name]


def test_the_import_test_refuses_a_broken_module(lab: Lab, driver_image: str) -> None:
    site = '"$(echo /opt/venv/lib/python3*/site-packages)"'
    breaking = (
        f"echo 'raise RuntimeError(42)' >{site}/pytz/__init__.py"
        # Compiled files are not checked against their sources: see images/python/Dockerfile.
        f" && rm -r {site}/pytz/__pycache__ && exec sleep infinity"
    )
    options = ["--user", "0"]
    with lab.container(
        driver_image, "sh", "-c", breaking, what="broken-module", options=options
    ) as broken:
        broken.wait_for(
            lambda: broken.exec("pgrep", "-x", "sleep", check=False).exit_code == 0, "edit"
        )
        version = broken.python("import importlib.metadata as m; print(m.version('pytz'))")
        assert failing(broken, {"pytz": version}) == {"pytz": "import pytz: RuntimeError: 42"}


def test_the_check_of_needs_refuses(lab: Lab, driver_image: str) -> None:
    mount = f"type=bind,src={uv.find_uv_bin()},dst={UV},readonly"
    line = "rm -r /opt/venv/lib/python3*/site-packages/numpy-*.dist-info && " + " ".join(
        check_command()
    )
    ended = lab.once(driver_image, "sh", "-c", line, options=["--user", "0", "--mount", mount])
    assert ended.exit_code != 0
    assert "numpy" in ended.stderr
