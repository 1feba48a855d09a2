"""What does an installed Python distribution say of itself?"""

from __future__ import annotations

import csv
import os
import re

SUFFIXES = (".dist-info", ".egg-info")
METADATA = ("METADATA", "PKG-INFO")


def header(metadata: str) -> str:
    """Return the fields of a METADATA or PKG-INFO file without the description after them."""
    return metadata.split("\n\n", 1)[0]


def values(fields: str, field: str) -> list[str]:
    """Return the values of a field, which may be there several times."""
    return [value.strip() for value in re.findall(rf"(?mi)^{field}:[ \t]*(.+)$", fields)]


def name_and_version(info: str, fields: str) -> tuple[str, str]:
    """Return both from the fields, else from the name of the directory or file `info`."""
    stem = os.path.basename(info).rsplit(".", 1)[0].split("-")
    name = (values(fields, "Name") or stem)[0]
    version = (values(fields, "Version") or [*stem[1:2], "?"])[0]
    return name, version


def recorded(record: str) -> list[tuple[str, str]]:
    """Return the paths that a RECORD lists, each with the hash that it claims or nothing."""
    rows = csv.reader(record.splitlines())
    return [(row[0], row[1] if len(row) > 1 else "") for row in rows if row and row[0]]
