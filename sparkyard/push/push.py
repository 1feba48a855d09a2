"""What must be sent so that a registry holds these images, and which tags may then name them?

Each blob goes over the network once, to one repository; the others get it by a mount. Blobs first,
then manifests, then indexes, each read back; tags are set one by one, and looked at before and
after. A registry offers no "set it only if": between the look and the write another may write; the
look afterwards tells of that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

from sparkyard import console
from sparkyard.errors import (
    ImmutableTagError,
    InspectionError,
    RegistryRefusedError,
    TagMovedError,
)
from sparkyard.registry import oci
from sparkyard.registry.blobs import Blobs
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.registry.registry import Registry, Sent

_EVERY = 2.0
"""Seconds between two lines of progress."""
_LOOKING = 8
"""Questions to a registry at once, where nothing is sent."""


@dataclass(frozen=True)
class Upload:
    """One image and where it goes: `repository` is a path, `manifest` the digest of the image.

    `index` is a document around it, stored beside it; none when None.
    """

    repository: str
    manifest: str
    blobs: Blobs
    index: Content | None = None


@dataclass(frozen=True)
class _Wanted:
    """A blob, the repositories that must have it, and others that may have it."""

    descriptor: Descriptor
    blobs: Blobs
    repositories: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class _Places:
    """Where a blob is, where it is lacking, and from where it can be mounted ("" for nowhere)."""

    have: tuple[str, ...]
    lacking: tuple[str, ...]
    source: str


Account = Callable[[str, Sent], None]
"""Hears, with the path of a repository, what was done there."""


def upload(  # noqa: PLR0913 - one call is one push, with its switches
    registry: Registry,
    uploads: Sequence[Upload],
    *,
    neighbours: Iterable[str] = (),
    workers: int = 4,
    thorough: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    account: Account = lambda _path, _sent: None,
) -> Sent:
    """Store images in a registry, by digest; return what that took.

    Nothing is sent of an image whose manifest is there: a registry takes no manifest before its
    blobs, and a garbage collection leaves them to it.

    Args:
        registry: where they go.
        uploads: which, and into which repositories.
        neighbours: more repositories in which blobs are looked for before they are sent.
        workers: blobs under way at once.
        thorough: look for each blob, even where the manifest is there.
        tell: hears how far it is, in lines for a person.
        account: hears of each blob that is dealt with.

    Raises:
        RegistryRefusedError, RegistryUnreachableError, RegistryCredentialsError: see Registry.
        ImageMissingError, HashMismatchError: this machine does not have what is to be sent.
    """
    before = registry.sent
    with ThreadPoolExecutor(workers) as pool:
        held = list(pool.map(lambda image: _holds(registry, image), uploads))
        missing = [image for image, (there, _) in zip(uploads, held, strict=True) if not there]
        wanted = _wanted(uploads if thorough else missing, uploads, neighbours)
        progress = _Progress(sum(blob.descriptor.size for blob in wanted), tell, account)
        _all(pool, progress, [partial(_provide, registry, blob, progress) for blob in wanted])
        _all(pool, progress, [partial(_store, registry, image) for image in missing])
        unwrapped = [image for image, (_, index) in zip(uploads, held, strict=True) if not index]
        _all(pool, progress, [partial(_store_index, registry, image) for image in unwrapped])
    return registry.sent - before


def survey(
    registry: Registry,
    uploads: Sequence[Upload],
    *,
    neighbours: Iterable[str] = (),
    account: Account = lambda _path, _sent: None,
) -> Sent:
    """Return what `upload` would send now; nothing is sent. Arguments and errors as there."""
    total = Sent()
    with ThreadPoolExecutor(_LOOKING) as pool:
        held = list(pool.map(lambda image: _holds(registry, image), uploads))
        missing = [image for image, (there, _) in zip(uploads, held, strict=True) if not there]
        wanted = _wanted(missing, uploads, neighbours)
        located = pool.map(lambda blob: _locate(registry, blob), wanted)
        for blob, places in zip(wanted, located, strict=True):
            size, source = blob.descriptor.size, places.source
            shares = [(path, Sent(there=1, there_bytes=size)) for path in places.have]
            for path in places.lacking:
                mounted = Sent(mounted=1, mounted_bytes=size)
                shares.append((path, mounted if source else Sent(blobs=1, bytes=size)))
                source = source or path
            for path, share in shares:
                account(path, share)
                total += share
    return total


def set_tag(  # noqa: PLR0913 - all that makes a tag
    registry: Registry,
    repository: str,
    tag: str,
    named: Content | str,
    *,
    immutable: bool,
    expected: str | None = None,
) -> bool:
    """Let a tag name a manifest or an index, and return whether it did not do so before.

    Args:
        registry: where.
        repository: its path.
        tag: the tag.
        named: the content, or the digest of what the repository holds.
        immutable: the tag may name nothing else, now and later.
        expected: the digest that the tag must name until now, "" where it must not exist; None
            where that does not matter.

    Raises:
        ImmutableTagError: it never moves, and names something else.
        TagMovedError: it does not name what was expected, or not ours right after it was set.
        RegistryAbsentError: the repository does not hold the digest; see Registry for the others.
    """
    oci.check_tag(tag)
    digest = named if isinstance(named, str) else named.digest
    place = f"{registry.host}/{repository}:{tag}"
    now = registry.resolve(repository, tag)
    if now and now.digest == digest:
        return False
    if now and immutable:
        raise _taken(place, now.digest, digest)
    if expected is not None and (now.digest if now else "") != expected:
        raise TagMovedError(
            f"{place} names {now.digest if now else 'nothing'}, and not "
            f"{expected or 'nothing'} any more: somebody else moved it.",
            "Nothing was changed. Find out who publishes there, then run the same command again.",
        )
    content = registry.manifest(repository, named) if isinstance(named, str) else named
    registry.put_manifest(repository, tag, content)
    after = registry.resolve(repository, tag)
    if after is None or after.digest != digest:
        other = after.digest if after else "nothing"
        if immutable and after:
            raise _taken(place, other, digest)
        raise TagMovedError(
            f"{place} was set to {digest}, and right afterwards names {other}: somebody else "
            "moves it at the same time.",
            "Find out who publishes there, then run the same command again.",
        )
    return True


def parts(content: Content) -> tuple[Descriptor, ...]:
    """Return what an image's manifest names: its configuration and its layers.

    Raises:
        InspectionError: it is no manifest of one image.
    """
    try:
        document = content.document()
        return tuple(
            Descriptor.parse(part) for part in (document["config"], *document.get("layers", ()))
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InspectionError(
            f"{content.digest} is no image's manifest ({content.media_type}).",
            "Build the image with Sparkyard: an image for several platforms is not pushed.",
        ) from error


def _taken(place: str, holds: str, wanted: str) -> ImmutableTagError:
    return ImmutableTagError(
        f"{place} never moves, and names {holds}; it was to name {wanted}.",
        "Nothing was changed. What is published stays: publish this under another tag.",
    )


def _holds(registry: Registry, image: Upload) -> tuple[bool, bool]:
    """Tell whether the registry holds an image, and the index around it."""
    manifest = registry.resolve(image.repository, image.manifest)
    if image.index is None:
        return manifest is not None, True
    index = manifest and registry.resolve(image.repository, image.index.digest)
    return manifest is not None, index is not None


def _wanted(
    looked_at: Sequence[Upload], uploads: Sequence[Upload], neighbours: Iterable[str]
) -> list[_Wanted]:
    """Return the blobs to be provided, the biggest first: then no long one is left for the end."""
    descriptors: dict[str, Descriptor] = {}
    blobs: dict[str, Blobs] = {}
    targets: dict[str, dict[str, None]] = {}
    for image in looked_at:
        for part in parts(image.blobs.manifest(image.manifest)):
            descriptors[part.digest] = part
            blobs[part.digest] = image.blobs
            targets.setdefault(part.digest, {})[image.repository] = None
    around = dict.fromkeys((*(image.repository for image in uploads), *neighbours))
    return [
        _Wanted(
            descriptor,
            blobs[digest],
            tuple(targets[digest]),
            tuple(path for path in around if path not in targets[digest]),
        )
        for digest, descriptor in sorted(
            descriptors.items(), key=lambda item: item[1].size, reverse=True
        )
    ]


def _locate(registry: Registry, wanted: _Wanted) -> _Places:
    digest = wanted.descriptor.digest
    have = tuple(path for path in wanted.repositories if registry.has_blob(path, digest))
    lacking = tuple(path for path in wanted.repositories if path not in have)
    others = wanted.others if lacking and not have else ()
    source = next((path for path in others if registry.has_blob(path, digest)), "")
    return _Places(have, lacking, have[0] if have else source)


def _provide(registry: Registry, wanted: _Wanted, progress: _Progress) -> None:
    """See to it that each of the repositories has the blob, at the cost of one upload at most."""
    digest, size = wanted.descriptor.digest, wanted.descriptor.size
    places = _locate(registry, wanted)
    for path in places.have:
        progress.account(path, Sent(there=1, there_bytes=size))
    source, sent = places.source, False
    for path in places.lacking:
        if source and registry.mount_blob(path, digest, source):
            mounted = Sent(mounted=1, mounted_bytes=size)
            registry.count(mounted)
            progress.account(path, mounted)
            continue
        registry.put_blob(path, wanted.descriptor, lambda: wanted.blobs.open(digest), progress.add)
        progress.account(path, Sent(blobs=1, bytes=size))
        source, sent = path, True
    registry.count(Sent(there=len(places.have), there_bytes=size * len(places.have)))
    if not sent:
        progress.add(size)


def _store(registry: Registry, image: Upload) -> None:
    content = image.blobs.manifest(image.manifest)
    registry.put_manifest(image.repository, content.digest, content)
    _read_back(registry, image.repository, content)


def _store_index(registry: Registry, image: Upload) -> None:
    if image.index:
        registry.put_manifest(image.repository, image.index.digest, image.index)
        _read_back(registry, image.repository, image.index)


def _read_back(registry: Registry, repository: str, content: Content) -> None:
    held = registry.manifest(repository, content.digest)
    if held.media_type != content.media_type:
        raise RegistryRefusedError(
            f"{registry.host}/{repository}@{content.digest} was stored as {content.media_type}, "
            f"and comes back as {held.media_type}.",
            "This registry does not keep OCI images as they are: use another one.",
        )


def _all(pool: ThreadPoolExecutor, progress: _Progress, tasks: Sequence[partial[None]]) -> None:
    """Run all tasks; after a failure no further one is begun, and Ctrl-C ends those under way."""
    futures = [pool.submit(task) for task in tasks]
    try:
        for future in as_completed(futures):
            future.result()
    except KeyboardInterrupt:
        progress.stopped = True
        raise
    finally:
        for future in futures:
            future.cancel()


class _Progress:
    """Tells how many bytes are done, not more often than a person reads."""

    def __init__(self, total: int, tell: Callable[[str], None], account: Account) -> None:
        self.stopped = False
        self._total = total
        self._tell = tell
        self._account = account
        self._done = 0
        self._lock = threading.Lock()
        self._next = time.monotonic() + _EVERY

    def add(self, more: int) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        with self._lock:
            self._done += more
            if time.monotonic() < self._next:
                return
            self._next = time.monotonic() + _EVERY
            text = f"{console.size(self._done)} of {console.size(self._total)}"
        self._tell(text)

    def account(self, path: str, share: Sent) -> None:
        with self._lock:
            self._account(path, share)
