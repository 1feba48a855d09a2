"""What does a look into one machine carry along, and what does a program there say?"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sparkyard.facts.inside.files import sha256, sha256_and_md5


class Places:
    """Where names lead: many files lie in one directory, whose links are followed once."""

    def __init__(self) -> None:
        self._directories: dict[str, str] = {}

    def place(self, path: str) -> str:
        """Return the path with the links of its directory followed."""
        directory, name = path.rsplit("/", 1) if "/" in path else ("", path)
        if directory not in self._directories:
            self._directories[directory] = os.path.realpath(directory or "/")
        return f"{self._directories[directory].rstrip('/')}/{name}"

    def real(self, path: str) -> str:
        """Return the path with all links followed."""
        place = self.place(path)
        return os.path.realpath(place) if os.path.islink(place) else place


class Hashes:
    """The SHA-256 of files, each computed once."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}
        self._md5: dict[str, str | None] = {}
        self._places = Places()

    def add(self, paths: Iterable[str], *, md5: bool = False) -> None:
        """Hash files at once: hashlib lets go of the interpreter lock, so threads help."""
        known = self._md5 if md5 else self._known
        files = sorted({self._places.real(path) for path in paths} - known.keys())
        threads = max(2, min(8, os.cpu_count() or 2))
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda share: self._hash(share, md5), _shares(files, threads)))

    def _hash(self, files: Iterable[str], md5: bool) -> None:
        for path in files:
            if md5:
                self._known[path], self._md5[path] = sha256_and_md5(path) or (None, None)
            else:
                self._known[path] = sha256(path)

    def of(self, path: str) -> str | None:
        """Return the hex SHA-256 of a file, None where it cannot be read."""
        real = self._places.real(path)
        if real not in self._known:
            self._known[real] = sha256(real)
        return self._known[real]

    def md5(self, path: str) -> str | None:
        """Return the hex MD5 of a file that was added with it."""
        return self._md5.get(self._places.real(path))


def _shares(files: list[str], count: int) -> list[list[str]]:
    return [files[first::count] for first in range(count)]


def hash_of_listing(listing: Mapping[str, str | None]) -> str:
    """Return one hash over names and hashes."""
    lines = "".join(f"{sha or 'missing'} {name}\n" for name, sha in sorted(listing.items()))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass
class Inspection:
    """A look into one machine.

    Attributes:
        env: its environment.
        missing: why a fact is missing, by the fact's dotted name.
        hashes: of its files.
        claimed: the files that Python packages say are theirs.
    """

    env: Mapping[str, str]
    missing: dict[str, str] = field(default_factory=dict)
    hashes: Hashes = field(default_factory=Hashes)
    claimed: set[str] = field(default_factory=set)


def run(*argv: str, text: str = "") -> tuple[str, str, str]:
    """Return what a program makes of a text: output, errors, exit code with its last words."""
    try:
        ended = subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=60, check=False
        )
        code, out, err = ended.returncode, ended.stdout, ended.stderr
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        code, out, err = 127, "", str(error)
    words = (err.strip().splitlines() or ["no output"])[-1]
    return out, err, f"(exit code {code}): {words[:200]}"


def walk(top: str) -> list[str]:
    """Return all files under a directory but byte code, which differs from run to run."""
    files = []
    for directory, inner, names in os.walk(top):
        inner[:] = [name for name in inner if name != "__pycache__"]
        files += [os.path.join(directory, name) for name in names if not name.endswith(".pyc")]
    return files
