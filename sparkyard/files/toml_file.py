"""How is a TOML file read, so that a mistake in it is named with its line and column?"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from sparkyard.errors import MalformedFileError
from sparkyard.files import text_file
from sparkyard.names import nearest


def read(path: Path) -> dict[str, Any]:
    """Return the document in `path`.

    Raises:
        MalformedFileError: it is missing or is not TOML in UTF-8; the message has line and column.
    """
    try:
        return tomllib.loads(text_file.read(path))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at (.*)\)$", str(error))
        where = place.group(1) if place else "somewhere"
        reason = re.sub(r" \(at .*\)$", "", str(error))
        raise MalformedFileError(
            f"{path} is not TOML: {reason}, at {where}.", "Mend that line and run it again."
        ) from error


def table(document: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    """Return the table `key` of a document, or say that `path` lacks it."""
    value = document.get(key)
    if not isinstance(value, dict):
        raise MalformedFileError(f"{path} has no table [{key}].", f"Add [{key}] to it.")
    return value


def text(entries: dict[str, Any], key: str, where: str) -> str:
    """Return the string `key` of a table; `where` names the table in the message."""
    value = entries.get(key)
    if not isinstance(value, str) or not value:
        raise MalformedFileError(f'{where} has no text "{key}".', f'Add: {key} = "..."')
    return value


def texts(entries: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    """Return the list of strings `key` of a table; an absent one is empty."""
    value = entries.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MalformedFileError(
            f'{where} has a "{key}" that is not a list of texts.', f'Write it as: {key} = ["..."]'
        )
    return tuple(value)


def only(entries: Mapping[str, object], known: Collection[str], where: str) -> None:
    """Return quietly if a table has no other keys than the known ones."""
    for key in entries:
        if key not in known:
            raise MalformedFileError(f"{where}: unknown key {key!r}.", nearest(key, known))
