"""Are a release's images what its record says, blob by blob?

A manifest's and an index's digest come from the signed record; all else follows from them. A layer
that several images share is read once, and only looked for in the others' repositories.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from hashlib import sha256

from sparkyard.errors import HashMismatchError, RegistryAbsentError, VerificationError
from sparkyard.record.record import Record, RecordedImage
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.registry.registry import Registry
from sparkyard.release import naming, signature
from sparkyard.release.signing_key import VerificationKey

FINGERPRINT = "io.sparkyard.fingerprint"
"""The label of an image that says from which inputs it was built."""

READERS = 4
"""Blobs that are read at once: hashing leaves Python's lock, and a registry's answer takes time."""


@dataclass(frozen=True)
class Checked:
    """A check that held: of what, and what was seen."""

    what: str
    found: str


@dataclass(frozen=True)
class _Blob:
    """A blob to be read once: from which repository, and what it is called in messages."""

    path: str
    descriptor: Descriptor
    what: str


Tell = Callable[[Checked], None]
Progress = Callable[[int, int], None]
"""Is told how many bytes were read and how many there are in all."""


def silent(_read: int, _all: int) -> None:
    """Tell nobody."""


def check(  # noqa: PLR0913 - who asks says how, and who listens
    record: Record,
    registry: Registry,
    key: VerificationKey,
    *,
    namespace: str = "",
    quick: bool = False,
    tell: Tell,
    progress: Progress = silent,
) -> None:
    """Check a release's images in a registry; a blob that several share is read once.

    They are looked for in `namespace`, to which somebody may have copied them; without one, where
    the record says that they were released.

    Raises:
        VerificationError, RegistryAbsentError, RegistryUnreachableError: see `verify.check`.
    """
    blobs: dict[str, _Blob] = {}
    elsewhere: list[_Blob] = []
    for stack in record.stacks:
        for image in stack.images:
            path, tags = _path(image, namespace), naming.of_release(record, stack, image)
            called = replace(image, name=stack.with_stack(image.name))
            for blob in _check_image(called, path, tags, registry, tell):
                known = blobs.setdefault(blob.descriptor.digest, blob)
                if known.path != blob.path:
                    elsewhere.append(blob)
            tell(_check_cosign(called, path, registry, key))
    total = sum(blob.descriptor.size for blob in blobs.values())
    _with_each(
        [*elsewhere, *(blobs.values() if quick else ())],
        lambda blob, _stop: _must_have(registry, blob),
    )
    if quick:
        tell(Checked("layers", f"{len(blobs)}, {total} bytes: there, and not read (--quick)"))
        return
    counted, lock = 0, threading.Lock()

    def count(more: int) -> None:
        nonlocal counted
        with lock:
            counted += more
            progress(counted, total)

    _with_each(
        sorted(blobs.values(), key=lambda blob: -blob.descriptor.size),
        lambda blob, stop: _hash(registry, blob, count, stop),
    )
    tell(Checked("layers", f"{len(blobs)}, {total} bytes, each read and hashed"))


def _path(image: RecordedImage, namespace: str) -> str:
    """Return the path of an image's repository in a registry."""
    own = image.repository.partition("/")[2]
    return f"{namespace}/{own.rpartition('/')[2]}" if namespace else own


def _check_image(
    image: RecordedImage, path: str, tags: Sequence[str], registry: Registry, tell: Tell
) -> tuple[_Blob, ...]:
    """Check an image down to its configuration; return the layers, which are still to be read."""
    for tag in tags:
        place = f"{registry.host}/{path}:{tag}"
        named = registry.resolve(path, tag)
        if named is None:
            raise RegistryAbsentError(
                f"{place} does not exist: the registry was asked, and has no such tag.",
                "If the release was interrupted, finish it: nox -s release -- VERSION --complete",
            )
        same(place, image.index, named.digest)
    index = _manifest(registry, path, image.index, f"the index of {image.name}")
    same(f"what the index of {image.name} leads to", image.digest, _only(index, image.name))
    what = f"the manifest of {image.name}"
    config, layers = parts(_manifest(registry, path, image.digest, what), what)
    _same_list(f"the layers of {image.name}", [layer.digest for layer in image.layers], layers)
    if config is None:
        raise VerificationError(f"{what} names no configuration.", "Do not use this release.")
    blob = _Blob(path, config, f"the configuration of {image.name}")
    _check_config(image, b"".join(_blocks(registry, blob)))
    tell(
        Checked(
            f"{image.name}: image",
            f"{image.digest}, tags {', '.join(tags)}, {len(layers)} layers, labels",
        )
    )
    holds = (layer.holds or "layer" for layer in image.layers)
    return tuple(
        _Blob(path, layer, f'the layer "{word}" of {image.name}')
        for layer, word in zip(layers, holds, strict=True)
    )


