"""In which order a release reaches a registry, and what is left wherever it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from socketserver import StreamRequestHandler
from typing import cast

import pytest

from sparkyard.errors import (
    ImmutableTagError,
    ReferenceFormatError,
    RegistryAbsentError,
    RegistryUnreachableError,
    ReleaseHistoryError,
    ReleaseInProgressError,
    SparkyardError,
    VerificationError,
)
from sparkyard.push import pushing
from sparkyard.record.record import RecordedStack
from sparkyard.registry import oci
from sparkyard.registry.http import Limits
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.registry.registry import Registry
from sparkyard.release import publish, releases, releasing
from sparkyard.release.channel import LATEST
from sparkyard.release.claim import Claim
from sparkyard.release.publish import Attached, Publisher
from sparkyard.release.releases import Place
from sparkyard.release.releasing import Desk, Ready
from sparkyard.settings import Settings
from tests.e2e.chaos import client, made_family
from tests.e2e.chaos.client import PROMOTE, RELEASE, ROLLBACK, Task
from tests.e2e.chaos.reader import MOVING, Reader
from tests.unit.tiny_registry import API, RESET, Asked, Reply, Tiny, error, serving

ONE_TRY = Limits(retries=0, backoff=0, connect=2, silence=5)
STABLE = "stable"
SECOND = "spark-1"
FOR_EVER = 10**6


class Store(Tiny):
    """A registry that is gone after so many writes, and comes back with what it took."""

    def __init__(self) -> None:
        super().__init__()
        self.left = FOR_EVER
        self.deletes = True
        self.writes: list[str] = []

    def answer(self, asked: Asked) -> Reply:
        if asked.method in ("PUT", "POST", "DELETE"):
            self.left -= 1
            self.writes.append(f"{asked.method} {asked.path}")
        if self.left < 0:
            return RESET
        if asked.method == "DELETE" and not self.deletes:
            return error(403, "DENIED")
        if asked.method == "DELETE":
            repository, _, digest = asked.path.removeprefix("/v2/").partition("/manifests/")
            stored = self.manifests[repository, digest]
            for key in [key for key, value in self.manifests.items() if value == stored]:
                del self.manifests[key]
            return Reply(202, API)
        return super().answer(asked)

    def tags_written(self) -> list[str]:
        """Return the tags that were set, as repository:tag, in order."""
        found = [line.removeprefix("PUT /v2/family/").split("/manifests/") for line in self.writes]
        return [":".join(p) for p in found if len(p) == 2 and not p[1].startswith(("sha", "claim"))]


class SmallFamily:
    """A family in that registry, whose releases are small."""

    def __init__(self, store: Store, host: str, layout: Path) -> None:
        self.store = store
        self.place = Place(Registry(host, Settings(), limits=ONE_TRY), host, "family")
        self.layout = str(layout)

    def do(self, action: str, number: int = 0, channel: str = "") -> None:
        """Do what a command does; what an earlier one left behind counts as dead."""
        task = Task(
            action, self.place.host, "family", self.layout, 0, number, channel, take_over=True
        )
        client.do(task, self.place)

    def do_until(self, writes: int, action: str, number: int = 0, channel: str = "") -> bool:
        """Let the registry go after so many writes; return whether all was done before that."""
        self.store.left = writes
        try:
            self.do(action, number, channel)
        except RegistryUnreachableError:
            return False
        finally:
            done = self.store.left >= 0
            self.store.left = FOR_EVER
        return done

    def torn(self, before: int, after: int, tags: tuple[str, ...]) -> list[str]:
        reader = Reader(self.place, 0)
        reader.allow(dict.fromkeys(tags, (before, after)))
        reader.look()
        return [*reader.findings.torn, *reader.findings.unread]

    def left(self, number: int, tags: tuple[str, ...]) -> list[str]:
        return Reader(self.place, 0).settled(dict.fromkeys(tags, number))


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallFamily]:
    monkeypatch.setattr(made_family, "_SIZE", 200)
    monkeypatch.setattr(StreamRequestHandler, "disable_nagle_algorithm", True)
    store = Store()
    with serving(store) as host:
        yield SmallFamily(store, host, tmp_path)


def test_nothing_that_can_be_found_by_name_changes_before_the_record(family: SmallFamily) -> None:
    family.do(RELEASE, 1)
    family.store.writes.clear()
    family.do(RELEASE, 2)
    tags = family.store.tags_written()
    at = tags.index("releases:1.2.0")
    # But for names that say what they name, released or not.
    assert all(tag.partition(":")[2].startswith("spark-0-") for tag in tags[:at])
    assert at == len(made_family.NAMES)
    assert tags[at + 1] == "releases:latest"


def test_executors_are_moved_before_notebooks(family: SmallFamily) -> None:
    family.do(RELEASE, 1)
    tags = family.store.tags_written()
    for tag in (*MOVING, LATEST):
        moved = [each.partition(":")[0] for each in tags if each.endswith(f":{tag}")]
        images = [name for name in moved if name != "releases"]
        assert images[0] == "spark-executors"
        assert sorted(images) == sorted(made_family.NAMES)


def test_a_release_that_ends_after_any_write_is_whole_or_none_and_goes_on(
    family: SmallFamily,
) -> None:
    tags = (*MOVING, LATEST)
    family.do(RELEASE, 1)
    number, writes, seen = 1, 0, set()
    while True:
        before = len(family.store.writes)
        if family.do_until(writes, RELEASE, number + 1):
            break
        assert len(family.store.writes) > before
        released = family.place.has(f"1.{number + 1}.0")
        seen.add(released)
        assert family.torn(number, number + 1, tags) == []
        if not released:
            assert family.left(number, tags) == []
        family.do(RELEASE, number + 1)
        assert family.left(number + 1, tags) == []
        assert Reader(family.place, 0).complete(number + 1) == []
        number += 1
        writes += 9 if not released else 4
    assert seen == {True, False}
    assert number > 8


@pytest.mark.parametrize("action", [PROMOTE, ROLLBACK])
def test_a_move_that_ends_after_any_write_goes_on(family: SmallFamily, action: str) -> None:
    for number in (1, 2):
        family.do(RELEASE, number)
    family.do(PROMOTE, 2, STABLE)
    family.do(PROMOTE, 1, STABLE)
    now, other, writes = 1, 2, 0
    while not family.do_until(writes, action, other, STABLE):
        assert family.torn(now, other, (STABLE,)) == []
        if family.left(other, (STABLE,)):
            family.do(action, other, STABLE)
        assert family.left(other, (STABLE,)) == []
        if action == ROLLBACK:
            family.do(PROMOTE, now, STABLE)
        else:
            now, other = other, now
        writes += 2
    assert writes > 5


def test_a_channel_is_not_moved_to_a_release_of_which_an_image_is_gone(family: SmallFamily) -> None:
    for number in (1, 2):
        family.do(RELEASE, number)
    gone = made_family.make(0, 1).images[0].manifest.digest
    del family.store.manifests["family/pyspark-notebook", gone]
    with pytest.raises(RegistryAbsentError, match="no longer has"):
        family.do(PROMOTE, 1, LATEST)
    assert family.left(2, (LATEST,)) == []


def test_a_release_that_goes_on_after_a_rollback_leaves_the_channel_where_it_is(
    family: SmallFamily,
) -> None:
    for number in (1, 2):
        family.do(RELEASE, number)
    family.do(ROLLBACK, channel=LATEST)
    family.do(RELEASE, 2)
    assert family.left(1, (LATEST,)) == []
    assert family.left(2, MOVING) == []


def test_an_older_release_that_goes_on_takes_no_tag_from_a_later_one(family: SmallFamily) -> None:
    family.do(RELEASE, 1)
    while not family.place.has("1.2.0"):
        assert not family.do_until(9, RELEASE, 2)
    family.do(RELEASE, 3)
    family.do(RELEASE, 2)
    assert family.left(3, (*MOVING, LATEST)) == []
    assert Reader(family.place, 0).complete(2) == []


def test_blobs_of_one_image_are_not_sent_again_for_another(family: SmallFamily) -> None:
    for number in range(1, 8):
        family.do(RELEASE, number)
    stored = [each.query["digest"] for each in family.store.asked
              if each.method == "PUT" and "/blobs/uploads/" in each.path]  # fmt: skip
    known = {digest for number in range(1, 8) for image in made_family.make(0, number).images
             for digest in image.blobs}  # fmt: skip
    sent = [digest for digest in stored if digest in known]
    assert len(sent) == len(set(sent)) == len(known)


def test_who_may_not_delete_releases_all_the_same(family: SmallFamily) -> None:
    family.store.deletes = False
    for number in (1, 2):
        family.do(RELEASE, number)
    assert family.left(2, (*MOVING, LATEST)) == []


def test_a_release_that_compares_with_the_wrong_one_is_refused(family: SmallFamily) -> None:
    made = made_family.make(0, 2)
    ready = made_family.ready(made, family.place, Path(family.layout), "2026-01-01T00:00:00Z")
    family.do(RELEASE, 1)
    before = list(family.store.manifests)
    with pytest.raises(ReleaseInProgressError, match="released meanwhile"):
        releasing.publish(Desk(family.place, lambda _: None), ready, lambda: None)
    assert list(family.store.manifests) == before


def test_no_release_moves_a_tag_that_is_a_channel(family: SmallFamily) -> None:
    family.do(RELEASE, 1)
    family.do(PROMOTE, 1, STABLE)
    pushing.check_no_channel(family.place.registry, "family", ["main", "spark-0"])
    with pytest.raises(ReferenceFormatError, match=STABLE):
        pushing.check_no_channel(family.place.registry, "family", ["main", STABLE])


def test_a_look_that_takes_several_commands_sees_no_torn_release(
    family: SmallFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader on a loaded machine: what was allowed in between counts as well."""
    for number in (1, 2):
        family.do(RELEASE, number)
    reader = Reader(family.place, 0)
    reader.allow({LATEST: (2,)})
    registry = family.place.registry
    resolve = registry.resolve
    between = {2: (RELEASE, 3, (2, 3)), 4: (ROLLBACK, 0, (3, 2))}
    looks = 0

    def slow(repository: str, tag: str) -> Descriptor | None:
        nonlocal looks
        looks += 1
        if looks in between:
            action, number, allowed = between[looks]
            reader.allow({LATEST: allowed})
            with pytest.MonkeyPatch.context() as quick:
                quick.setattr(registry, "resolve", resolve)
                family.do(action, number, LATEST)
            reader.allow({LATEST: allowed[1:]})
        return resolve(repository, tag)

    monkeypatch.setattr(registry, "resolve", slow)
    assert reader._look_at_tag(LATEST) == []
    assert looks == 4


