"""What does a file hold? A file that cannot be read holds nothing: that is no error."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable

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


def mount_points(root: str = "") -> set[str]:
    """Return the paths below a root directory where something is mounted, as its processes see."""
    lines = [line.split() for line in (read_text(f"{root}/proc/self/mountinfo") or "").splitlines()]
    return {words[4].replace("\\040", " ") for words in lines if len(words) > 4} - {"/"}


def sha256(path: str, *, start: bytes = b"") -> str | None:
    """Return the hex SHA-256 of `start` and a regular file, None where it cannot be read."""
    digest = hashlib.sha256(start)
    return digest.hexdigest() if _feed(path, digest.update) else None


def sha256_and_md5(path: str) -> tuple[str, str] | None:
    """Return both hashes of a regular file, in hex; None where it cannot be read."""
    sha, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)

    def both(chunk: bytes) -> None:
        sha.update(chunk)
        md5.update(chunk)

    return (sha.hexdigest(), md5.hexdigest()) if _feed(path, both) else None


def _feed(path: str, take: Callable[[bytes], object]) -> bool:
    """Give a regular file's bytes, in pieces; tell whether it could be read to its end."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                take(chunk)
    except OSError:
        return False
    return True
