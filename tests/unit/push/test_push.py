"""Is nothing sent twice, and does a tag move only as it was meant to?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard.errors import (
    HashMismatchError,
    ImageMissingError,
    ImmutableTagError,
    InspectionError,
    ReferenceFormatError,
    RegistryAbsentError,
    RegistryRefusedError,
    TagMovedError,
)
from sparkyard.push import push
from sparkyard.push.push import Upload
from sparkyard.registry import oci
from sparkyard.registry import registry as registry_module
from sparkyard.registry.blobs import Layout
from sparkyard.registry.http import Limits
from sparkyard.registry.oci import Content
from sparkyard.registry.registry import Registry, Sent
from sparkyard.settings import Settings
from tests.unit import layouts
from tests.unit.tiny_registry import Asked, Reply, Tiny, error, serving

SHARED, OWN = b"shared" * 5000, b"own" * 100


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many tries at what another may be storing, at shorter intervals."""
    pauses = [pause / 20 for pause in registry_module._UNTIL_WRITTEN]
    monkeypatch.setattr(registry_module, "_UNTIL_WRITTEN", pauses)


@pytest.fixture
def tiny() -> Iterator[Tiny]:
    made = Tiny()
    with serving(made):
        yield made


@pytest.fixture
def registry(tiny: Tiny) -> Registry:
    return Registry(tiny.host, Settings(), limits=Limits(retries=1, backoff=0.01, silence=5))


@pytest.fixture
def images(tmp_path: Path) -> list[Upload]:
    """Two images in two repositories that share a layer and their configuration."""
    one = layouts.make(tmp_path, [SHARED, OWN])
    two = layouts.make(tmp_path, [SHARED])
    store = Layout(tmp_path)
    return [Upload("n/one", one.digest, store), Upload("n/two", two.digest, store)]


def test_each_blob_is_sent_once_and_mounted_into_the_others(
    tiny: Tiny, registry: Registry, images: list[Upload]
) -> None:
    shares: list[tuple[str, Sent]] = []
    sent = push.upload(registry, images, account=lambda path, share: shares.append((path, share)))
    assert (sent.blobs, sent.mounted, sent.manifests) == (3, 2, 2)
    assert sent.bytes == len(SHARED) + len(OWN) + len(b"{}")
    assert tiny.count("PUT", "blobs") == 3
    assert sum(share.mounted for path, share in shares if path == "n/two") == 2
    for each in images:
        assert registry.manifest(each.repository, each.manifest).digest == each.manifest


def test_an_unchanged_push_sends_nothing(
    tiny: Tiny, registry: Registry, images: list[Upload]
) -> None:
    push.upload(registry, images)
    tiny.asked.clear()
    sent = push.upload(registry, images)
    assert {asked.method for asked in tiny.asked} == {"HEAD"}
    assert len(tiny.asked) == 2
    assert (sent.blobs, sent.bytes, sent.mounted, sent.manifests) == (0, 0, 0, 0)


def test_an_interrupted_push_goes_on(tiny: Tiny, registry: Registry, images: list[Upload]) -> None:
    tiny.fault = lambda asked: (
        error(405, "UNSUPPORTED") if asked.method == "PUT" and "manifests" in asked.path else None
    )
    with pytest.raises(RegistryRefusedError):
        push.upload(registry, images)
    sent = tiny.count("PUT", "blobs")
    tiny.fault = lambda _: None
    push.upload(registry, images)
    assert tiny.count("PUT", "blobs") == sent == 3


def test_a_blob_is_mounted_from_a_neighbour(registry: Registry, images: list[Upload]) -> None:
    push.upload(registry, images[:1])
    sent = push.upload(registry, images[1:], neighbours=["n/other", "n/one"])
    assert (sent.blobs, sent.mounted) == (0, 2)


def test_a_thorough_push_looks_for_each_blob(
    tiny: Tiny, registry: Registry, images: list[Upload]
) -> None:
    push.upload(registry, images)
    lost = next(key for key, data in tiny.blobs.items() if data == OWN)
    del tiny.blobs[lost]
    assert push.upload(registry, images).blobs == 0
    assert push.upload(registry, images, thorough=True).blobs == 1
    assert lost in tiny.blobs


def test_a_survey_tells_what_would_be_sent(
    tiny: Tiny, registry: Registry, images: list[Upload]
) -> None:
    would = push.survey(registry, images)
    assert {asked.method for asked in tiny.asked} <= {"GET", "HEAD"}
    sent = push.upload(registry, images)
    assert (would.blobs, would.bytes, would.mounted) == (sent.blobs, sent.bytes, sent.mounted)
    assert push.survey(registry, images) == Sent()


