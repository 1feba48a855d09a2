"""Which locked files does this machine keep? Each under its sha256, outside the engine's cache.

Archives delete what they once served; a file that was fetched here stays, so a commit that was
built here once can be built here again. `nox -s clean -- --store` gives the room back.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sparkyard import paths
from sparkyard.errors import HashMismatchError

NAME = "store"
"""Its name in the cache."""
_MODE = 0o644
_NEW = ".new-"
_STALE = 3600
"""Seconds after which a file that is not complete belongs to no command that still runs."""


@dataclass(frozen=True)
class Size:
    """How much is kept: a number of files, and their bytes."""

    files: int
    octets: int


def directory() -> Path:
    """Return where the files are."""
    return paths.cache() / NAME


def place(sha256: str) -> Path:
    """Return where the file with that digest is, or would be."""
    return directory() / sha256[:2] / sha256


def holds(sha256: str) -> bool:
    """Tell whether the file is kept, as its digest says; one that was damaged is removed."""
    file = place(sha256)
    try:
        with file.open("rb") as content:
            whole = hashlib.file_digest(content, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False
    if not whole:
        file.unlink(missing_ok=True)
    return whole


def put(sha256: str, blocks: Iterable[bytes]) -> Path:
    """Keep a file, all of it or nothing, and return where it is.

    Raises:
        HashMismatchError: the blocks are another file's.
        OSError: it cannot be written, for want of room for example.
    """
    file = place(sha256)
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=file.parent, prefix=_NEW)
    try:
        digest = hashlib.sha256()
        with os.fdopen(handle, "wb") as target:
            for block in blocks:
                digest.update(block)
                target.write(block)
        if digest.hexdigest() != sha256:
            raise HashMismatchError(
                f"Its sha256 is {digest.hexdigest()}, and {sha256} is locked.",
                "Do not use it: find out who serves the other file.",
            )
        Path(beside).chmod(_MODE)
        os.replace(beside, file)
    except OSError as error:
        error.filename = error.filename or str(file)  # a write that finds no room names no file
        raise
    finally:
        Path(beside).unlink(missing_ok=True)
    return file


def link(sha256: str, target: Path) -> None:
    """Put a kept file to another place, without a copy where the file system allows that."""
    target.unlink(missing_ok=True)  # a copy would be written through a link into the store
    try:
        os.link(place(sha256), target)
    except OSError:  # on another file system
        shutil.copyfile(place(sha256), target)
        target.chmod(_MODE)


def size() -> Size:
    """Return how much is kept."""
    files = [file for file in directory().glob("*/*") if not file.name.startswith(_NEW)]
    return Size(len(files), sum(file.stat().st_size for file in files))


def tidy() -> None:
    """Remove what stopped commands have left half written."""
    for file in directory().glob(f"*/{_NEW}*"):
        if time.time() - file.stat().st_mtime > _STALE:
            file.unlink(missing_ok=True)
