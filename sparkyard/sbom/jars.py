"""Under which Maven coordinates is a jar known?

In this order: the pom.properties inside it, the locks of package-dependencies/ by its sha256,
`GROUPS` by its name, and the vendor id of its manifest where that speaks of the same version. A jar
that none of these knows keeps its file's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sparkyard import paths
from sparkyard.facts.ownership import JarFile
from sparkyard.locks import jar_checks
from sparkyard.locks.jar_lock import parse_lock

GROUPS = {
    "RoaringBitmap": "org.roaringbitmap",
    "activation": "javax.activation",
    "annotations": "org.jetbrains",
    "arpack_combined_all": "net.sourceforge.f2j",
    "derby": "org.apache.derby",
    "gson": "com.google.code.gson",
    "hadoop-client-runtime": "org.apache.hadoop",
    "ivy": "org.apache.ivy",
    "jackson-core-asl": "org.codehaus.jackson",
    "jackson-mapper-asl": "org.codehaus.jackson",
    "jdo-api": "javax.jdo",
    "jodd-core": "org.jodd",
    "jsr305": "com.google.code.findbugs",
    "jta": "javax.transaction",
    "libfb303": "org.apache.thrift",
    "libthrift": "org.apache.thrift",
    "lz4-java": "org.lz4",
    "objenesis": "org.objenesis",
    "oro": "oro",
    "rocksdbjni": "org.rocksdb",
    "scala-compiler": "org.scala-lang",
    "scala-library": "org.scala-lang",
    "scala-reflect": "org.scala-lang",
    "shims": "org.roaringbitmap",
    "stax-api": "stax",
    "tink": "com.google.crypto.tink",
    "transaction-api": "javax.transaction",
    "xz": "org.tukaani",
}
"""Groups on Maven Central of the jars of Spark 3.5 that hold no pom of their own."""


@dataclass(frozen=True)
class Coordinates:
    """A jar's coordinates; `group` is empty where it is not known, `version` may be."""

    group: str
    artifact: str
    version: str
    classifier: str = ""


def coordinates(jar: JarFile, locked: Mapping[str, str]) -> Coordinates:
    """Return the coordinates of a jar; `locked` are paths in a Maven repository by sha256."""
    stem = jar.path.rsplit("/", 1)[-1].removesuffix(".jar")
    if jar.poms:
        group, artifact, version = max(jar.poms, key=lambda pom: (len(pom[1]), pom))
        return _known(group, artifact, version, stem)
    if jar.sha256 in locked:
        place, artifact, version, _ = locked[jar.sha256].rsplit("/", 3)
        return _known(place.replace("/", "."), artifact, version, stem)
    named = jar_checks.name_of(f"{stem}.jar", where="")
    if not named.version:
        return Coordinates("", stem, jar.implementation or "")
    vendor = jar.vendor if jar.vendor and jar.implementation == named.version else ""
    group = GROUPS.get(named.artifact) or vendor or ""
    return Coordinates(group, named.artifact, named.version, named.classifier)


def _known(group: str, artifact: str, version: str, stem: str) -> Coordinates:
    return Coordinates(
        group, artifact, version, stem.removeprefix(f"{artifact}-{version}").lstrip("-")
    )


def locked_jars() -> dict[str, str]:
    """Return the path in a Maven repository of every jar that the checkout locks, by sha256.

    Raises:
        StaleLockError: a lock is not as it was generated.
    """
    return {
        jar.sha256: jar.path
        for file in sorted(paths.DEPENDENCIES.glob("*/jars/*.lock"))
        for jar in parse_lock(file.read_text(encoding="utf-8"), file).jars
    }
