"""Sources of a Python package that is in no index, built by the standard library alone."""

from __future__ import annotations

from pathlib import Path

from sparkyard.command import run

_BACKEND = '''"""Builds this package by the standard library alone: a backend of PEP 517."""

import zipfile
from pathlib import Path

NAME = Path(__file__).with_name("name").read_text()
FILES = {
    "METADATA": ["Metadata-Version: 2.1", f"Name: {NAME}", "Version: 1.0"],
    "WHEEL": ["Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any"],
    "RECORD": [],
}


def prepare_metadata_for_build_wheel(directory, settings=None):
    place = Path(directory) / f"{NAME}-1.0.dist-info"
    place.mkdir()
    for name, lines in FILES.items():
        (place / name).write_text("".join(line + chr(10) for line in lines))
    return place.name


def build_wheel(directory, settings=None, metadata=None):
    wheel = Path(directory) / f"{NAME}-1.0-py3-none-any.whl"
    place = prepare_metadata_for_build_wheel(directory)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(f"{NAME}.py")
        for name in FILES:
            archive.write(Path(directory) / place / name, f"{place}/{name}")
    return wheel.name
'''
_DECLARATION = """
[project]
name = "{name}"
version = "1.0"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def write(place: Path, name: str) -> Path:
    """Write the sources of a package whose module knows the name of the directory."""
    place.mkdir(parents=True)
    (place / "backend.py").write_text(_BACKEND)
    (place / "name").write_text(name)
    (place / f"{name}.py").write_text(f"PLACE = {place.name!r}\n")
    (place / "pyproject.toml").write_text(_DECLARATION.format(name=name))
    return place


def commit(place: Path) -> str:
    """Make a git repository of a directory, with one commit, and return that."""
    git = ["git", "-C", str(place), "-c", "user.name=n", "-c", "user.email=e@example.com"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "m"]):
        run([*git, *words])
    return run([*git, "rev-parse", "HEAD"]).stdout.strip()
