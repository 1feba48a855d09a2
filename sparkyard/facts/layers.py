"""Which layers do two images share, and what does that already prove?

A path is the same in two images when the layers that may touch it are the same, in the same order.
What a layer may touch is known exactly where the containerd content store can be read (its list of
files), else from the image's history: a COPY touches its destination, a RUN may touch anything.
In doubt nothing is proven: the gate looks inside anyway.
"""

from __future__ import annotations

import gzip
import itertools
import json
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from backports import zstd

from sparkyard import paths
from sparkyard.command import run
from sparkyard.facts.facts import resolve
from sparkyard.facts.identity import ImageIdentity
from sparkyard.files import whole_file

METADATA_ONLY = frozenset(
    ("ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER")
) | {"ONBUILD", "SHELL", "STOPSIGNAL", "USER", "VOLUME"}
"""Dockerfile instructions that add no layer (the Dockerfile reference of Docker's manual)."""

STORES = (
    "{root}/containerd/daemon/io.containerd.content.v1.content/blobs",
    "/var/lib/containerd/io.containerd.content.v1.content/blobs",
)
"""Where containerd keeps blobs: started by the engine itself, or by the system."""

LISTED_UP_TO = 512 << 20
"""Bytes compressed; a bigger layer of its own is not listed, about 1 s of work for each 64 MiB."""


@dataclass(frozen=True)
class Layer:
    """One layer: `size` in bytes unpacked, `digest` and `compressed` as a registry knows it.

    `paths` are the places that it may touch; None means any.
    """

    diff_id: str
    created_by: str
    size: int | None
    paths: tuple[str, ...] | None
    digest: str | None = None
    compressed: int | None = None

    def may_touch(self, path: str) -> bool:
        """Tell whether this layer may add, change or hide something at, above or below `path`."""
        return self.paths is None or any(_overlap(place, path) for place in self.paths)


@dataclass(frozen=True)
class LayerComparison:
    """The layers of a driver's and an executors' image, in order of application."""

    driver: tuple[Layer, ...]
    executors: tuple[Layer, ...]

    @property
    def shared(self) -> tuple[Layer, ...]:
        """The executors' layers that the driver's image has too."""
        known = {layer.diff_id for layer in self.driver}
        return tuple(layer for layer in self.executors if layer.diff_id in known)

    @property
    def only_driver(self) -> tuple[Layer, ...]:
        """The layers that only the driver's image has."""
        known = {layer.diff_id for layer in self.executors}
        return tuple(layer for layer in self.driver if layer.diff_id not in known)

    @property
    def only_executors(self) -> tuple[Layer, ...]:
        """What a node that has the driver's image still needs for the executors."""
        known = {layer.diff_id for layer in self.driver}
        return tuple(layer for layer in self.executors if layer.diff_id not in known)

    def proves(self, path: str) -> bool:
        """Tell whether equal layers alone prove that `path` is the same in both images."""
        driver, executors = (
            [layer.diff_id for layer in side if layer.may_touch(path)]
            for side in (self.driver, self.executors)
        )
        return bool(driver) and driver == executors


def size_of(layers: Iterable[Layer]) -> int | None:
    """Return the bytes of some layers unpacked, None where one is not known."""
    sizes = [layer.size for layer in layers]
    return None if None in sizes else sum(size or 0 for size in sizes)


def compressed_size_of(layers: Iterable[Layer]) -> int | None:
    """Return the bytes of some layers as a registry sends them, None where one is not known."""
    sizes = [layer.compressed for layer in layers]
    return None if None in sizes else sum(size or 0 for size in sizes)


def of_image(reference: str) -> tuple[Layer, ...]:
    """Return the layers of an image of the engine, the lowest first.

    Raises:
        ImageMissingError: it is not there.
    """
    image = resolve(reference)
    return _read(image, content_store(image.digest), set())


def compare(driver: str, executors: str, *, list_shared: bool = False) -> LayerComparison:
    """Return the layers of two images of the engine.

    Args:
        driver: one image.
        executors: the other.
        list_shared: look for the files of the layers that both have, too; nothing needs these to
            compare the two.

    Raises:
        ImageMissingError: one of them is not there.
    """
    sides = [resolve(driver), resolve(executors)]
    own = set(sides[0].diff_ids) ^ set(sides[1].diff_ids)
    if list_shared:
        own |= set(sides[0].diff_ids)
    store = content_store(sides[0].digest)
    return LayerComparison(_read(sides[0], store, own), _read(sides[1], store, own))


def destinations(created_by: str, workdir: str = "/") -> tuple[str, ...] | None:
    """Return the paths that a history entry's instruction may touch, None for any.

    Args:
        created_by: BuildKit's or the classic builder's line, as `docker history` shows it.
        workdir: where a relative destination begins.
    """
    line = created_by.removeprefix("/bin/sh -c #(nop)").strip().removesuffix("# buildkit").strip()
    words = line.split()
    if len(words) >= 2 and words[0] == "WORKDIR":
        return (_absolute(words[-1], workdir),)
    # A quoted or JSON list may hold blanks: too clever to guess at.
    if len(words) < 3 or words[0] not in ("COPY", "ADD") or any(c in line for c in "\"'[]$"):
        return None
    return (_absolute(words[-1], workdir),)