def test_what_is_no_release_is_told(family: SmallFamily) -> None:
    family.do(RELEASE, 1)
    channel = family.place.registry.manifest(family.place.releases, LATEST)
    family.place.registry.put_manifest(family.place.releases, "9.0.0", channel)
    with pytest.raises(VerificationError, match=r"9\.0\.0"):
        family.place.fetch("9.0.0")


def test_a_signature_goes_behind_those_of_others(family: SmallFamily) -> None:
    def signed(text: bytes) -> Attached:
        blob = Content("application/json", text)
        manifest = oci.artifact("application/x", {"a": blob}, {})
        empty = Content(oci.EMPTY, oci.EMPTY_CONTENT)
        return Attached("family/a", "sha256-x.sig", manifest, (blob, empty))

    publisher = Publisher(family.place, cast(Claim, None), lambda _: None)
    theirs, ours = signed(b"theirs"), signed(b"ours")
    for document in (theirs, ours, ours):
        publisher._attach(document)
    held = family.place.registry.manifest("family/a", "sha256-x.sig").document()["layers"]
    assert held == [
        *theirs.manifest.document()["layers"], *ours.manifest.document()["layers"]
    ]  # fmt: skip


def test_a_rollback_without_a_way_back_changes_nothing(family: SmallFamily) -> None:
    family.do(RELEASE, 1)
    with pytest.raises(ReleaseHistoryError):
        family.do(ROLLBACK, channel=LATEST)
    assert family.left(1, (LATEST,)) == []