def test_an_index_follows_its_image(tiny: Tiny, registry: Registry, images: list[Upload]) -> None:
    manifest = images[0].blobs.manifest(images[0].manifest)
    around = oci.index(manifest.descriptor, {"org.opencontainers.image.version": "1.0.0"})
    whole = Upload("n/one", images[0].manifest, images[0].blobs, around)
    push.upload(registry, [whole])
    puts = [asked.path.rpartition("/")[2] for asked in tiny.asked if asked.method == "PUT"]
    assert puts[-2:] == [images[0].manifest, around.digest]
    assert push.upload(registry, [whole]).manifests == 0


def test_a_registry_that_keeps_something_else_is_found_out(
    tiny: Tiny, registry: Registry, images: list[Upload]
) -> None:
    def flipped(asked: Asked) -> Reply | None:
        if asked.method == "GET" and "manifests" in asked.path:
            return Reply(200, {"Content-Type": oci.MANIFEST}, b"{}")
        return None

    tiny.fault = flipped
    with pytest.raises(HashMismatchError):
        push.upload(registry, images)


def test_a_blob_that_this_machine_lacks_is_told(
    registry: Registry, images: list[Upload], tmp_path: Path
) -> None:
    os.unlink(tmp_path / "blobs" / oci.digest_of(OWN).replace(":", "/"))
    with pytest.raises(ImageMissingError):
        push.upload(registry, images)


def test_an_index_is_not_taken_for_an_image() -> None:
    with pytest.raises(InspectionError, match="no image's manifest"):
        push.parts(Content(oci.INDEX, b'{"manifests": []}'))


class TestTags:
    @pytest.fixture
    def one(self, registry: Registry, images: list[Upload]) -> str:
        push.upload(registry, images)
        return images[0].manifest

    @pytest.fixture
    def other(self, registry: Registry, one: str) -> Content:
        content = registry.manifest("n/one", one)
        changed = Content(content.media_type, content.data + b"\n")
        registry.put_manifest("n/one", changed.digest, changed)
        return changed

    def test_a_tag_is_set_once(self, registry: Registry, one: str) -> None:
        assert push.set_tag(registry, "n/one", "t", one, immutable=True) is True
        assert push.set_tag(registry, "n/one", "t", one, immutable=True) is False

    def test_an_immutable_tag_stays(self, registry: Registry, one: str, other: Content) -> None:
        push.set_tag(registry, "n/one", "t", one, immutable=True)
        with pytest.raises(ImmutableTagError) as raised:
            push.set_tag(registry, "n/one", "t", other, immutable=True)
        assert one in raised.value.what
        assert other.digest in raised.value.what
        named = registry.resolve("n/one", "t")
        assert named is not None
        assert named.digest == one

    def test_a_moving_tag_moves(self, registry: Registry, one: str, other: Content) -> None:
        push.set_tag(registry, "n/one", "t", one, immutable=False, expected="")
        assert push.set_tag(registry, "n/one", "t", other, immutable=False, expected=one)

    @pytest.mark.parametrize("expected", ["", f"sha256:{'0' * 64}"])
    def test_a_tag_that_somebody_moved_is_left(
        self, registry: Registry, one: str, other: Content, expected: str
    ) -> None:
        push.set_tag(registry, "n/one", "t", one, immutable=False)
        with pytest.raises(TagMovedError, match="somebody else"):
            push.set_tag(registry, "n/one", "t", other, immutable=False, expected=expected)

    @pytest.mark.parametrize("immutable", [False, True])
    def test_who_overwrites_between_the_look_and_the_write_is_seen(
        self, tiny: Tiny, registry: Registry, one: str, other: Content, immutable: bool
    ) -> None:
        def overwritten(asked: Asked) -> Reply | None:
            if asked.method == "PUT" and asked.path.endswith("/t"):
                tiny.manifests["n/one", "t"] = (other.media_type, other.data)
            return None

        tiny.after = overwritten
        with pytest.raises(ImmutableTagError if immutable else TagMovedError, match=other.digest):
            push.set_tag(registry, "n/one", "t", one, immutable=immutable)

    def test_a_tag_names_nothing_that_is_not_there(self, registry: Registry, one: str) -> None:
        assert one
        with pytest.raises(RegistryAbsentError):
            push.set_tag(registry, "n/one", "t", f"sha256:{'0' * 64}", immutable=False)

    @pytest.mark.parametrize("tag", ["", "-x", "a b", "a/b", "x" * 129, "ä"])
    def test_an_illegal_tag_is_refused_before_anything_is_asked(
        self, tiny: Tiny, registry: Registry, tag: str
    ) -> None:
        with pytest.raises(ReferenceFormatError):
            push.set_tag(registry, "n/one", tag, f"sha256:{'0' * 64}", immutable=False)
        assert tiny.asked == []
