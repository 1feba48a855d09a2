"""What does a look into one machine carry along, and what does a program there say?"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sparkyard.facts.inside.files import sha256


class Hashes:
    """The SHA-256 of files, each computed once."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def add(self, paths: Iterable[str]) -> None:
        """Hash files at once: hashlib lets go of the interpreter lock, so threads help."""
        files = sorted({os.path.realpath(path) for path in paths} - set(self._known))
        threads = max(2, min(8, os.cpu_count() or 2))
        shares = [files[first::threads] for first in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            for hashed in pool.map(lambda share: [(path, sha256(path)) for path in share], shares):
                self._known.update(hashed)

    def of(self, path: str) -> str | None:
        """Return the hex SHA-256 of a file, None where it cannot be read."""
        real = os.path.realpath(path)
        if real not in self._known:
            self._known[real] = sha256(real)
        return self._known[real]


def hash_of_listing(listing: Mapping[str, str | None]) -> str:
    """Return one hash over names and hashes."""
    lines = "".join(f"{sha or 'missing'} {name}\n" for name, sha in sorted(listing.items()))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass
class Inspection:
    """A look into one machine: its environment, files' hashes, and why a fact is missing."""

    env: Mapping[str, str]
    missing: dict[str, str] = field(default_factory=dict)
    hashes: Hashes = field(default_factory=Hashes)


def run(*argv: str) -> tuple[str, str, str]:
    """Return a program's output, its errors, and its exit code with its last words."""
    try:
        ended = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
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
