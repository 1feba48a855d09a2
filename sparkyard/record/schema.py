"""Is a document a release's record, as the schema of its number in docs/schemas describes it?"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from sparkyard import paths
from sparkyard.errors import MalformedFileError
from sparkyard.record import schema_1
from sparkyard.record.record import SCHEMA

_DIRECTORY = paths.ROOT / "docs" / "schemas"
FILES = {SCHEMA: _DIRECTORY / "release.json", schema_1.SCHEMA: _DIRECTORY / "release-1.json"}
"""The published schemas, by the number that a document bears."""

_SHOWN = 5


@cache
def schema(number: int = SCHEMA) -> dict[str, Any]:
    """Return a schema (JSON Schema, draft 2020-12)."""
    return dict(json.loads(FILES[number].read_text(encoding="utf-8")))


def problems(document: object) -> tuple[str, ...]:
    """Return what keeps a document from being a record, as "place: what"; () when nothing does.

    Args:
        document: as `json.loads` returns it, or as `Record.as_document` does.
    """
    # It takes a tenth of a second to import, and most commands read no record.
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # noqa: PLC0415

    # A record in memory has tuples where the one of a file has lists.
    plain = json.loads(json.dumps(document))
    number = plain.get("schema") if isinstance(plain, dict) else None
    of_document = schema(number if type(number) is int and number in FILES else SCHEMA)
    errors = Draft202012Validator(of_document).iter_errors(plain)
    return tuple(
        f"{error.json_path}: {error.message[:200]}"
        for error in sorted(errors, key=lambda error: error.json_path)
    )


def check(document: object, where: str) -> None:
    """Check that a document is a record.

    Args:
        document: the document.
        where: what it is called in the error.

    Raises:
        MalformedFileError: it is none; the error names the places.
    """
    if wrong := problems(document):
        more = f"\nand {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise MalformedFileError(
            f"{where} is no record of a release after docs/schemas: {wrong[0]}.",
            "Do not use it: make the release again, or read it with the version that wrote it.",
            detail="\n".join(wrong[:_SHOWN]) + more,
        )
