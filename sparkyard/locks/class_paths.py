"""Which class paths do a stack's jars go to, and which of them are together in one JVM?

jars.toml declares them in [classpaths.NAME]; `spark`, Spark's own jars, is always there. What fits
on one class path is decided over the jars of a JVM: those of the class path and those of the ones
that it runs with.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkyard.errors import MalformedFileError, UnknownNameError
from sparkyard.family.projects import PREFIX
from sparkyard.files import toml_file
from sparkyard.names import nearest

SPARK = "spark"
"""The class path of Spark's own jars: on every driver and executor."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_DIRECTORY = re.compile(r"/opt(/[A-Za-z0-9][\w.-]*)+")
_PLACES_OF_SPARK = ("/opt/spark", PREFIX)
"""Where Spark is: the environment that pyspark is installed in, and the link to it."""


@dataclass(frozen=True)
class ClassPath:
    """A directory of jars.

    Attributes:
        name: what groups name it by.
        directory: its path in the images; empty for `spark`, because the stack knows that place.
        runs_with: names of the class paths that are in the same JVM.
    """

    name: str
    directory: str
    runs_with: tuple[str, ...]

    @property
    def jvm(self) -> tuple[str, ...]:
        """The names of all class paths in its JVM: itself first, but Spark's last."""
        return tuple(sorted((self.name, *self.runs_with), key=lambda name: name == SPARK))

    @property
    def has_spark(self) -> bool:
        """Whether Spark's own jars are in its JVM."""
        return SPARK in self.jvm


OF_SPARK = ClassPath(SPARK, "", ())


def read(document: Mapping[str, Any], path: Path) -> dict[str, ClassPath]:
    """Return the class paths that a document declares, by name, and `spark`.

    Args:
        document: the content of jars.toml.
        path: its path, for messages.

    Raises:
        MalformedFileError: a declaration is incomplete, or two directories overlap.
        UnknownNameError: a class path runs with one that is not declared.
    """
    tables = document.get("classpaths", {})
    if not isinstance(tables, dict):
        raise MalformedFileError(
            f"{path}: classpaths is not a table.", "Declare each as: [classpaths.NAME]"
        )
    declared = {SPARK: OF_SPARK}
    for name, table in tables.items():
        declared[name] = _class_path(name, table, f"{path}: [classpaths.{name}]")
    for class_path in declared.values():
        others = declared.keys() - {class_path.name}
        for name in class_path.runs_with:
            if name not in others:
                raise UnknownNameError(
                    f'{path}: [classpaths.{class_path.name}] runs with "{name}", which is not '
                    "another class path.",
                    nearest(name, others),
                )
    _check_apart([declared[name] for name in tables], path)
    return declared


def _class_path(name: str, table: object, where: str) -> ClassPath:
    if name == SPARK:
        raise MalformedFileError(
            f"{where}: the class path of Spark's own jars is always there.", "Remove the table."
        )
    if not _NAME.fullmatch(name):
        raise MalformedFileError(f"{where}: not a class path's name.", "Use a-z, 0-9 and hyphens.")
    if not isinstance(table, dict):
        raise MalformedFileError(f"{where} is not a table.", f"Declare it as: [classpaths.{name}]")
    toml_file.only(table, {"directory", "runs_with"}, where)
    directory = toml_file.text(table, "directory", where)
    form = f'Write it as: directory = "/opt/{name}/jars"'
    if not _DIRECTORY.fullmatch(directory):
        raise MalformedFileError(
            f'{where}: the directory "{directory}" is not an absolute path below /opt.', form
        )
    for place in _PLACES_OF_SPARK:
        if _overlap(directory, place):
            raise MalformedFileError(f"{where}: {directory} is in {place}, where Spark is.", form)
    return ClassPath(name, directory, toml_file.texts(table, "runs_with", where))


def _check_apart(declared: Iterable[ClassPath], path: Path) -> None:
    for one, other in itertools.combinations(declared, 2):
        if _overlap(one.directory, other.directory):
            raise MalformedFileError(
                f"{path}: the class paths {one.name} and {other.name} have the same directory, or "
                f"one inside another: {one.directory}, {other.directory}.",
                "Give each a directory of its own.",
            )


def _overlap(one: str, other: str) -> bool:
    shorter, longer = sorted((one + "/", other + "/"), key=len)
    return longer.startswith(shorter)
