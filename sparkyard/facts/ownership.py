"""Which files of an image belong to which package? Collected by looking inside, kept by digest.

Modules of `sparkyard.facts.ownership_collector` write it; this module types it, and asks the engine
for it. Names and versions are facts (`sparkyard.facts.facts`); here are files, licences and
coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sparkyard.facts import joined, look_inside, ownership_collector
from sparkyard.facts.facts import BUILT_FROM
from sparkyard.facts.identity import ImageIdentity
from sparkyard.facts.look_inside import Look

OURS = "io.sparkyard.fingerprint"
"""The label of images that Sparkyard built, and of their children."""


@dataclass(frozen=True)
class Count:
    """Files, and their bytes; a symbolic link is a file of no bytes."""

    files: int
    bytes: int


@dataclass(frozen=True)
class DebianFacts:
    """What the facts do not say of a Debian package; `source` is its source package."""

    architecture: str
    maintainer: str
    source: str


@dataclass(frozen=True)
class Distribution:
    """A Python distribution: `licences` are its own statements, the most exact first."""

    id: str
    directory: str
    name: str
    version: str
    licences: tuple[str, ...]


@dataclass(frozen=True)
class RPackage:
    """An installed R package; `parent` is the component that brought its directory."""

    id: str
    name: str
    version: str
    licences: tuple[str, ...]
    parent: str | None


@dataclass(frozen=True)
class JarFile:
    """A jar: `poms` are the (group, artifact, version) inside it that fit the name of the file."""

    id: str
    path: str
    sha256: str
    poms: tuple[tuple[str, str, str], ...]
    vendor: str | None
    implementation: str | None
    licences: tuple[str, ...]
    parent: str | None


@dataclass(frozen=True)
class Ownership:
    """What there is in an image, by owner.

    Attributes:
        distribution: the system and its version, as in /etc/os-release: ("debian", "13").
        total: all files of the image, covered: those that a component accounts for.
        rules: how many files each way of finding an owner has accounted for.
        unaccounted: the first 500 paths that nothing accounts for.
        owners: counts by component, "deb:bash" for example; a file may be of several.
    """

    distribution: tuple[str, str]
    total: Count
    covered: Count
    rules: Mapping[str, int]
    unaccounted: tuple[str, ...]
    owners: Mapping[str, Count]
    debian: Mapping[str, DebianFacts]
    python: tuple[Distribution, ...]
    r: tuple[RPackage, ...]
    jars: tuple[JarFile, ...]

    def count(self, owner: str) -> Count:
        """Return the files of a component, none for one that has none."""
        return self.owners.get(owner, Count(0, 0))


def parse(document: str) -> Ownership:
    """Return the ownership of a JSON document, or raise an InspectionError."""
    return look_inside.typed(document, Ownership, ownership_collector.SCHEMA, "ownership")


def collect(image: ImageIdentity) -> Ownership:
    """Return what is in an image by owner, from the cache where its digest was looked into before.

    Raises:
        InspectionError: the image has no Python 3.9 or newer, or the collector failed in it.
    """
    look = Look(
        "ownership",
        joined.program("sparkyard.facts.ownership_collector.document"),
        f"The files of {image.reference} cannot be counted",
        # Root, because a file that its owner alone may read is content of the image too.
        options=("--user", "0"),
        arguments=(image.labels.get(BUILT_FROM, "{}"),),
    )
    return look_inside.collect(image, look, parse)
