"""What does poetry.lock say of each package, and how does a build install that?

Every package of the lock becomes a requirement with a hash, or is refused. A package that is in no
index (a directory of the checkout, a git repository, a file) is installed from an archive, which
source_archive.py or fetch/sources.py makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from sparkyard.errors import StaleLockError
from sparkyard.files import toml_file
from sparkyard.mirror_login import split

INDEX, NAMED_INDEX, URL, FILE, DIRECTORY, GIT = (
    "index", "legacy", "url", "file", "directory", "git",
)  # fmt: skip
"""Kinds of packages. All but the first are Poetry's own words: "legacy" is a named index."""
ARCHIVED = (FILE, DIRECTORY, GIT)
"""Kinds of packages that are installed from an archive out of a build's context."""
SOURCES = "/run/sources"
"""Where a build has these archives."""
_NAMED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*) ?(?:==|@)", re.MULTILINE)
_ARCHIVE = re.compile(
    rf"^(\S+) @ file://{SOURCES}/(\S+?)(?:#\S+)? \\\n +--hash=sha256:([0-9a-f]{{64}})", re.MULTILINE
)
_PLATFORM = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
"""What the images are: packages for other systems are left out."""


@dataclass(frozen=True)
class Package:
    """A locked package.

    Attributes:
        groups: the groups that need it on Linux.
        kind: one of those above.
        origin: URL, or path relative to the stack's directory; "" for a package of PyPI.
        commit: the git commit.
        subdirectory: where in the archive the package is; "" for its root.
        hashes: "sha256:..." of its files; empty where the archive is made here.
    """

    name: str
    version: str
    groups: tuple[str, ...]
    kind: str = INDEX
    origin: str = ""
    commit: str = ""
    subdirectory: str = ""
    hashes: tuple[str, ...] = ()

    @property
    def archive(self) -> str:
        """The file name under which a build has it."""
        if self.kind == FILE:
            return PurePosixPath(self.origin).name
        return f"{self.name}-{self.commit[:12] or self.version}.zip"


@dataclass(frozen=True)
class Archive:
    """An archive that a requirements file names: the package, its file and its sha256."""

    package: str
    file: str
    sha256: str


def read(file: Path) -> tuple[Package, ...]:
    """Return the packages of a poetry.lock that belong into images."""
    packages = map(_package, toml_file.read(file).get("package", []))
    return tuple(package for package in packages if package.groups)


def requirements(
    packages: Iterable[Package], groups: Iterable[str], sha256: Callable[[Package], str]
) -> dict[str, str]:
    """Return the text of each group's requirements file, in the order of the groups.

    Args:
        packages: all packages of the lock.
        groups: their names; a package that several need stands in the first of them.
        sha256: gives the digest of the archive of a package that is installed from one.
    """
    texts: dict[str, str] = {}
    left = sorted(packages, key=lambda package: (package.name, package.version))
    for group in groups:
        here = [package for package in left if group in package.groups]
        left = [package for package in left if group not in package.groups]
        texts[group] = "".join(_requirement(package, sha256) for package in here)
    return texts


def names(requirements_text: str) -> tuple[str, ...]:
    """Return the names of the packages in a requirements file."""
    return tuple(canonicalize_name(name) for name in _NAMED.findall(requirements_text))


def archives(requirements_text: str) -> tuple[Archive, ...]:
    """Return the archives that a requirements file names."""
    return tuple(Archive(*fields) for fields in _ARCHIVE.findall(requirements_text))


def _requirement(package: Package, sha256: Callable[[Package], str]) -> str:
    hashes = package.hashes
    where = f"#subdirectory={package.subdirectory}" if package.subdirectory else ""
    if package.kind in (INDEX, NAMED_INDEX):
        line = f"{package.name}=={package.version}"
    elif package.kind == URL:
        line = f"{package.name} @ {package.origin}{where}"
    else:
        hashes = (f"sha256:{sha256(package)}",)
        line = f"{package.name} @ file://{SOURCES}/{package.archive}{where}"
    return " \\\n    ".join([line, *(f"--hash={digest}" for digest in sorted(hashes))]) + "\n"


def require_installable(
    packages: Iterable[Package], declaration: Path, groups: Collection[str], index: str
) -> None:
    """Refuse packages that no build would take, or could not check.

    Args:
        packages: what was locked.
        declaration: the pyproject.toml that asks for them.
        groups: the groups that become layers.
        index: URL of the index that builds ask.

    Raises:
        StaleLockError: with the package, where it comes from, and what to do instead.
    """
    for package in packages:
        if not set(package.groups).intersection(groups):
            raise StaleLockError(
                f"{declaration} declares {package.name} in {package.groups[0]}, which is no layer.",
                "Declare it in a [tool.poetry.group.NAME.dependencies]: each of them is a layer.",
            )
        if package.kind == NAMED_INDEX and _bare(package.origin) != _bare(index):
            raise StaleLockError(
                f"{declaration} takes {package.name} from the index {_bare(package.origin)}, which "
                "builds do not ask: they ask one index for all packages.",
                "Set pypi_index to an index that has the public packages and this one, or name the "
                "package's file: {url = ...}.",
            )
        if package.kind not in (INDEX, NAMED_INDEX, URL, *ARCHIVED):
            raise StaleLockError(
                f"{declaration} takes {package.name} from a source of the kind {package.kind}, "
                "which is unknown here.",
                "Take it from the index, or by path, git or url.",
            )
        if split(package.origin).password:
            raise StaleLockError(
                f"The address of {package.name} in {declaration} holds a password.",
                "Take it out: the lock and the images would show it. Name it in ~/.netrc.",
            )
        if package.kind not in (GIT, DIRECTORY) and not package.hashes:
            raise StaleLockError(
                f"There is no hash of {package.name} {package.version}: no build could check it.",
                "Take it from an index that gives hashes, or by path, git or url.",
            )


def _package(table: Mapping[str, Any]) -> Package:
    source = table.get("source", {})
    return Package(
        name=canonicalize_name(str(table["name"])),
        version=str(table.get("version", "")),
        groups=tuple(group for group in table.get("groups", []) if _on_linux(table, group)),
        kind=str(source.get("type", INDEX)),
        origin=str(source.get("url", "")),
        commit=str(source.get("resolved_reference", "")),
        subdirectory=str(source.get("subdirectory", "")),
        hashes=tuple(str(entry["hash"]) for entry in table.get("files", [])),
    )


def _bare(url: str) -> str:
    """Return an index's address without user, password and the slash at its end."""
    return split(url).url.rstrip("/")


def _on_linux(table: Mapping[str, Any], group: str) -> bool:
    """Tell whether a group needs a package in the images; the lock itself limits the Python."""
    markers = table.get("markers", "")
    marker = markers.get(group, "") if isinstance(markers, Mapping) else markers
    if not marker:
        return True
    irrelevant = re.sub(r"python_(full_)?version\s*\S+\s*\"[^\"]*\"", 'os_name == "posix"', marker)
    return Marker(irrelevant.strip()).evaluate(dict(_PLATFORM))
