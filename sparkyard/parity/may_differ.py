"""What may differ, and why? The table that is shipped, and a site's own lines.

Whatever differs and is in no line fails. A line is one table of `[[may_differ]]` in TOML:

    kind        of what: see `KINDS`
    name        a pattern, or a list of them: * and ? stand for any characters
    why         one sentence, which the report shows
    only        "driver" or "executors": it may be on that side alone
    driver      what that side has: a pattern, in which {executors} is the other side's
    executors   the same of the other side
    needs       true: and the packages that nothing but these needs
    as_built    true: as the image's own build has copied it, which pods do not tell
    live        true: where pods are compared, and not between images
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sparkyard import paths
from sparkyard.errors import MalformedFileError
from sparkyard.facts.collector.files import BUILT
from sparkyard.files import toml_file
from sparkyard.names import nearest
from sparkyard.parity.rule import DRIVER, EXECUTORS, NOTHING

KINDS = (
    "fact", "environment", "image", "process", "file", "conf", "jar", "package", "debian",
    "compiled", "library", "python", "java",
)  # fmt: skip
"""What a line can be about: the kinds of rows that a report has."""

TABLE = Path(__file__).with_name("may_differ.toml")
OWN = paths.ROOT / "conf" / "parity.toml"
"""A site's own lines; the file need not be there."""

_TEXTS = ("kind", "why", "only", "driver", "executors")
_FLAGS = ("needs", "as_built", "live")
_KEYS = ("name", *_TEXTS, *_FLAGS)
_WITH_NEEDS = ("package", "debian")


@dataclass(frozen=True)
class Line:
    """A line of the table; `source` is the file that it stands in, empty for the one shipped."""

    kind: str
    names: tuple[str, ...]
    why: str
    only: str = ""
    driver: str = ""
    executors: str = ""
    needs: bool = False
    as_built: bool = False
    live: bool = False
    source: str = ""

    @property
    def reason(self) -> str:
        """Why it may differ, and in which file of a site that stands."""
        return f"{self.why} ({self.source})" if self.source else self.why

    def names_it(self, name: str) -> bool:
        """Tell whether this line is about a thing of that name."""
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.names)

    def allows(self, name: str, driver: str, executors: str) -> bool:
        """Tell whether a thing may have these two values."""
        if not self.names_it(name):
            return False
        here, there = (driver, executors) if self.only != EXECUTORS else (executors, driver)
        if self.only and not (there in NOTHING and here not in NOTHING):
            return False
        if self.as_built and not all(
            value in NOTHING or value.endswith(BUILT) for value in (driver, executors)
        ):
            return False
        return _fits(driver, self.driver, executors) and _fits(executors, self.executors, driver)


def _fits(value: str, pattern: str, other: str) -> bool:
    for side in (DRIVER, EXECUTORS):
        pattern = pattern.replace(f"{{{side}}}", other)
    return not pattern or fnmatch.fnmatchcase(value, pattern)


@dataclass(frozen=True)
class MayDiffer:
    """All lines."""

    lines: tuple[Line, ...]

    def line(self, kind: str, name: str, driver: str, executors: str) -> Line | None:
        """Return the first line that allows a difference; None where none does."""
        lines = (line for line in self.lines if line.kind == kind)
        return next((line for line in lines if line.allows(name, driver, executors)), None)

    @property
    def own(self) -> tuple[Line, ...]:
        """The lines of a site."""
        return tuple(line for line in self.lines if line.source)


def load(*, live: bool = False, own: Path = OWN) -> MayDiffer:
    """Return the table that is shipped and a site's own lines.

    Args:
        live: whether pods are compared.
        own: the site's file.

    Raises:
        MalformedFileError: a file is no such table.
    """
    lines = [*_read(TABLE, "")]
    if own.exists():
        lines += _read(own, str(own.relative_to(paths.ROOT) if own == OWN else own))
    if live:  # a pod has no label that says what its image was built from
        return MayDiffer(tuple(replace(line, as_built=False) for line in lines))
    return MayDiffer(tuple(line for line in lines if not line.live))


def _read(file: Path, source: str) -> Iterable[Line]:
    document = toml_file.read(file)
    toml_file.only(document, ("may_differ",), str(file))
    tables = document.get("may_differ", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise MalformedFileError(
            f"{file}: may_differ is not a list of tables.", "Begin each line with [[may_differ]]."
        )
    return [
        _line(table, f"{file}, line {number} of [[may_differ]]", source)
        for number, table in enumerate(tables, start=1)
    ]


def _line(table: dict[str, Any], where: str, source: str) -> Line:
    toml_file.only(table, _KEYS, where)
    kind = toml_file.text(table, "kind", where)
    if kind not in KINDS:
        raise MalformedFileError(f'{where}: there is no kind "{kind}".', nearest(kind, KINDS))
    texts = {
        key: toml_file.text(table, key, where) for key in _TEXTS[1:] if key in table or key == "why"
    }
    name = table.get("name")
    names = (name,) if isinstance(name, str) and name else toml_file.texts(table, "name", where)
    if not names:
        raise MalformedFileError(f"{where} has no name.", 'Add what it is about: name = "..."')
    if texts.get("only", DRIVER) not in (DRIVER, EXECUTORS):
        raise MalformedFileError(
            f'{where}: "only" is "{texts["only"]}".', f"Write {DRIVER} or {EXECUTORS}."
        )
    for flag in _FLAGS:
        if not isinstance(table.get(flag, False), bool):
            raise MalformedFileError(f'{where}: "{flag}" is not true or false.', "Write true.")
    if table.get("needs") and kind not in _WITH_NEEDS:
        raise MalformedFileError(
            f'{where}: "needs" is for packages, and not for the kind "{kind}".',
            f"Leave it out, or take one of: {', '.join(_WITH_NEEDS)}.",
        )
    parts: dict[str, Any] = {**texts, **{flag: bool(table.get(flag)) for flag in _FLAGS}}
    return Line(kind, names, source=source, **parts)
