"""Which JVM jars does a stack add to Spark's own, and are their locks current?

jars.toml declares them in groups, each for one class path; `lock` resolves each group and writes
jars/<group>.lock beside it, and everything later in a build reads the locks alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparkyard.errors import (
    JarConflictError,
    MalformedFileError,
    StaleLockError,
    UnknownNameError,
)
from sparkyard.files import toml_file
from sparkyard.locks import class_paths
from sparkyard.locks.class_paths import OF_SPARK, SPARK, ClassPath
from sparkyard.locks.jar_checks import Jar, check, name_of, read_jar, wrong_scala
from sparkyard.locks.jar_lock import LockedJar, parse_lock, render_lock
from sparkyard.names import nearest

MEND = "Run `nox -s dependencies` and commit what it writes."
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_COORDINATE = re.compile(r"[\w.-]+:[\w.-]+:[\w.-]+")


@dataclass(frozen=True)
class Exclusion:
    """What a dependency would bring and must not: "group:artifact" or "*", and why."""

    artifact: str
    reason: str


@dataclass(frozen=True)
class Dependency:
    """One jar asked for: "group:artifact:version", its classifier, what it must not bring."""

    artifact: str
    classifier: str = ""
    exclusions: tuple[Exclusion, ...] = ()


@dataclass(frozen=True)
class Group:
    """The jars of one image layer."""

    name: str
    dependencies: tuple[Dependency, ...]
    class_path: ClassPath = OF_SPARK

    @property
    def digest(self) -> str:
        """The sha256 of what decides on the lock: comments, layout and directory do not count."""
        content = asdict(self)
        if content.pop("class_path")["name"] != SPARK:
            content["jvm"] = sorted(self.class_path.jvm)
            content["classpath"] = self.class_path.name
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


# Resolves one group into a directory in the layout of a Maven repository: see jar_resolver.py.
Resolver = Callable[[Group, Path], None]


def declaration(stack_directory: Path) -> Path:
    """Return the file that declares the jars of the stack in `stack_directory`."""
    return stack_directory / "jars.toml"


def lock_file(stack_directory: Path, group: str) -> Path:
    """Return the lock of one group."""
    return stack_directory / "jars" / f"{group}.lock"


def declared(stack_directory: Path) -> tuple[Group, ...]:
    """Return the groups that jars.toml declares, in its order.

    Raises:
        MalformedFileError: it cannot be read as groups of jars; says the line and column for TOML.
        UnknownNameError: a group or a class path names a class path that is not declared.
    """
    path = declaration(stack_directory)
    if not path.exists():
        raise MalformedFileError(
            f"{path} is missing: nothing says which jars the stack adds.",
            "Restore it; a stack without jars of its own has an empty table [groups] in it.",
        )
    content = toml_file.read(path)
    toml_file.only(content, {"groups", "classpaths"}, f"{path}")
    known = class_paths.read(content, path)
    found = tuple(
        _group(name, table, f"{path}: [groups.{name}]", known)
        for name, table in _table(content.get("groups"), f"{path}: groups").items()
    )
    for name in sorted(known.keys() - {SPARK, *(group.class_path.name for group in found)}):
        raise MalformedFileError(
            f"{path}: no group goes to [classpaths.{name}].",
            f'Name it in a group (classpath = "{name}"), or remove it.',
        )
    return found


def groups(stack_directory: Path) -> tuple[str, ...]:
    """Return the names of the groups, in the order of jars.toml: one layer each."""
    return tuple(group.name for group in declared(stack_directory))


def directory_of(stack_directory: Path, name: str) -> str:
    """Return the directory that the group `name` goes to; empty for that of Spark's own jars."""
    return {group.name: group.class_path.directory for group in declared(stack_directory)}[name]


def check_current(stack_directory: Path) -> None:
    """Return quietly if every group has a lock that belongs to its declaration.

    Raises:
        StaleLockError: a lock is missing, older than its declaration, edited, or left over.
    """
    expected = declared(stack_directory)
    for group in expected:
        locked_group(stack_directory, group)
    directory = lock_file(stack_directory, "any").parent
    known = {group.name for group in expected}
    for path in sorted(directory.glob("*.lock")):
        if path.stem not in known:
            raise StaleLockError(f"{path} locks a group that jars.toml does not declare.", MEND)


def locked_group(stack_directory: Path, group: Group) -> tuple[LockedJar, ...]:
    """Return the locked jars of `group`.

    Raises:
        StaleLockError: the lock is missing, edited, or does not belong to the declaration.
    """
    path = lock_file(stack_directory, group.name)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StaleLockError(f"The jars of group {group.name} have no lock: {path}", MEND) from None
    lock = parse_lock(text, path)
    if lock.declaration != group.digest:
        raise StaleLockError(
            f"{path} is older than group {group.name} in {declaration(stack_directory)}.", MEND
        )
    spark = _spark_of(group, stack_directory)
    if lock.spark != spark:
        raise StaleLockError(
            f"{path} was checked against {lock.spark or 'no Spark'}, and poetry.lock now pins "
            f"{spark or 'none'}.",
            MEND,
        )
    return lock.jars


def pinned_spark(stack_directory: Path) -> str:
    """Return the file name of the Spark that poetry.lock pins; empty where it pins none."""
    file = stack_directory / "poetry.lock"
    found = re.search(r'file = "(pyspark-[^"]+)"', file.read_text()) if file.exists() else None
    return found.group(1) if found else ""


