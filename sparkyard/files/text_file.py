"""How is a text that people edit read? As UTF-8, its lines ended by LF; anything else is named."""

from __future__ import annotations

import codecs
from pathlib import Path

from sparkyard.errors import MalformedFileError

_MARKS = {codecs.BOM_UTF8: "UTF-8", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


def read(path: Path) -> str:
    """Return the text of a file.

    Raises:
        MalformedFileError: it is missing, is not UTF-8, or begins with a byte order mark, which
            would be a part of its first word.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise MalformedFileError(
            f"{path} does not exist.", "Restore it (`git status` shows what is missing)."
        ) from error
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            raise MalformedFileError(
                f"{path} begins with a byte order mark (BOM) of {encoding}.",
                "Save it as UTF-8 without BOM.",
            )
    try:
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise MalformedFileError(
            f"{path} is not UTF-8 (byte {error.start}).", "Save it as UTF-8 text."
        ) from error
