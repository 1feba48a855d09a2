"""What are the hashes of files, of many at a time, and of a list of them?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from sparkyard.facts.inside.files import sha256, size_of

_FILES, _BYTES = 64, 16 << 20
"""Files, and bytes, that one thread hashes in a row."""


class Hashes:
    """The SHA-256 of files, each computed once."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def add(self, paths: Iterable[str]) -> None:
        """Hash files at once: hashlib lets go of the interpreter lock, so threads help."""
        batches: list[list[str]] = [[]]
        weight = 0
        for path in sorted({os.path.realpath(path) for path in paths} - set(self._known)):
            batches[-1].append(path)
            weight += size_of(path)
            if len(batches[-1]) >= _FILES or weight > _BYTES:
                batches.append([])
                weight = 0
        workers = max(2, min(8, os.cpu_count() or 2))
        with ThreadPoolExecutor(max_workers=workers) as pool:
            for batch, hashed in zip(batches, pool.map(_of_batch, batches)):
                self._known.update(zip(batch, hashed))

    def of(self, path: str) -> str | None:
        """Return the hex SHA-256 of a file, None where it cannot be read."""
        real = os.path.realpath(path)
        if real not in self._known:
            self._known[real] = sha256(real)
        return self._known[real]


def of_listing(listing: Mapping[str, str | None]) -> str:
    """Return one hash over names and hashes."""
    lines = "".join(f"{sha or 'missing'} {name}\n" for name, sha in sorted(listing.items()))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def _of_batch(paths: list[str]) -> list[str | None]:
    return [sha256(path) for path in paths]
