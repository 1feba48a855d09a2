"""What does a file hold? A file that cannot be read holds nothing: that is no error."""

from __future__ import annotations

import hashlib
import os
import stat

_CHUNK = 1 << 20
"""Bytes read at a time."""


def read_text(path: str) -> str | None:
    """Return a file as text, None where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def list_dir(path: str) -> list[str]:
    """Return the names in a directory, sorted; none where it cannot be read."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def sha256(path: str, *, start: bytes = b"") -> str | None:
    """Return the hex SHA-256 of `start` and a regular file, None where it cannot be read."""
    digest = hashlib.sha256(start)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()