def assign(history: Sequence[dict[str, Any]], diff_ids: Sequence[str]) -> tuple[Layer, ...]:
    """Return layers with what made them; with nothing known where the history does not add up.

    Args:
        history: entries, oldest first, with `created_by`, `size` and, if known, `empty_layer`.
        diff_ids: the digests of the unpacked layers, lowest first.
    """
    layers: list[Layer] = []
    workdir = "/"
    left = iter(diff_ids)
    for entry in history:
        line = str(entry.get("created_by", ""))
        paths = destinations(line, workdir)
        words = line.removeprefix("/bin/sh -c #(nop)").split()
        if words[:1] == ["WORKDIR"] and paths:
            workdir = paths[0]
        if entry.get("empty_layer", bool(words) and words[0] in METADATA_ONLY):
            continue
        diff_id = next(left, None)
        if diff_id is None:
            return _nothing_known(diff_ids)
        layers.append(Layer(diff_id, line, entry.get("size"), paths))
    return _nothing_known(diff_ids) if len(layers) != len(diff_ids) else tuple(layers)


def content_store(digest: str) -> Path | None:
    """Return the directory of blobs in which the engine keeps this one.

    None where it does not have it, or where this user may not look.
    """
    root = run(["docker", "info", "--format", "{{.DockerRootDir}}"], check=False).stdout.strip()
    for pattern in STORES:
        store = Path(pattern.format(root=root or "/var/lib/docker"))
        if _blob(store, digest) is not None:
            return store
    return None


def _nothing_known(diff_ids: Sequence[str]) -> tuple[Layer, ...]:
    return tuple(Layer(diff_id, "", None, None) for diff_id in diff_ids)


def _absolute(path: str, workdir: str) -> str:
    return str(PurePosixPath(workdir) / path)


def _overlap(one: str, other: str) -> bool:
    if one in ("/", other) or other == "/":
        return True
    return one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _read(image: ImageIdentity, store: Path | None, own: set[str]) -> tuple[Layer, ...]:
    shown = run(
        ["docker", "history", "--no-trunc", "--human=false", "--format", "json", image.digest]
    )
    lines = [json.loads(line) for line in reversed(shown.stdout.splitlines()) if line]
    history = [
        {"created_by": line["CreatedBy"], "size": int(line["Size"])}
        for line in lines
        if str(line["Size"]).isdigit()
    ]
    blobs, exact = _manifest(image, store)
    if len(exact) == len(history):
        history = [
            {**entry, "empty_layer": bool(known.get("empty_layer"))}
            for entry, known in zip(history, exact, strict=True)
        ]
    layers = assign(history, image.diff_ids)
    if store is None or len(blobs) != len(layers):
        return layers
    return tuple(
        Layer(
            layer.diff_id,
            layer.created_by,
            layer.size,
            _listed(store, blob) or layer.paths if layer.diff_id in own else layer.paths,
            str(blob["digest"]),
            int(blob["size"]),
        )
        for layer, blob in zip(layers, blobs, strict=True)
    )


def _blob(store: Path, digest: str) -> Path | None:
    path = store / digest.replace(":", "/")
    try:
        return path if path.is_file() else None
    except OSError:
        return None


def _manifest(
    image: ImageIdentity, store: Path | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return an image's layer descriptors and its history; nothing where they cannot be read."""
    if store is None:
        return [], []
    try:
        manifest = _json(store, image.digest)
        for platform in manifest.get("manifests", ()):
            if platform.get("platform", {}).get("architecture") == image.architecture:
                manifest = _json(store, platform["digest"])
                break
        config = _json(store, manifest["config"]["digest"])
        return manifest["layers"], config["history"]
    except (OSError, ValueError, KeyError):
        return [], []


def _json(store: Path, digest: str) -> dict[str, Any]:
    return dict(json.loads((store / digest.replace(":", "/")).read_text(encoding="utf-8")))


def _listed(store: Path, blob: dict[str, Any]) -> tuple[str, ...] | None:
    """Return the files of a layer's archive; a directory is no change of what is in it.

    The list is kept by the blob's digest: a second look costs nothing.
    """
    digest = str(blob["digest"])
    path = _blob(store, digest)
    if path is None or int(blob["size"]) > LISTED_UP_TO:
        return None
    kept = paths.cache() / "layers" / f"{digest.removeprefix('sha256:')}.json"
    if kept.exists():
        return tuple(json.loads(kept.read_text(encoding="utf-8")))
    try:
        with (
            path.open("rb") as compressed,
            unpacked(compressed) as stream,
            tarfile.open(fileobj=stream, mode="r|") as archive,
        ):
            names = [member.name for member in archive if not member.isdir()]
    except (OSError, EOFError, zlib.error, tarfile.TarError, zstd.ZstdError):
        return None
    touched = tuple(itertools.chain.from_iterable(_places(name) for name in names))
    whole_file.write(kept, json.dumps(touched))
    return touched


def unpacked(compressed: IO[bytes]) -> IO[bytes]:
    """Return a layer's archive without its compression, which its first bytes tell."""
    first = compressed.read(4)
    compressed.seek(0)
    if first == b"\x28\xb5\x2f\xfd":
        return cast(IO[bytes], zstd.open(compressed, "rb"))
    if first[:2] == b"\x1f\x8b":
        return cast(IO[bytes], gzip.open(compressed, "rb"))
    return compressed


def _places(name: str) -> tuple[str, ...]:
    """Return what a member of a layer touches: a whiteout, the thing (or directory) it hides."""
    path = PurePosixPath("/") / name
    if path.name == ".wh..wh..opq":
        return (str(path.parent),)
    return (str(path.with_name(path.name.removeprefix(".wh."))),)
