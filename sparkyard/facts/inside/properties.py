"""What is assigned in a file of Java properties, or in a shell file?"""

from __future__ import annotations

import re

import java_properties  # of conf/spark/compose: what the images' configuration is composed with

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$")
_TRIMMED = "".join(map(chr, range(33))).replace("\n", "").replace("\r", "")
"""What Spark takes off both ends of a value: Utils.trimExceptCRLF, of Spark 3.5."""


def properties(text: str) -> dict[str, str]:
    """Return Java properties as Spark reads them.

    Raises:
        ValueError: Java would refuse the text, with the line.
    """
    try:
        return {one.key: one.value.strip(_TRIMMED) for one in java_properties.parse(text)}
    except java_properties.MalformedError as error:
        raise ValueError(str(error)) from error


def assignments(text: str) -> dict[str, str]:
    """Return the plain NAME=value lines of a shell file; a value that needs a shell stays raw."""
    matches = [_ASSIGNMENT.match(line) for line in text.splitlines()]
    return {match[1]: match[2].strip().strip("'\"") for match in matches if match}


def without_shell(value: str | None) -> str | None:
    """Return a value of a shell file that means what it says; None where a shell is needed."""
    return None if value is None or "$" in value or "`" in value else value
