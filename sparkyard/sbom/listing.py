"""What does an SBOM list, whatever its format? Two of them, and a record, are compared by it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sparkyard.record.diff import jar_versions
from sparkyard.record.record import Packages
from sparkyard.sbom.components import DEB, JAR, PYTHON, R, kind_of


@dataclass(frozen=True, order=True)
class Listed:
    """A package of a document; `path` is of the one file that it is, or empty."""

    name: str
    version: str
    purl: str
    path: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True)
class Listing:
    """The image that a document describes, by digest, and the packages, sorted."""

    digest: str
    packages: tuple[Listed, ...]


def sorted_packages(packages: Iterable[Listed]) -> tuple[Listed, ...]:
    """Return packages in an order that does not depend on the document's."""
    return tuple(sorted(packages))


def lacking(listing: Listing, packages: Packages) -> tuple[str, ...]:
    """Return the packages of a record that a document does not list with the same version."""
    has: set[tuple[str, str, str]] = set()
    for package in listing.packages:
        kind = kind_of(package.purl, package.path)
        name = _normal(package.name) if kind == PYTHON else package.name
        # A record names jars by their files.
        if kind != JAR:
            has.add((kind, name, package.version))
        else:
            named = jar_versions([package.path.rsplit("/", 1)[-1]])
            has.update((kind, jar, version) for jar, version in named.items())
    absent = []
    for kind, wanted in ((DEB, packages.debian), (PYTHON, packages.python), (R, packages.r)):
        for name, version in sorted(wanted.items()):
            # dpkg's second architecture of a package is told by its name.
            plain = _normal(name) if kind == PYTHON else name.partition(":")[0]
            if (kind, plain, version) not in has:
                absent.append(f"{kind} {name} {version}")
    for name, versions in sorted(packages.jars.items()):
        # Several jars of one name have their versions in one text.
        wanted_jars = [(JAR, name, version) for version in versions.split(", ")]
        absent += [" ".join(jar).strip() for jar in wanted_jars if jar not in has]
    return tuple(absent)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
