"""How is one release published, or one channel moved, while nobody else does so? Under a claim.

Each function may be interrupted anywhere; called again, it goes on from what the registry holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sparkyard.errors import ImmutableTagError, ReleaseInProgressError
from sparkyard.push.push import Upload
from sparkyard.record.record import Record
from sparkyard.registry.oci import Content
from sparkyard.release import channel, claim, naming
from sparkyard.release.channel import Channel, Move
from sparkyard.release.claim_board import RegistryBoard
from sparkyard.release.publish import Attached, Publisher
from sparkyard.release.releases import Place, ReleaseFiles

Unit = tuple[str, str]
"""The names of a stack and of an image."""


@dataclass(frozen=True)
class Desk:
    """Where is published, and how.

    Attributes:
        place: the registry and the namespace.
        tell: hears of progress.
        take_over: take away the claims of others, who are known to have died.
    """

    place: Place
    tell: Callable[[str], None]
    take_over: bool = False

    @contextmanager
    def publisher(self, what: str) -> Iterator[Publisher]:
        """Give a publisher under a claim of its own; `what` tells others what it is for.

        Raises:
            ReleaseInProgressError: somebody else is publishing.
        """
        board = RegistryBoard(self.place.registry, self.place.releases)
        with claim.held(board, claim.holder(what), take_over=self.take_over) as held:
            yield Publisher(self.place, held, self.tell)


@dataclass(frozen=True)
class Ready:
    """A release that can be published: its record, all its files, its images, what is beside."""

    record: Record
    files: Mapping[str, Content]
    uploads: tuple[Upload, ...]
    attached: tuple[Attached, ...] = ()


@dataclass(frozen=True)
class Moved:
    """A channel's move from one version, empty for none, to another.

    `completed` tells that an earlier move was completed, and no new one made.
    """

    before: str
    after: str
    completed: bool = False


def publish(desk: Desk, ready: Ready, check: Callable[[], None]) -> ReleaseFiles:
    """Publish a release whose record does not stand yet, and return it as it is published.

    Args:
        desk: where.
        ready: the release.
        check: raises where the version cannot be released; asked once nobody else publishes.

    Raises:
        ReleaseInProgressError: somebody else is publishing; see Publisher for the others.
    """
    version = ready.record.version
    with desk.publisher(f"release {version}") as publisher:
        if desk.place.has(version):  # somebody was quicker than the claim
            return _complete(publisher, version, _digests(ready.record))
        check()
        if (desk.place.versions() or ("",))[-1] != ready.record.previous:
            raise ReleaseInProgressError(
                "Another version was released meanwhile, and the record tells of changes to the "
                f"one before it, {ready.record.previous or 'of none'}.",
                "Nothing was released. Run the same command again: it compares with the new one.",
            )
        manifest = publisher.commit(ready.record, ready.uploads, ready.files, ready.attached)
        publisher.finish(ready.record, manifest)
    return ReleaseFiles(manifest, {name: file.data for name, file in ready.files.items()})


def go_on(desk: Desk, version: str, built: Mapping[Unit, str] | None) -> ReleaseFiles:
    """Complete what follows from a record that stands already, and return it.

    Args:
        desk: where.
        version: whose record it is.
        built: the digests of the images here: the release must be made of them; None where it is
            to be completed whatever is built here.

    Raises:
        ImmutableTagError: it is made of others.
        ReleaseInProgressError: somebody else is publishing; see Publisher for the others.
    """
    with desk.publisher(f"release {version}, going on") as publisher:
        return _complete(publisher, version, built)


def promote(desk: Desk, version: str, name: str) -> Moved:
    """Let a channel name a release.

    Raises:
        RegistryAbsentError: there is no such release, or an image of it is gone.
        ReferenceFormatError: the images have another tag of the channel's name.
        ReleaseInProgressError: somebody else is publishing; see Publisher for the others.
    """
    release = desk.place.fetch(version)
    _check_channel(name, release.record)
    with desk.publisher(f"promote {version} {name}") as publisher:
        before = desk.place.channel(name)
        after = before
        if before.version != version:
            after = _moved(before, release, channel.PROMOTED)
        publisher.move_channel(before, after, release.record)
    return Moved(before.version, version, completed=after is before)


def rollback(desk: Desk, name: str) -> Moved:
    """Return a channel to the release that it named before.

    Raises:
        ReleaseHistoryError: the channel never named another release.
        ReleaseInProgressError: somebody else is publishing; see Publisher for the others.
    """
    with desk.publisher(f"rollback {name}") as publisher:
        before = desk.place.channel(name)
        if _was_interrupted(publisher, before):
            return Moved(before.version, before.version, completed=True)
        release = desk.place.fetch(before.before())
        after = _moved(before, release, channel.ROLLED_BACK)
        publisher.move_channel(before, after, release.record)
    return Moved(before.version, after.version)


def _check_channel(name: str, record: Record) -> None:
    """Check that no tag of a channel says something else of an image of any stack.

    Raises:
        ReferenceFormatError: one does.
    """
    borne = {tag for image in record.images for tag in (*image.immutable, *image.moving)}
    own = {tag for stack in record.stacks for tag in naming.of_channel(name, stack)}
    channel.check_name(name, taken=bool(borne & own))


def _moved(before: Channel, release: ReleaseFiles, action: str) -> Channel:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return before.moved(Move(release.record.version, action, now, release.manifest.descriptor))


def _was_interrupted(publisher: Publisher, current: Channel) -> bool:
    """Complete a rollback whose tags were not all moved; False where there was none."""
    if not current.moves or current.moves[0].action != channel.ROLLED_BACK:
        return False
    record = publisher.place.fetch(current.version).record
    if publisher.is_complete(current, record):
        return False
    publisher.move_channel(current, current, record)
    return True


def _complete(publisher: Publisher, version: str, built: Mapping[Unit, str] | None) -> ReleaseFiles:
    done = publisher.place.fetch(version)
    if built is not None:
        _check_same(publisher.place, done.record, built)
    publisher.tell(f"{version} was released before; completing what is missing of its tags")
    publisher.finish(done.record, done.manifest)
    return done


def _check_same(place: Place, record: Record, built: Mapping[Unit, str]) -> None:
    """Check that a released version is made of the images that are built here.

    Raises:
        ImmutableTagError: it is made of others.
    """
    released = _digests(record)
    if released == built:
        return
    other = [
        f"{unit[1]} on {unit[0]} is {built.get(unit, 'no image')} here and "
        f"{released.get(unit, 'no image')} there"
        for unit in sorted(released.keys() | built.keys())
        if released.get(unit) != built.get(unit)
    ]
    raise ImmutableTagError(
        f"{record.version} was released before, in {place.host}/{place.releases}, from other "
        f"images: {'; '.join(other)}.",
        "A released version never changes. Take the next one; `nox -s diff` compares the two.",
    )


def _digests(record: Record) -> dict[Unit, str]:
    return {
        (stack.name, image.name): image.digest for stack in record.stacks for image in stack.images
    }
