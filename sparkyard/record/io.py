"""Is this document the record of a release?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sparkyard.decode import NotOfThatTypeError, decode
from sparkyard.errors import MalformedFileError
from sparkyard.record.record import SCHEMA, Record


def record_from(document: Any) -> Record:
    """Return the record that a JSON document is.

    Raises:
        NotOfThatTypeError: it is of another schema, lacks a part, or has one of another kind; a
            ValueError whose text names the place.
    """
    told = document.get("schema") if isinstance(document, dict) else type(document).__name__
    if told != SCHEMA:
        raise NotOfThatTypeError(f"schema {told!r} where {SCHEMA} is known")
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
