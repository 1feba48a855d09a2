"""What is locked for an image, and what is wrong with the packages in a container?"""

from __future__ import annotations

import json

from sparkyard.family.images import PYTHON
from sparkyard.locks import dependencies
from sparkyard.plan.plan import Site
from tests.support import Container

UV = "/run/sparkyard-test/uv"
"""Where the locked uv is in a container under test: images do not hold one."""

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
        text = dependencies.exported(site.project.dependencies, group).read_text()
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


def check_command() -> list[str]:
    """Return the command which says whether packages have what they need."""
    return [UV, "--no-cache", "pip", "check", "--python", "python"]
