"""Which Spark, Python and Java does a release hold? Read off its tags and its parity report."""

from __future__ import annotations

import re

from sparkyard.record.record import Record

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


def versions(record: Record) -> tuple[tuple[str, str], ...]:
    """Return names and versions of what the stack stands on, in the order of `NAMES`.

    The parity report has them whole; a tag names Python and Java by their lines alone.
    """
    found: dict[str, str] = {}
    for image in record.images:
        for tag in (*image.immutable, *image.moving):
            if match := _TAG.fullmatch(tag):
                found |= match.groupdict()
    for row in record.parity:
        if row.name in _ROWS and row.verdict == "agrees":
            found[_ROWS[row.name]] = row.driver.removeprefix("CPython ")
    return tuple((name, found[name]) for name in NAMES if name in found)
