"""Which Spark, Python and Java does a stack hold? Read off its tags and its parity reports."""

from __future__ import annotations

import re

from sparkyard.record.record import RecordedStack

_TAG = re.compile(
    r"(?P<Spark>\d[\w.]*)-hadoop(?P<Hadoop>[\w.]+)-scala(?P<Scala>[\w.]+)"
    r"-py(?P<Python>[\w.]+)-java(?P<Java>[\w.]+)"
)
_ROWS = {
    "Spark version": "Spark",
    "Hadoop version": "Hadoop",
    "Scala version": "Scala",
    "Python version": "Python",
    "Java version": "Java",
}
NAMES = ("Spark", "Hadoop", "Scala", "Python", "Java")


def versions(stack: RecordedStack) -> tuple[tuple[str, str], ...]:
    """Return names and versions of what the stack stands on, in the order of `NAMES`.

    The parity report has them whole; a tag names Python and Java by their lines alone.
    """
    known: dict[str, str] = {}
    for image in stack.images:
        for tag in (*image.immutable, *image.moving):
            if match := _TAG.fullmatch(tag.removesuffix(f"-{stack.name}")):
                known |= match.groupdict()
    for row in (row for pair in stack.pairs for row in pair.rows):
        if row.name in _ROWS and row.verdict == "agrees":
            known[_ROWS[row.name]] = row.driver.removeprefix("CPython ")
    return tuple((name, known[name]) for name in NAMES if name in known)