def _spark_of(group: Group, stack_directory: Path) -> str:
    """Return the file name of the Spark that a group's jars are checked against, if any."""
    return pinned_spark(stack_directory) if group.class_path.has_spark else ""


def lock(
    stack_directory: Path,
    *,
    resolve: Resolver,
    spark_jars: Callable[[], Iterable[str]],
    class_level: int,
) -> None:
    """Resolve every group, check the jars of each JVM, and write the locks; all of them or none.

    Args:
        stack_directory: where jars.toml is, and jars/ will be.
        resolve: puts what a group brings into a directory (jar_resolver.in_container).
        spark_jars: gives the file names of the jars that Spark carries (spark_jars.names); asked
            only where a group runs with them.
        class_level: the newest class file version that the stack's JRE runs: 52 for Java 8.

    Raises:
        JarConflictError: the jars do not fit together; no lock was touched.
    """
    declared_groups = declared(stack_directory)
    with_spark = [group for group in declared_groups if group.class_path.has_spark]
    names = tuple(spark_jars()) if with_spark else ()
    own = [name_of(name, where="Spark's jars") for name in names]
    _check_scala(with_spark, own)  # before Maven is asked for what may not exist
    texts: dict[Path, str] = {}
    with tempfile.TemporaryDirectory(prefix="sparkyard-jars-") as scratch:
        extra: dict[str, list[Jar]] = defaultdict(list)
        for group in declared_groups:
            repository = Path(scratch) / group.name
            repository.mkdir()
            resolve(group, repository)
            carried = names if group.class_path.has_spark else ()
            found = [path for path in sorted(repository.rglob("*.jar")) if path.name not in carried]
            extra[group.class_path.name] += [
                read_jar(path, where=f"group {group.name}", layout=repository) for path in found
            ]
            texts[lock_file(stack_directory, group.name)] = render_lock(
                group.name,
                group.digest,
                [LockedJar.of(path, path.relative_to(repository).as_posix()) for path in found],
                spark=_spark_of(group, stack_directory),
            )
        extra[SPARK] += own
        jvms = dict.fromkeys(group.class_path.jvm for group in declared_groups)
        check([[jar for name in jvm for jar in extra[name]] for jvm in jvms], class_level)
    _write_all(texts)
    directory = lock_file(stack_directory, "any").parent
    for path in set(directory.glob("*.lock")) - set(texts):
        path.unlink()


def _check_scala(declared_groups: Iterable[Group], spark: Sequence[Jar]) -> None:
    problems = [
        problem
        for group in declared_groups
        for dependency in group.dependencies
        if (
            problem := wrong_scala(
                dependency.artifact.rpartition(":")[0],
                f"{dependency.artifact} (declared in group {group.name})",
                spark,
            )
        )
    ]
    if problems:
        raise JarConflictError(
            "\n".join(problems), "Change it in jars.toml, then run `nox -s dependencies`."
        )


def _write_all(texts: Mapping[Path, str]) -> None:
    """Write all files beside their places first, then move them there."""
    ready: list[tuple[Path, Path]] = []
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(".lock.new")
            ready.append((beside, path))
            beside.write_text(text, encoding="utf-8")
        for beside, path in ready:
            os.replace(beside, path)
    finally:
        for beside, _ in ready:
            beside.unlink(missing_ok=True)


def _group(name: str, value: object, where: str, known: Mapping[str, ClassPath]) -> Group:
    if not _NAME.fullmatch(name):
        raise MalformedFileError(f"{where}: not a group name.", "Use a-z, 0-9 and hyphens.")
    table = _table(value, where)
    toml_file.only(table, {"classpath", "dependencies"}, where)
    entries = _list(table.get("dependencies"), f"{where} dependencies")
    wanted = _text(table, "classpath", where) if "classpath" in table else SPARK
    if wanted not in known:
        raise UnknownNameError(
            f'{where} goes to the class path "{wanted}", which is not declared.',
            f"{nearest(wanted, known)} A new one is declared as [classpaths.{wanted}].",
        )
    return Group(name, tuple(_dependency(entry, where) for entry in entries), known[wanted])


def _dependency(value: object, where: str) -> Dependency:
    table = _table(value, f"{where} a dependency")
    toml_file.only(table, {"artifact", "classifier", "exclusions"}, where)
    artifact = _text(table, "artifact", where)
    if not _COORDINATE.fullmatch(artifact):
        raise MalformedFileError(
            f"{where}: {artifact!r} is not a jar.", 'Write it as "group:artifact:version".'
        )
    excluded = []
    for entry in _list(table.get("exclusions", []), f"{where} exclusions of {artifact}"):
        exclusion = _table(entry, f"{where} an exclusion of {artifact}")
        toml_file.only(exclusion, {"artifact", "reason"}, where)
        excluded.append(
            Exclusion(_text(exclusion, "artifact", where), _text(exclusion, "reason", where))
        )
    classifier = _text(table, "classifier", where) if "classifier" in table else ""
    return Dependency(artifact, classifier, tuple(excluded))


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedFileError(f"{where}: a table is wanted here.", "See the other groups.")
    return value


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedFileError(f"{where}: a list is wanted here.", "See the other groups.")
    return value


def _text(table: Mapping[str, object], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise MalformedFileError(f"{where}: {key!r} is missing or not text.", "Fill it in.")
    return value
