"""Which packages are the user's own, which copies do not count, and how do executors get them?

`pip install` puts a user's packages into the home, and Python finds them after the image's.
"""

from __future__ import annotations

import hashlib
import os
import re
import site
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

INFO = re.compile(r"([^-]+)-([^-]+)\.(?:dist|egg)-info")


def _installed(directory: str) -> dict[str, str]:
    """Return the versions of the packages in a directory, by their names as pip compares them."""
    try:
        found = (INFO.fullmatch(name) for name in os.listdir(directory))
    except OSError:
        return {}
    return {re.sub(r"[-_.]+", "-", name[1]).lower(): name[2] for name in found if name}


def _modules(directory: str) -> set[str]:
    """Return the names under which the modules and packages in a directory are imported."""
    try:
        entries = os.listdir(directory)
    except OSError:  # a zip file, or nothing
        return set()
    packages = {e for e in entries if os.path.isfile(os.path.join(directory, e, "__init__.py"))}
    return packages | {entry[:-3] for entry in entries if entry.endswith(".py")}


def _sides(path: Iterable[str], image: str) -> tuple[list[str], list[str]]:
    """Return the directories in which Python looks before the image's packages, and after them."""
    image = os.path.normpath(image)
    places = list(dict.fromkeys(map(os.path.normpath, path)))
    at = places.index(image) if image in places else len(places)
    before = [place for place in places[:at] if not place.startswith(image + os.sep)]
    return before, places[at + 1 :]


def shadows(path: Iterable[str], image: str) -> list[str]:
    """Return a line for each directory from which Python takes modules that the image has too.

    Args:
        path: where Python looks for modules, in this order.
        image: the one of these directories that has the image's packages.
    """
    lines = []
    for directory in _sides(path, image)[0]:
        if names := sorted(_modules(directory) & _modules(image)):
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if names[5:] else "")
            lines.append(
                f"Python takes {shown} from {directory}, in the place of the image's own, which "
                "executors have. Move that away, or unset PYTHONPATH if that leads there."
            )
    return lines


def second_copies(path: Iterable[str], image: str) -> list[str]:
    """Return a line for each package of the image of which another place has an idle copy.

    Takes what `shadows` takes.
    """
    own = _installed(image)
    return [
        f"{name} {version} of {directory} is not used: the image's {own[name]} comes first. "
        "Delete it there."
        for directory in _sides(path, image)[1]
        for name, version in sorted(_installed(directory).items())
        if name in own
    ]


def say_shadows() -> None:
    """Tell the user of PySpark what is not the image's own, before it fails by that."""
    _say(shadows)


def say_second_copies() -> None:
    """Tell the user of a session that starts which copies there are."""
    _say(second_copies)


def _say(find: Callable[[Iterable[str], str], list[str]]) -> None:
    library = os.path.dirname(sysconfig.get_path("stdlib"))  # Python's own, and what lies in it
    path = [place for place in sys.path if not place.startswith(library)]
    for line in find(path, sysconfig.get_path("purelib")):
        print(line, file=sys.stderr)


def send_to_executors(spark: Any, *names: str) -> list[str]:
    """Send packages that the user has installed to the executors, with what they need.

    Functions that are made after this call find them there. What the image has is left out: the
    executors have it as well.

    Args:
        spark: a SparkSession; its executors may run already.
        names: of packages, as for `pip install`.

    Returns:
        what was sent, as name==version.

    Raises:
        PackageNotFoundError: a package is not installed.
    """
    sent = _with_needs(names)
    versions = sorted(f"{package.name}=={package.version}" for package in sent)
    if not sent:
        return []
    name = "packages-" + hashlib.sha256(" ".join(versions).encode()).hexdigest()[:12]
    context = spark.sparkContext
    if name not in context._python_includes:
        archive = Path(tempfile.mkdtemp()) / f"{name}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as together:
            for package in sent:
                for file in package.files or []:
                    if ".." not in file.parts and file.suffix != ".pyc":
                        together.write(str(file.locate()), str(file))
        context.addArchive(f"{archive}#{name}")
        context._python_includes.append(name)  # by which workers find it
    return versions


def _with_needs(names: Iterable[str]) -> list[Distribution]:
    """Return these packages and what they need, as far as they are in the user's home."""
    from packaging.requirements import Requirement  # noqa: PLC0415 - not at each start of a session

    from . import add_packages  # noqa: PLC0415 - the unit tests take this module by itself

    add_packages()
    home = Path(site.getusersitepackages())
    found: dict[str, Distribution] = {}
    todo = list(names)
    while todo:
        wanted = Requirement(todo.pop())
        try:
            package = distribution(wanted.name)
        except PackageNotFoundError:
            if wanted.name in names:
                raise
            continue  # of an extra or a marker that is not fulfilled here
        if package.name in found or not Path(str(package.locate_file(""))).is_relative_to(home):
            continue
        found[package.name] = package
        for line in package.requires or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                todo.append(need.name)
    return list(found.values())
