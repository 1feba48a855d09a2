"""In which order does a release reach a registry, so that no reader ever sees half of it?

Nothing that a reader can find by name changes until all of the release is there by digest and was
read back. Then one write, the record's tag, makes it a release: who follows the record sees all of
it or none. Tags of single images follow; several cannot move at once on any registry, so between
the first and the last of them a reader of tags may see two releases side by side, each whole.
Whatever follows the record is drawn from the record alone: any machine can finish it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sparkyard import versions
from sparkyard.errors import ImmutableTagError, RegistryAbsentError, TagMovedError
from sparkyard.push import push, pushing
from sparkyard.push.push import Upload
from sparkyard.record.record import EXECUTORS, Record, RecordedImage, RecordedStack
from sparkyard.registry import oci
from sparkyard.registry.oci import Content
from sparkyard.release import channel, naming, releases
from sparkyard.release.channel import Channel, Move
from sparkyard.release.claim import Claim
from sparkyard.release.releases import Place


@dataclass(frozen=True)
class TagStep:
    """A tag to be set: `digest` is what it is to name, a manifest in the same repository."""

    repository: str
    tag: str
    digest: str
    immutable: bool


@dataclass(frozen=True)
class Attached:
    """A document about an image, in the image's repository, under a tag by which tools find it."""

    repository: str
    tag: str
    manifest: Content
    blobs: tuple[Content, ...]


@dataclass(frozen=True)
class Publisher:
    """Publishes at one place, under a claim that it holds there; `tell` hears of progress."""

    place: Place
    claim: Claim
    tell: Callable[[str], None]

    def commit(
        self,
        record: Record,
        uploads: Sequence[Upload],
        files: Mapping[str, Content],
        attached: Sequence[Attached] = (),
    ) -> Content:
        """Bring all of a release to the registry by digest, then make it one.

        Args:
            record: the record of it.
            uploads: the images, with the indexes around them.
            files: the record's files, the record and the signature among them.
            attached: what goes beside the images: signatures that other tools look for.

        Returns:
            The manifest of the release.

        Raises:
            ImmutableTagError: the version, a commit or a fingerprint is taken by another digest.
            RegistryAbsentError: the registry does not have what it took.
            SparkyardError: the registry cannot be asked, or refuses; see registry/registry.py.
        """
        steps = _steps(self.place, record, immutable=True)
        for step in steps:
            self._refuse_taken(step, self._named(step))
        pushing.check_no_channel(
            self.place.registry,
            self.place.namespace,
            (tag for image in record.images for tag in image.moving),
        )
        push.upload(self.place.registry, uploads, tell=self.tell)
        # The notebook's configuration names the executors by this tag. It names this content and
        # no other, released or not: so it can be there before the release is.
        by_content = {
            f"{stack.name}-{image.fingerprint}" for stack in record.stacks for image in stack.images
        }
        self._set_tags(step for step in steps if step.tag in by_content)
        for document in attached:
            self._attach(document)
        manifest = self._put_record(record, files)
        self.claim.check()
        self.tell(f"writing the record of {record.version}: from here on it is released")
        push.set_tag(
            self.place.registry,
            self.place.releases,
            record.version,
            manifest,
            immutable=True,
            expected=None,
        )
        return manifest

    def finish(self, record: Record, manifest: Content) -> None:
        """Set the tags that follow from a release's record, as far as they are not set.

        Tags that move are left alone once a later version was released: they are that one's. The
        channel `latest` is moved once, and by no pre-release: who rolled it back since meant it.

        Raises:
            ImmutableTagError: a tag that never moves is taken by another digest.
            TagMovedError: somebody else moved one meanwhile.
        """
        steps = _steps(self.place, record, immutable=True)
        released = self.place.versions()
        stable = [version for version in released if not versions.parse(version).prerelease]
        latest = self.place.channel(channel.LATEST)
        moved = any(move.version == record.version for move in latest.moves)
        if stable[-1:] == [record.version] and not moved:
            move = Move(record.version, channel.RELEASED, record.released, manifest.descriptor)
            latest = self._put_channel(latest, latest.moved(move))
        if released[-1:] == (record.version,):
            steps += _steps(self.place, record, immutable=False)
        if latest.version == record.version:
            steps += _channel_steps(self.place, record, channel.LATEST)
        self._set_tags(steps)

    def move_channel(self, before: Channel, after: Channel, record: Record) -> None:
        """Let a channel name another release: first its own entry, then the images' tags.

        Args:
            before: the channel as it is; equal to `after` where only tags are to be completed.
            after: the channel as it is to be.
            record: the release that it names then.

        Raises:
            RegistryAbsentError: an image of the release is gone.
            TagMovedError: somebody else moved the channel meanwhile.
        """
        for image in record.images:
            self._must_be_there(image)
        if after != before:
            self._put_channel(before, after)
        self._set_tags(_channel_steps(self.place, record, after.name))

    def is_complete(self, current: Channel, record: Record) -> bool:
        """Tell whether the images' tags follow the channel: unless a move was interrupted."""
        steps = _channel_steps(self.place, record, current.name)
        return all(self._named(step) == step.digest for step in steps)

    def _set_tags(self, steps: Iterable[TagStep]) -> None:
        """Set tags in the order given, then read all of them once more."""
        before = {step: self._named(step) for step in steps}
        todo = [step for step, digest in before.items() if digest != step.digest]
        for step in todo:
            self._refuse_taken(step, before[step])
        for step in todo:
            self.claim.check()
            content = self.place.registry.manifest(step.repository, step.digest)
            push.set_tag(
                self.place.registry,
                step.repository,
                step.tag,
                content,
                immutable=step.immutable,
                expected=before[step] or "",
            )
            self.tell(f"{self.place.host}/{step.repository}:{step.tag}")
        for step in todo:
            now = self._named(step)
            if now != step.digest:
                raise TagMovedError(
                    f"{self.place.host}/{step.repository}:{step.tag} was set to {step.digest}, and "
                    f"now names {now or 'nothing'}: somebody else moved it.",
                    "Find out who; the same command sets it again.",
                )

    def _refuse_taken(self, step: TagStep, by: str | None) -> None:
        if step.immutable and by not in (None, step.digest):
            raise ImmutableTagError(
                f"{self.place.host}/{step.repository}:{step.tag} never moves and names {by}; it "
                f"was to name {step.digest}.",
                "Nothing was overwritten. Take a new version, or find out who wrote the other.",
            )

    def _put_record(self, record: Record, files: Mapping[str, Content]) -> Content:
        """Store the record's files and manifest by digest, read back, under no tag yet."""
        registry, path = self.place.registry, self.place.releases
        manifest = oci.artifact(releases.KIND, files, _annotations(record))
        stored = (Content(oci.EMPTY, oci.EMPTY_CONTENT), *files.values())
        self._put_blobs(path, stored)
        registry.put_manifest(path, manifest.digest, manifest)
        registry.manifest(path, manifest.digest)
        for content in stored:
            if not registry.has_blob(path, content.digest):
                raise RegistryAbsentError(
                    f"{self.place.host}/{path} took {content.digest} and does not have it.",
                    "Nothing was released. Look at the registry's storage, then run the same "
                    "command again.",
                )
        return manifest

    def _put_blobs(self, path: str, contents: Iterable[Content]) -> None:
        registry = self.place.registry
        for content in contents:
            if not registry.has_blob(path, content.digest):
                registry.put_blob(path, content.descriptor, partial(io.BytesIO, content.data))

    def _attach(self, document: Attached) -> None:
        """Store a document beside an image; what others have put there stays in front of it."""
        registry, path = self.place.registry, document.repository
        ours, manifest = document.manifest.document()["layers"], document.manifest
        if registry.resolve(path, document.tag):
            held = registry.manifest(path, document.tag)
            theirs = held.document()
            layers = theirs.get("layers") or []
            if all(layer in layers for layer in ours):
                return
            both = {**theirs, "layers": [*layers, *(x for x in ours if x not in layers)]}
            manifest = Content(held.media_type, oci.canonical(both))
        self._put_blobs(path, document.blobs)
        registry.put_manifest(path, document.tag, manifest)

    def _put_channel(self, before: Channel, after: Channel) -> Channel:
        self.claim.check()
        push.set_tag(
            self.place.registry,
            self.place.releases,
            after.name,
            after.as_index(),
            immutable=False,
            expected=before.as_index().digest if before.moves else "",
        )
        self.tell(f"{self.place.host}/{self.place.releases}:{after.name} is {after.version}")
        return after

    def _must_be_there(self, image: RecordedImage) -> None:
        path = self.place.path(image)
        for digest in (image.digest, image.index):
            if self.place.registry.resolve(path, digest) is None:
                raise RegistryAbsentError(
                    f"{self.place.host}/{path} no longer has {digest}, which the release needs.",
                    "Nothing was moved. Somebody deleted it: release a new version.",
                )

    def _named(self, step: TagStep) -> str | None:
        there = self.place.registry.resolve(step.repository, step.tag)
        return there.digest if there else None


