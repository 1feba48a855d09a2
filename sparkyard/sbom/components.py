"""Of which components is an image made? Facts and ownership joined, each named by a package URL.

Versions of Debian's, Python's and R's packages are the facts'; where the files are, which licence
and which Maven coordinates is the ownership's. What only one of the two has seen is there as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sparkyard.facts.facts import Facts
from sparkyard.facts.identity import ImageIdentity
from sparkyard.facts.ownership import OURS, Ownership
from sparkyard.sbom.jars import Coordinates, coordinates
from sparkyard.sbom.licences import expression, stated

DEB, PYTHON, JAR, R, SPARKYARD = "debian", "python", "jar", "r", "sparkyard"
KINDS = (DEB, PYTHON, JAR, R, SPARKYARD)

_MAINTAINER = re.compile(r"(.*?)\s*<([^<>\s]+)>")
_FILE_KINDS = {"deb": DEB, "pypi": PYTHON, "cran": R, "maven": JAR}


@dataclass(frozen=True)
class Supplier:
    """Who supplies a package; `email` may be empty."""

    name: str
    email: str = ""


@dataclass(frozen=True)
class Component:
    """A part of an image.

    Attributes:
        ref: its name within the documents, unique; parent: that of what brought it, or empty.
        licence: an SPDX expression, empty where none is sure; stated: the package's own words.
        sha256, path: of the one file that it is, in hexadecimal; empty for packages of many files.
        files, bytes: what of the image it accounts for; a file may be of a package and its jar.
    """

    kind: str
    ref: str
    name: str
    version: str
    purl: str
    licence: str = ""
    stated: str = ""
    sha256: str = ""
    path: str = ""
    supplier: Supplier | None = None
    parent: str = ""
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Subject:
    """What the documents describe: an image, by the digest of its manifest."""

    name: str
    digest: str
    purl: str

    @property
    def sha256(self) -> str:
        """The digest in hexadecimal."""
        return self.digest.rpartition(":")[2]


@dataclass(frozen=True)
class Coverage:
    """The share of an image's files that its SBOM accounts for.

    Attributes:
        rules: how many files each way of finding an owner has accounted for.
        unaccounted: the first 500 of the other paths, sorted.
    """

    files: int
    covered: int
    bytes_total: int
    bytes_covered: int
    unaccounted: tuple[str, ...]
    rules: Mapping[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Covered files as a part of all files, 0 to 1; an image without files is covered."""
        return self.covered / self.files if self.files else 1.0

    def __str__(self) -> str:
        return f"{self.covered} of {self.files} files are accounted for ({self.share:.3%})"


def subject(image: ImageIdentity) -> Subject:
    """Return what an image is called in its documents: by what it says itself, not by a tag."""
    name = image.labels.get("org.opencontainers.image.title") or "image"
    qualifiers = {"arch": image.architecture} if image.architecture else {}
    return Subject(name, image.digest, _purl("oci", "", name.lower(), image.digest, qualifiers))


def coverage(ownership: Ownership) -> Coverage:
    """Return how much of an image its components account for."""
    return Coverage(
        files=ownership.total.files,
        covered=ownership.covered.files,
        bytes_total=ownership.total.bytes,
        bytes_covered=ownership.covered.bytes,
        unaccounted=ownership.unaccounted,
        rules=ownership.rules,
    )


def components(
    image: ImageIdentity, facts: Facts, ownership: Ownership, locked: Mapping[str, str]
) -> tuple[Component, ...]:
    """Return an image's components, sorted by kind, name, version and place.

    Args:
        image: which image it is.
        facts: what is in it.
        ownership: whose its files are.
        locked: paths in a Maven repository by sha256: see `sparkyard.sbom.jars.locked_jars`.
    """
    every = [
        *_debian(facts, ownership),
        *_python(facts, ownership),
        *_r(facts, ownership),
        *_jars(ownership, locked),
        *_own(image, ownership),
    ]
    every.sort(
        key=lambda component: (
            KINDS.index(component.kind),
            component.name,
            component.version,
            component.ref,
        )
    )
    return tuple(every)


def kind_of(purl: str, path: str) -> str:
    """Return the kind of a component of a document by its package URL and its file, if any."""
    if path.endswith(".jar"):
        return JAR
    return _FILE_KINDS.get(purl.removeprefix("pkg:").partition("/")[0], SPARKYARD)


