"""Is this document the record of a release?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sparkyard.decode import NotOfThatTypeError, decode
from sparkyard.errors import MalformedFileError
from sparkyard.record import schema_1
from sparkyard.record.record import SCHEMA, Record


def record_from(document: Any) -> Record:
    """Return the record that a JSON document is.

    Raises:
        NotOfThatTypeError: it is of another schema, lacks a part, or has one of another kind; a
            ValueError whose text names the place.
    """
    number = document.get("schema") if isinstance(document, dict) else type(document).__name__
    if number == schema_1.SCHEMA:
        return schema_1.record_from(document)
    if number != SCHEMA:
        known = f"{schema_1.SCHEMA} and {SCHEMA} are known"
        raise NotOfThatTypeError(f"schema {number!r} where {known}")
    return decode(Record, document, "record")


def read(file: Path) -> Record:
    """Return the record in a release.json.

    Raises:
        MalformedFileError: it is none.
        OSError: it cannot be read.
    """
    try:
        return record_from(json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise MalformedFileError(
            f"{file} is no record of a release: {error}.",
            "Give the file release.json of a release, or a released version.",
        ) from error
