"""Can these jars be in one JVM? Two versions, a wrong Hadoop, a too new class are refused.

`read_jar` and `name_of` find out about jars; `check` decides, from what they found alone. It runs
when the jars are locked, and the tests run it on the jars of the built images.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparkyard.errors import JarConflictError

# A file name: the version is the last part that begins like "1.2" (hive-shims-0.23-2.3.9), or else
# like "1", with a qualifier behind it (1.5.5-4, 3.7.0-M11, 3.30.2-GA); a classifier is lower case.
_TAIL = r"(?:-(?:[A-Z0-9]|rc|alpha|beta|m\d)[\w.]*)*)(?:-(?P<classifier>[a-z][\w.-]*))?\.jar"
_FILE = re.compile(r"(?P<artifact>.+)-(?P<version>\d+\.\d[^-]*" + _TAIL)
_FILE_WHOLE_NUMBER = re.compile(r"(?P<artifact>.+)-(?P<version>\d+" + _TAIL)
# sbt's and Maven's convention for what is compiled for one Scala: delta-spark_2.12, cats-core_3.
_SCALA_SUFFIX = re.compile(r"(?P<name>.+)_(?P<scala>2\.\d+|3)")
_SCALA_GROUP = ("scala-library", "scala-reflect", "scala-compiler", "scala3-library_3")
"""What a jar for another Scala brings with it."""
_HADOOP = ("hadoop-client-api", "hadoop-common")
"""Hadoop itself: shaded, as Spark carries it, and as others depend on it."""
_CLASS_MAGIC = 0xCAFEBABE
# A class file version is the Java feature release plus 44: 52 is Java 8 (JVM specification, 4.1).
_CLASS_TO_JAVA = 44


@dataclass(frozen=True)
class Jar:
    """What matters of a jar: its identity, where it was seen, the newest class file in it.

    Attributes:
        artifact: the artifact's name; Maven's group is not in a file name, so it is not compared.
        version: as in the file name.
        classifier: "" for the main jar: two classifiers of one artifact are two different things.
        file: its file name.
        where: for messages: "group s3a", "Spark's jars".
        class_level: its newest class file version, 0 if it has none or was not opened.
        class_name: a class of that version.
        group: Maven's group, "" where only a file name is known.
    """

    artifact: str
    version: str
    classifier: str
    file: str
    where: str
    class_level: int = 0
    class_name: str = ""
    group: str = ""


def name_of(file: str, *, where: str) -> Jar:
    """Return what the file name of a jar tells."""
    match = _FILE.fullmatch(file) or _FILE_WHOLE_NUMBER.fullmatch(file)
    if match is None:
        return Jar(file.removesuffix(".jar"), "", "", file, where)
    return Jar(match["artifact"], match["version"], match["classifier"] or "", file, where)


def read_jar(path: Path, *, where: str, layout: Path | None = None) -> Jar:
    """Return what the jar at `path` is, its classes included.

    With `layout` it lies in a Maven repository under that directory, which tells its identity
    without guessing; otherwise its file name does.

    Raises:
        JarConflictError: it is no zip file.
    """
    named = name_of(path.name, where=where)
    group = ""
    if layout is not None:
        *parts, artifact, version, _ = path.relative_to(layout).parts
        group = ".".join(parts)
        classifier = path.stem.removeprefix(f"{artifact}-{version}").lstrip("-")
        named = Jar(artifact, version, classifier, path.name, where)
    try:
        level, name = _newest_class(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise JarConflictError(
            f"{path.name} ({where}) cannot be read as a jar: {error}",
            "Fetch it again; if it stays so, ask the mirror for the file.",
        ) from error
    return Jar(
        named.artifact, named.version, named.classifier, path.name, where, level, name, group
    )


def _newest_class(path: Path) -> tuple[int, str]:
    newest = (0, "")
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            # What an older JRE never loads: classes for newer ones, and descriptors without code
            # (Spark's own threeten-extra has a package-info of Java 9).
            if entry.filename.startswith("META-INF/versions/"):
                continue
            if not entry.filename.endswith(".class") or entry.filename.endswith("-info.class"):
                continue
            with archive.open(entry) as stream:
                head = stream.read(8)
            if len(head) == 8 and struct.unpack(">I", head[:4])[0] == _CLASS_MAGIC:
                newest = max(newest, (struct.unpack(">H", head[6:])[0], entry.filename))
    return newest


def check(jvms: Iterable[Sequence[Jar]], class_level: int) -> None:
    """Return quietly if the jars of each JVM fit together.

    Args:
        jvms: all jars of each JVM, those that Spark carries last.
        class_level: the newest class file version that the JRE runs: 52 for Java 8.

    Raises:
        JarConflictError: names every conflict that was found.
    """
    # Two JVMs may have a class path in common, and so its conflicts.
    problems = list(dict.fromkeys(each for jars in jvms for each in _conflicts(jars, class_level)))
    if problems:
        raise JarConflictError(
            "\n".join(problems),
            "Change jars.toml (another version, or an exclusion with its reason), then run "
            "`nox -s dependencies`.",
        )


def _conflicts(jars: Sequence[Jar], class_level: int) -> list[str]:
    """Return one message for everything that keeps jars from being in one JVM."""
    other_scala = [
        problem
        for jar in jars
        if (problem := wrong_scala(jar.artifact, f"{jar.file} ({jar.where})", jars))
    ]
    # Another Scala's own library is no second fault then: to leave it out would mend nothing.
    rest = [jar for jar in jars if not (other_scala and jar.artifact in _SCALA_GROUP)]
    return [*other_scala, *two_versions(rest), *wrong_hadoop(jars), *too_new(jars, class_level)]


def two_versions(jars: Sequence[Jar]) -> list[str]:
    """Return one message for every artifact that is there in more than one version."""
    by_name: dict[tuple[str, str], list[Jar]] = defaultdict(list)
    for jar in jars:
        by_name[jar.artifact, jar.classifier].append(jar)
    problems = []
    for (artifact, _), same in sorted(by_name.items()):
        if len({jar.version for jar in same}) > 1:
            seen = " and ".join(sorted(f"{jar.file} ({jar.where})" for jar in same))
            example = next((jar.group for jar in same if jar.group), "GROUP")
            problems.append(
                f"{artifact} is there in {len({jar.version for jar in same})} versions: {seen}. "
                f'Keep one: exclude "{example}:{artifact}", or ask for the other\'s version.'
            )
        elif len({jar.group for jar in same if jar.group}) > 1:
            seen = " and ".join(sorted(f"{jar.group} ({jar.where})" for jar in same if jar.group))
            problems.append(f"{same[0].file} comes from two Maven groups: {seen}. Exclude one.")
    return problems


def scala_of(jars: Iterable[Jar]) -> str:
    """Return the Scala of the last scala-library, as artifacts name it ("2.12"); "" without one.

    Spark's own jars come last, and an added one must not decide.
    """
    versions = [jar.version for jar in jars if jar.artifact == "scala-library"]
    return ".".join(versions[-1].split(".")[:2]) if versions else ""


def wrong_scala(artifact: str, named: str, jars: Sequence[Jar]) -> str:
    """Return a message if an artifact is compiled for another Scala than the JVM's; else "".

    Args:
        artifact: its name, which may end in a Scala's version; with or without its group.
        named: what the message calls it.
        jars: all that are there, Spark's own last.
    """
    match, scala = _SCALA_SUFFIX.fullmatch(artifact), scala_of(jars)
    if not match or not scala or match["scala"] == scala:
        return ""
    return (
        f"{named} is compiled for Scala {match['scala']}, and its class path has Scala {scala}. "
        f"Ask for {match['name']}_{scala}, in a version that is published for it."
    )


def wrong_hadoop(jars: Sequence[Jar]) -> list[str]:
    """Return a message if hadoop-aws is not of the version of the Hadoop in the same JVM."""
    modules = [jar for jar in jars if jar.artifact == "hadoop-aws"]
    bundled = [jar for jar in jars if jar.artifact in _HADOOP]
    if not modules:
        return []
    if not bundled:
        return [
            f"{modules[0].file} ({modules[0].where}) needs a Hadoop of its own version, "
            f"and no {' or '.join(_HADOOP)} is there to compare it with."
        ]
    return [
        f"{module.file} ({module.where}) is not of the bundled Hadoop: {hadoop.file} "
        f"({hadoop.where}). Ask for org.apache.hadoop:hadoop-aws:{hadoop.version}."
        for module in modules
        for hadoop in bundled
        if module.version != hadoop.version
    ]


def too_new(jars: Sequence[Jar], class_level: int) -> list[str]:
    """Return one message for every jar with a class that the JRE cannot load."""
    return [
        f"{jar.file} ({jar.where}) needs Java {jar.class_level - _CLASS_TO_JAVA}, the stack has "
        f"Java {class_level - _CLASS_TO_JAVA}: {jar.class_name} is of class file version "
        f"{jar.class_level}, {class_level} is the newest that runs. Take an older line of it."
        for jar in jars
        if jar.class_level > class_level
    ]