def _check_config(image: RecordedImage, data: bytes) -> None:
    try:
        document = json.loads(data)
        diff_ids = [str(diff_id) for diff_id in document["rootfs"]["diff_ids"]]
        labels = document.get("config", {}).get("Labels") or {}
        fingerprint = labels.get(FINGERPRINT, "none")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VerificationError(
            f"The configuration of {image.name} is none.", "Do not use this release."
        ) from error
    wanted = [layer.diff_id for layer in image.layers]
    if diff_ids != wanted:
        same(f"the unpacked layers of {image.name}", ", ".join(wanted), ", ".join(diff_ids))
    same(f"the label {FINGERPRINT} of {image.name}", image.fingerprint, fingerprint)


def _check_cosign(
    image: RecordedImage, path: str, registry: Registry, key: VerificationKey
) -> Checked:
    """Check the signatures for cosign of both digests, where there are some.

    Cosign adds the signatures of others to ours: one of ours is enough.
    """
    signed = 0
    for digest in (image.digest, image.index):
        tag = signature.cosign_tag(digest)
        named = registry.resolve(path, tag)
        if named is None:
            continue
        what = f"the signature for cosign {path}:{tag}"
        _, layers = parts(_manifest(registry, path, named.digest, what), what)
        payloads = [b"".join(_blocks(registry, _Blob(path, layer, what))) for layer in layers]
        if not any(
            signature.signs_for_cosign(layer, payload, digest, key)
            for layer, payload in zip(layers, payloads, strict=True)
        ):
            raise VerificationError(
                f"{what[0].upper()}{what[1:]} is not one of that digest by the key {key.id[:12]}.",
                "Find out who put it there.",
            )
        signed += 1
    return Checked(f"{image.name}: cosign", f"{signed} of 2 digests signed for cosign by this key")


def _manifest(registry: Registry, path: str, digest: str, what: str) -> Content:
    try:
        return registry.manifest(path, digest)
    except HashMismatchError as error:
        raise differs(what, digest, "another content", error.what) from error


def _blocks(
    registry: Registry, blob: _Blob, stop: threading.Event | None = None
) -> Iterable[bytes]:
    whole, size = sha256(), 0
    try:
        for block in registry.blob(blob.path, blob.descriptor):
            if stop is not None and stop.is_set():
                return
            whole.update(block)
            size += len(block)
            yield block
    except HashMismatchError as error:
        same_size = size == blob.descriptor.size
        digest = f"sha256:{whole.hexdigest()}" if same_size else "a content of another length"
        raise differs(blob.what, blob.descriptor.digest, digest, error.what) from error


def _hash(
    registry: Registry, blob: _Blob, count: Callable[[int], None], stop: threading.Event
) -> None:
    for block in _blocks(registry, blob, stop):
        count(len(block))


def _must_have(registry: Registry, blob: _Blob) -> None:
    if not registry.has_blob(blob.path, blob.descriptor.digest):
        raise RegistryAbsentError(
            f"{registry.host}/{blob.path} lacks {blob.what}, {blob.descriptor.digest}: "
            "the registry was asked, and has none.",
            "Push the release again from where it was made: nox -s release -- VERSION",
        )


def _with_each(blobs: Iterable[_Blob], work: Callable[[_Blob, threading.Event], None]) -> None:
    """Do something with each blob, some at once; the first that fails ends it."""
    stop = threading.Event()
    with ThreadPoolExecutor(READERS) as pool:
        futures = [pool.submit(work, blob, stop) for blob in blobs]
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            stop.set()
            for future in futures:
                future.cancel()


def _only(index: Content, image: str) -> str:
    """Return the digest of the one image that an index is around."""
    try:
        (inside,) = index.document()["manifests"]
        return Descriptor.parse(inside).digest
    except (ValueError, KeyError, TypeError) as error:
        raise VerificationError(
            f"The index of {image}, {index.digest}, is not around one image.",
            "Do not use this release.",
        ) from error


def parts(manifest: Content, what: str) -> tuple[Descriptor | None, tuple[Descriptor, ...]]:
    """Return a manifest's configuration and layers.

    Raises:
        VerificationError: it has none, or is no manifest.
    """
    try:
        document = manifest.document()
        config = document.get("config")
        layers = tuple(map(Descriptor.parse, document["layers"]))
        return (Descriptor.parse(config) if config else None), layers
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VerificationError(
            f"{what} ({manifest.digest}) is no manifest.", "Do not use this release."
        ) from error


def _same_list(what: str, wanted: list[str], layers: Iterable[Descriptor]) -> None:
    digests = [layer.digest for layer in layers]
    if digests != wanted:
        same(what, ", ".join(wanted), ", ".join(digests))


def same(what: str, expected: str, found: str) -> None:
    """Raise VerificationError where two digests, or other values, are not the same."""
    if expected != found:
        raise differs(what, expected, found)


def differs(what: str, expected: str, found: str, detail: str = "") -> VerificationError:
    """Return the error that names what differs, and how."""
    return VerificationError(
        f"{what[0].upper()}{what[1:]} is not what was released: expected {expected}, "
        f"found {found}.",
        "Do not use it. Fetch it again; if it stays so, find out who changed it.",
        detail=detail,
    )
