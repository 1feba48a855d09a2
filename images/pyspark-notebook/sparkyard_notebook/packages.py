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
from collections.abc import Iterable
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


def second_copies(path: Iterable[str], image: str) -> list[str]:
    """Return a line for each package of the image of which another place has a copy as well.

    Args:
        path: where Python looks for modules, in this order.
        image: the one of these directories that has the image's packages.
    """
    own, lines, before = _installed(image), [], True
    for directory in dict.fromkeys(map(os.path.normpath, path)):
        if directory == os.path.normpath(image):
            before = False
            continue
        for name, version in sorted(_installed(directory).items()):
            if name not in own:
                continue
            lines.append(
                f"{name} {version} of {directory} takes the place of the image's {own[name]}, "
                "which the executors have. Delete it there, or unset PYTHONPATH."
                if before
                else f"{name} {version} of {directory} is not used: the image's {own[name]} comes "
                "first. Delete it there."
            )
    return lines


def say_second_copies() -> None:
    """Tell the user of a session that starts which copies there are."""
    for line in second_copies(sys.path, sysconfig.get_path("purelib")):
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