def test_a_version_tag_names_the_index_and_all_others_the_image(family: SmallFamily) -> None:
    family.do(RELEASE, 1)
    record = family.place.fetch("1.1.0").record
    steps = publish._steps(family.place, record, immutable=True)
    for step in steps:
        image = next(i for i in record.images if i.repository.endswith(f"/{step.repository}"))
        assert step.immutable
        assert step.digest == (image.index if step.tag == record.version else image.digest)
    assert not any(each.immutable for each in publish._channel_steps(family.place, record, LATEST))


def of_two_stacks(family: SmallFamily, number: int) -> Ready:
    """Return a release of two stacks, whose images go into the same repositories."""
    when, layout = "2026-01-01T00:00:00Z", Path(family.layout)
    first, other = (
        made_family.ready(made_family.make(seed, number), family.place, layout, when)
        for seed in (0, 1)
    )
    (stack,) = other.record.stacks
    images = tuple(
        replace(
            image,
            immutable=(
                f"{SECOND}-{image.fingerprint}",
                *(f"{tag}-{SECOND}" for tag in image.immutable[1:]),
            ),
            moving=(SECOND, f"{image.moving[1]}-{SECOND}"),
        )
        for image in stack.images
    )
    second = replace(stack, name=SECOND, default=False, images=images)
    record = replace(first.record, stacks=(*first.record.stacks, second))
    document = Content("application/json", json.dumps(record.as_document()).encode())
    files = {**first.files, releases.RECORD: document}
    return replace(first, record=record, files=files, uploads=(*first.uploads, *other.uploads))


