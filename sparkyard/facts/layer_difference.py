"""In which files do two layers differ, and in what of them?"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparkyard.facts import layers

_KINDS = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link", tarfile.LNKTYPE: "hard link"}


@dataclass(frozen=True)
class Entry:
    """What a layer says of one path."""

    kind: str
    mtime: float
    mode: str
    owner: str
    content: str

    def differs_in(self, other: Entry) -> tuple[str, ...]:
        """Return the names of what differs: kind, mtime, mode, owner, content."""
        names = ("kind", "mtime", "mode", "owner", "content")
        return tuple(name for name in names if getattr(self, name) != getattr(other, name))


@dataclass(frozen=True)
class FileDifference:
    """A path, and what of it differs, or on which side alone it is."""

    path: str
    what: tuple[str, ...]


def of_stores(stores: tuple[Path, Path], digests: tuple[str, str]) -> tuple[FileDifference, ...]:
    """Return how the files of two layers differ, which lie in the content stores of two engines."""
    files = [
        store / digest.replace(":", "/") for store, digest in zip(stores, digests, strict=True)
    ]
    return compare(entries(files[0]), entries(files[1]))


def compare(first: Mapping[str, Entry], second: Mapping[str, Entry]) -> tuple[FileDifference, ...]:
    """Return how two layers differ, by path; nothing where only the order of entries does."""
    differences = []
    for path in sorted(first.keys() | second.keys()):
        one, other = first.get(path), second.get(path)
        if one is None or other is None:
            side = "first" if one else "second"
            differences.append(FileDifference(path, (f"only in the {side}",)))
        elif what := one.differs_in(other):
            differences.append(FileDifference(path, what))
    return tuple(differences)


def entries(file: Path) -> dict[str, Entry]:
    """Return what a layer's archive holds, by path; the content by its sha256."""
    held = {}
    with (
        file.open("rb") as compressed,
        layers.unpacked(compressed) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        for member in archive:
            content = member.linkname
            if member.isreg():
                read = archive.extractfile(member)
                digest = hashlib.sha256()
                while read and (chunk := read.read(1 << 20)):
                    digest.update(chunk)
                content = digest.hexdigest()
            held[f"/{member.name.strip('./')}"] = Entry(
                _KINDS.get(member.type, "file"), member.mtime, f"{member.mode:o}",
                f"{member.uid}:{member.gid}", content,
            )  # fmt: skip
    return held