def _debian(facts: Facts, ownership: Ownership) -> Iterator[Component]:
    system, release = ownership.distribution
    for key, version in (facts.dpkg or {}).items():
        name, ref = key.partition(":")[0], f"deb:{key}"
        more = ownership.debian.get(key)
        qualifiers = {"arch": more.architecture} if more and more.architecture else {}
        if system and release:
            qualifiers["distro"] = f"{system}-{release}"
        count = ownership.count(ref)
        yield Component(
            kind=DEB,
            ref=ref,
            name=name,
            version=version,
            purl=_purl("deb", system or "debian", name, version, qualifiers),
            supplier=_supplier(more.maintainer) if more else None,
            files=count.files,
            bytes=count.bytes,
        )


def _python(facts: Facts, ownership: Ownership) -> Iterator[Component]:
    seen = {(_normal(package.name), package.directory): package for package in ownership.python}
    known = {
        (package.name, package.directory): package.version
        for interpreter in facts.interpreters
        for package in interpreter.packages
    }
    for place in sorted(known.keys() | seen.keys()):
        name, directory = place
        more = seen.get(place)
        version = known[place] if place in known else seen[place].version
        ref = more.id if more else f"python:{directory}/{name}"
        said = more.licences if more else ()
        count = ownership.count(ref)
        yield Component(
            kind=PYTHON,
            ref=ref,
            name=name,
            version=version,
            purl=_purl("pypi", "", name, version),
            licence=expression(said),
            stated=stated(said),
            files=count.files,
            bytes=count.bytes,
        )


def _r(facts: Facts, ownership: Ownership) -> Iterator[Component]:
    names = {package.name for package in ownership.r}
    for package in ownership.r:
        count = ownership.count(package.id)
        yield Component(
            kind=R,
            ref=package.id,
            name=package.name,
            version=package.version,
            purl=_purl("cran", "", package.name, package.version),
            licence=expression(package.licences),
            stated=stated(package.licences),
            parent=package.parent or "",
            files=count.files,
            bytes=count.bytes,
        )
    for name, version in (facts.r or {}).items():
        if name not in names:
            yield Component(R, f"r:{name}", name, version, _purl("cran", "", name, version))


def _jars(ownership: Ownership, locked: Mapping[str, str]) -> Iterator[Component]:
    for jar in ownership.jars:
        told = coordinates(jar, locked)
        count = ownership.count(jar.id)
        yield Component(
            kind=JAR,
            ref=jar.id,
            name=told.artifact,
            version=told.version,
            purl=_jar_purl(told, jar.sha256),
            licence=expression(jar.licences),
            stated=stated(jar.licences),
            sha256=jar.sha256,
            path=jar.path,
            parent=jar.parent or "",
            files=count.files,
            bytes=count.bytes,
        )


def _own(image: ImageIdentity, ownership: Ownership) -> Iterator[Component]:
    count, version = ownership.count("sparkyard:"), image.labels.get(OURS, "")
    if count.files:
        yield Component(
            kind=SPARKYARD,
            ref="sparkyard:",
            name="sparkyard",
            version=version,
            purl=_purl("generic", "", "sparkyard", version),
            supplier=Supplier("Sparkyard"),
            files=count.files,
            bytes=count.bytes,
        )


def _jar_purl(told: Coordinates, sha256: str) -> str:
    if told.group:
        qualifiers = {"classifier": told.classifier} if told.classifier else {}
        return _purl("maven", told.group, told.artifact, told.version, qualifiers)
    checksum = {"checksum": f"sha256:{sha256}"}
    return _purl("generic", "", told.artifact, told.version, checksum)


def _supplier(maintainer: str) -> Supplier | None:
    match = _MAINTAINER.fullmatch(maintainer.strip())
    if match:
        return Supplier(match[1].strip('"'), match[2])
    return Supplier(maintainer) if maintainer else None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _purl(
    kind: str, space: str, name: str, version: str, qualifiers: Mapping[str, str] | None = None
) -> str:
    from packageurl import PackageURL  # noqa: PLC0415 - only where documents are made

    named = PackageURL(kind, space or None, name, version or None, dict(qualifiers or {}))
    return named.to_string()