def named(family: SmallFamily, stack: RecordedStack, tag: str) -> list[str | None]:
    """Return what a tag names in the repository of each image of a stack."""
    there = [family.place.registry.resolve(family.place.path(i), tag) for i in stack.images]
    return [each.digest if each else None for each in there]


def test_no_tag_is_of_two_stacks(family: SmallFamily) -> None:
    record = of_two_stacks(family, 1).record
    steps = [
        *publish._steps(family.place, record, immutable=True),
        *publish._steps(family.place, record, immutable=False),
        *publish._channel_steps(family.place, record, LATEST),
    ]
    places = [(step.repository, step.tag) for step in steps]
    assert len(places) == len(set(places))
    tags = {step.tag for step in steps}
    assert {"1.1.0", f"1.1.0-{SECOND}", LATEST, f"{LATEST}-spark-0", f"{LATEST}-{SECOND}"} <= tags
    default, other = record.stacks
    for stack, version in ((default, "1.1.0"), (other, f"1.1.0-{SECOND}")):
        indexes = {step.digest for step in steps if step.tag == version}
        assert indexes == {image.index for image in stack.images}


def test_two_stacks_are_released_by_one_write_and_move_together(family: SmallFamily) -> None:
    desk = Desk(family.place, lambda _: None)
    records = {}
    for number in (1, 2):
        ready = of_two_stacks(family, number)
        family.store.writes.clear()
        releasing.publish(desk, ready, lambda: None)
        records[number] = family.place.fetch(ready.record.version).record
        assert records[number] == ready.record
        tags = family.store.tags_written()
        at = tags.index(f"releases:1.{number}.0")
        by_content = tuple(f":{stack.name}-" for stack in ready.record.stacks)
        assert all(any(each in tag for each in by_content) for tag in tags[:at])
        assert at == 2 * len(made_family.NAMES)

    def channel_names(name: str, number: int) -> bool:
        first, second = records[number].stacks
        indexes = [[image.index for image in stack.images] for stack in (first, second)]
        return indexes == [named(family, first, name), named(family, second, f"{name}-{SECOND}")]

    assert channel_names(LATEST, 2)
    for number in (1, 2):
        releasing.promote(desk, f"1.{number}.0", STABLE)
        assert channel_names(STABLE, number)
    releasing.rollback(desk, STABLE)
    assert channel_names(STABLE, 1)
    assert channel_names(LATEST, 2)


def test_a_version_is_not_released_again_from_fewer_stacks(family: SmallFamily) -> None:
    desk, ready = Desk(family.place, lambda _: None), of_two_stacks(family, 1)
    releasing.publish(desk, ready, lambda: None)
    built = {(s.name, i.name): i.digest for s in ready.record.stacks for i in s.images}
    releasing.go_on(desk, "1.1.0", built)
    fewer = {unit: digest for unit, digest in built.items() if unit[0] != SECOND}
    with pytest.raises(ImmutableTagError, match=rf"spark-executors on {SECOND} is no image here"):
        releasing.go_on(desk, "1.1.0", fewer)


@pytest.mark.parametrize("name", ["main", "spark-1", "wanted"])
def test_a_channel_takes_no_tag_of_any_stack(family: SmallFamily, name: str) -> None:
    ready = of_two_stacks(family, 1)
    first, second = ready.record.stacks
    images = tuple(
        replace(image, moving=(*image.moving, f"wanted-{SECOND}")) for image in second.images
    )
    record = replace(ready.record, stacks=(first, replace(second, images=images)))
    with pytest.raises(ReferenceFormatError, match=name):
        releasing._check_channel(name, record)
    releasing._check_channel(STABLE, record)


def test_tags_of_a_copy_are_set_where_the_copy_is(family: SmallFamily) -> None:
    family.do(RELEASE, 1)
    record = family.place.fetch("1.1.0").record
    mirror = replace(family.place, namespace="mirror/of/team")
    steps = publish._channel_steps(mirror, record, LATEST)
    assert {step.repository for step in steps} == {
        f"mirror/of/team/{image.name}" for image in record.images
    }


def test_errors_of_a_release_are_ones_that_a_person_is_told(family: SmallFamily) -> None:
    family.store.left = 0
    with pytest.raises(SparkyardError):
        family.do(RELEASE, 1)