def _steps(place: Place, record: Record, *, immutable: bool) -> list[TagStep]:
    """Return the tags that a record gives its images, in the order in which they are set.

    By tag, if they move: each is mixed only for as long as it takes to write it to every image.
    """
    steps = [
        TagStep(
            place.path(image),
            tag,
            image.index if tag in naming.of_release(record, stack, image) else image.digest,
            immutable,
        )
        for stack, image in _executors_first(record)
        for tag in (image.immutable if immutable else image.moving)
    ]
    return steps if immutable else sorted(steps, key=lambda step: step.tag)


def _channel_steps(place: Place, record: Record, name: str) -> list[TagStep]:
    """Return a channel's tags on the images, each tag on all of them before the next."""
    steps = [
        TagStep(place.path(image), tag, image.index, immutable=False)
        for stack, image in _executors_first(record)
        for tag in naming.of_channel(name, stack)
    ]
    return sorted(steps, key=lambda step: step.tag)


def _executors_first(record: Record) -> list[tuple[RecordedStack, RecordedImage]]:
    """Return the images in an order in which a new notebook never meets old executors."""
    images = [(stack, image) for stack in record.stacks for image in stack.images]
    return sorted(images, key=lambda one: one[0].role(one[1].name) != EXECUTORS)


def _annotations(record: Record) -> dict[str, str]:
    return {
        "org.opencontainers.image.version": record.version,
        "org.opencontainers.image.revision": record.revision,
        "org.opencontainers.image.created": record.created,
    }
