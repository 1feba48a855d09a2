"""How does a directory of sources become one file with one digest, the same on every machine?"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

from sparkyard.command import run
from sparkyard.errors import StaleLockError
from sparkyard.locks import python_lock
from sparkyard.locks.python_lock import Package

_EPOCH = 315_532_800
"""Seconds from 1970 to 1980, before which no file in a wheel may be dated."""
_LEFT_OUT = ("__pycache__", ".git", ".venv")


def files(directory: Path) -> tuple[Path, ...]:
    """Return the files of a directory, relative to it: in a git checkout those that git would take.

    Whether a file was committed does not count, so that a change can be tried before.
    """
    listing = ["git", "-C", str(directory), "ls-files", "-z", "-c", "-o", "--exclude-standard"]
    listed = run(listing, check=False)
    if listed.exit_code == 0:
        named = {Path(name) for name in listed.stdout.split("\0") if name}
    else:
        named = {file.relative_to(directory) for file in directory.rglob("*")}
    return tuple(
        sorted(
            file
            for file in named
            if not set(file.parts).intersection(_LEFT_OUT)
            and ((directory / file).is_file() or (directory / file).is_symlink())
        )
    )


def of_checkout(package: Package, stack_directory: Path) -> bytes:
    """Return the archive of a package that is taken from the checkout: a directory, or a file.

    Raises:
        StaleLockError: it is not there.
    """
    place = stack_directory / package.origin
    if package.kind == python_lock.DIRECTORY:
        return pack(place, package.name, package.version)
    try:
        return place.read_bytes()
    except OSError as error:
        raise StaleLockError(
            f"The package {package.name} is taken from {place}: {error.strerror}.",
            "Correct its path in pyproject.toml, or put it there.",
        ) from error


def pack(directory: Path, name: str, version: str) -> bytes:
    """Return a directory's files as a tar archive that depends on their content alone.

    Without its git history a package cannot ask git for its version; a file PKG-INFO tells it, as
    in a source distribution.

    Raises:
        StaleLockError: there is no such directory, or nothing in it.
    """
    packed = files(directory) if directory.is_dir() else ()
    if not packed:
        raise StaleLockError(
            f"The package {name} is taken from {directory}, and there are no files.",
            "Correct its path in pyproject.toml, or put it there.",
        )
    content = io.BytesIO()
    top = f"{name}-{version}"
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
        if Path("PKG-INFO") not in packed:
            told = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
            _add(tar, f"{top}/PKG-INFO", told)
        for file in packed:
            source = directory / file
            if source.is_symlink():
                link = _entry(f"{top}/{file}", 0o777)
                link.type, link.linkname = tarfile.SYMTYPE, os.readlink(source)
                tar.addfile(link)
            else:
                executable = source.stat().st_mode & 0o100
                _add(tar, f"{top}/{file}", source.read_bytes(), 0o755 if executable else 0o644)
    return content.getvalue()


def digest(content: bytes) -> str:
    """Return the sha256 of an archive."""
    return hashlib.sha256(content).hexdigest()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = _entry(name, mode)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _entry(name: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mtime, entry.mode = _EPOCH, mode
    return entry
