"""What do installed packages say of themselves: Debian's, Python's, R's?"""

from __future__ import annotations

import csv
import os
import re

from sparkyard.facts.inside.files import list_dir, read_text

DPKG = "/var/lib/dpkg"
_DPKG_FIELD = re.compile(
    r"(?m)^(Package|Version|Architecture|Status|Maintainer|Source|Section|Depends|Pre-Depends"
    r"|Provides|Conffiles): ?(.*(?:\n .*)*)$"
)
_R_FIELD = re.compile(r"(?m)^(Package|Version|License|Built):\s*(.*?)\s*$")

PYTHON_INFO = (".dist-info", ".egg-info")
PYTHON_METADATA = ("METADATA", "PKG-INFO")


def of_debian(root: str = "") -> dict[str, dict[str, str]]:
    """Return the fields of each installed package; a second architecture is part of its key."""
    status, directory = f"{root}{DPKG}/status", f"{root}{DPKG}/status.d"
    places = [status, *(os.path.join(directory, name) for name in list_dir(directory))]
    packages: dict[str, dict[str, str]] = {}
    for block in "\n\n".join(filter(None, map(read_text, places))).split("\n\n"):
        fields = dict(_DPKG_FIELD.findall(block))
        if "Package" in fields and "installed" in fields.get("Status", "installed").split():
            key = fields["Package"]
            if key in packages:
                key += ":" + fields.get("Architecture", "")
            packages[key] = fields
    return packages


def of_python(info: str, metadata: str) -> tuple[str, str, str]:
    """Return name, version and fields of a METADATA or PKG-INFO file that lies in `info`."""
    fields = metadata.split("\n\n", 1)[0]
    stem = os.path.basename(info).rsplit(".", 1)[0].split("-")
    name = (python_field(fields, "Name") or stem)[0]
    version = (python_field(fields, "Version") or [*stem[1:2], "?"])[0]
    return name, version, fields


def python_field(fields: str, name: str) -> list[str]:
    """Return the values of a field, which may be there several times."""
    return [value.strip() for value in re.findall(rf"(?mi)^{name}:[ \t]*(.+)$", fields)]


def python_record(record: str) -> list[tuple[str, str]]:
    """Return the paths that a RECORD lists, each with the hash that it claims or nothing."""
    rows = csv.reader(record.splitlines())
    return [(row[0], row[1] if len(row) > 1 else "") for row in rows if row and row[0]]


def of_r(description: str) -> dict[str, str]:
    """Return the fields of a DESCRIPTION file, continued lines joined."""
    return dict(_R_FIELD.findall(re.sub(r"\n[ \t]+", " ", description)))
