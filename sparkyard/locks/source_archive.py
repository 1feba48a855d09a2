"""How does a directory of sources become one file with one digest, the same on every machine?"""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from pathlib import Path

from sparkyard.command import run
from sparkyard.errors import StaleLockError
from sparkyard.locks import python_lock
from sparkyard.locks.python_lock import Package

_UNIX = 3
"""The system whose file modes an entry has, in the numbers of the zip format."""
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
            if not set(file.parts).intersection(_LEFT_OUT) and (directory / file).is_file()
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
    """Return a directory's files as a zip archive that depends on their content alone.

    Nothing is compressed: what a compressor writes depends on its version. Without its git history
    a package cannot ask git for its version; a file PKG-INFO tells it, as in a source distribution.

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
    with zipfile.ZipFile(content, "w") as archive:
        if Path("PKG-INFO") not in packed:
            told = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            archive.writestr(_entry(f"{top}/PKG-INFO", 0o644), told)
        for file in packed:
            source = directory / file
            mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
            archive.writestr(_entry(f"{top}/{file}", mode), source.read_bytes())
    return content.getvalue()


def digest(content: bytes) -> str:
    """Return the sha256 of an archive."""
    return hashlib.sha256(content).hexdigest()


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # dated 1980, the earliest that a wheel's files may have
    entry.create_system = _UNIX
    entry.external_attr = (stat.S_IFREG | mode) << 16
    return entry
