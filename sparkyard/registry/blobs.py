"""Where do the bytes of an image come from? From where the engine keeps them, as they are.

The containerd content store is read in place. Where this user may not, or where the engine runs
elsewhere, the engine saves the image as an OCI layout, which has the same blobs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import IO, Protocol

from sparkyard import paths
from sparkyard.engine import engine
from sparkyard.errors import HashMismatchError, ImageMissingError
from sparkyard.facts import layers
from sparkyard.files import archive
from sparkyard.registry import oci
from sparkyard.registry.oci import Content, Descriptor


class Blobs(Protocol):
    """A place with content by digest."""

    def manifest(self, digest: str) -> Content:
        """Return a manifest or an index.

        Raises:
            ImageMissingError: it is not there.
            HashMismatchError: it is not what the digest names.
        """
        ...

    def open(self, digest: str) -> IO[bytes]:
        """Open a blob. Raises ImageMissingError where it is not there."""
        ...


class Layout:
    """A directory with `blobs/sha256/...` as in the OCI image layout."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def manifest(self, digest: str) -> Content:
        """Return a manifest or an index. Raises as in `Blobs`."""
        with self.open(digest) as file:
            return _content(digest, file.read())

    def open(self, digest: str) -> IO[bytes]:
        """Open a blob. Raises ImageMissingError where it is not there."""
        return _open(self.directory / "blobs", digest)


class _Engine:
    """The engine's images; nothing is looked for before the first blob is asked for."""

    def __init__(self, references: Iterable[str]) -> None:
        self._references = tuple(references)

    def manifest(self, digest: str) -> Content:
        with self.open(digest) as file:
            return _content(digest, file.read())

    def open(self, digest: str) -> IO[bytes]:
        return _open(self._directory, digest)

    @cached_property
    def _directory(self) -> Path:
        documents = engine.inspect(self._references)
        gone = [name for name in self._references if name not in documents]
        if gone:
            raise ImageMissingError(
                f"The engine has no image {', '.join(gone)}.",
                "Build it: `make jupyterhub`, `nox -s executors`.",
            )
        digests = {str(document["Id"]) for document in documents.values()}
        stores = {layers.content_store(digest) for digest in digests}
        store = stores.pop()
        if store and not stores and all(_whole(store, digest) for digest in digests):
            return store
        return _saved(self._references, sorted(digests)) / "blobs"


def of_engine(references: Iterable[str]) -> Blobs:
    """Return the content of images of the engine, by their tags; looked for when first needed.

    What it gives raises ImageMissingError where the engine does not have one of them.
    """
    return _Engine(references)


def _content(digest: str, data: bytes) -> Content:
    content = Content("", data)
    if content.digest != digest:
        raise HashMismatchError(
            f"What this machine holds as {digest} is {content.digest}.",
            "Its store is damaged: build the image again without cache.",
        )
    return Content(str(content.document().get("mediaType") or oci.MANIFEST), data)


def _open(store: Path, digest: str) -> IO[bytes]:
    try:
        return (store / digest.replace(":", "/")).open("rb")
    except FileNotFoundError:
        raise ImageMissingError(
            f"{digest} is not in {store}.", "Build the image again, then run the same command."
        ) from None


def _whole(store: Path, digest: str) -> bool:
    """Tell whether all that a manifest names is in a store: engines may drop what they unpacked."""
    try:
        document = json.loads((store / digest.replace(":", "/")).read_bytes())
        parts = [Descriptor.parse(part) for part in (document["config"], *document["layers"])]
    except (OSError, ValueError, KeyError):
        return False
    return all((store / part.digest.replace(":", "/")).is_file() for part in parts)


def _saved(references: tuple[str, ...], digests: list[str]) -> Path:
    """Have the engine save images as one layout, unless it did already; older ones go."""
    kept = paths.cache() / "oci"
    directory = kept / hashlib.sha256(" ".join(digests).encode()).hexdigest()[:12]
    if directory.is_dir():
        return directory
    shutil.rmtree(kept, ignore_errors=True)
    beside = directory.with_suffix(".new")
    beside.mkdir(parents=True)
    saved = beside / "saved.tar"
    ended = engine.client("save", "--output", str(saved), *references)
    if ended.exit_code != 0:
        raise ImageMissingError(
            f"The engine does not save {', '.join(references)}: {ended.stderr.strip()}",
            "See that the images are there: `nox -s plan`.",
        )
    with tarfile.open(saved) as opened:
        archive.unpack(opened, beside)
    saved.unlink()
    if not all((beside / "blobs" / digest.replace(":", "/")).is_file() for digest in digests):
        raise ImageMissingError(
            "The engine saves images without the manifests under which they were tested.",
            "Use the containerd image store and Engine 25 or newer; see `nox -s plan`.",
        )
    beside.rename(directory)
    return directory
