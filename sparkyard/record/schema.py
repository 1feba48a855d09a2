"""Is a document a release's record, as docs/schemas/release.json describes it?"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from sparkyard import paths
from sparkyard.errors import MalformedFileError

FILE = paths.ROOT / "docs" / "schemas" / "release.json"

_SHOWN = 5


@cache
def schema(file: Path = FILE) -> dict[str, Any]:
    """Return the schema (JSON Schema, draft 2020-12)."""
    return dict(json.loads(file.read_text(encoding="utf-8")))


def problems(document: object) -> tuple[str, ...]:
    """Return what keeps a document from being a record, as "place: what"; () when nothing does.

    Args:
        document: as `json.loads` returns it, or as `Record.as_document` does.
    """
    # It takes a tenth of a second to import, and most commands read no record.
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # noqa: PLC0415

    # A record in memory has tuples where the one of a file has lists.
    plain = json.loads(json.dumps(document))
    found = Draft202012Validator(schema()).iter_errors(plain)
    return tuple(
        f"{error.json_path}: {error.message[:200]}"
        for error in sorted(found, key=lambda error: error.json_path)
    )


def check(document: object, where: str) -> None:
    """Check that a document is a record.

    Args:
        document: the document.
        where: what it is called in the error.

    Raises:
        MalformedFileError: it is none; the error names the places.
    """
    if found := problems(document):
        more = f"\nand {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise MalformedFileError(
            f"{where} is no record of a release after docs/schemas/release.json: {found[0]}.",
            "Do not use it: make the release again, or read it with the version that wrote it.",
            detail="\n".join(found[:_SHOWN]) + more,
        )
