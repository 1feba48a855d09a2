"""A channel names one release, remembers what it named before, and finds its way back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sparkyard.errors import ReferenceFormatError, ReleaseHistoryError, VerificationError
from sparkyard.registry import oci
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.release import channel
from sparkyard.release.channel import KEPT, PROMOTED, RELEASED, ROLLED_BACK, Channel, Move


def move(version: str, action: str = RELEASED) -> Move:
    record = Descriptor(oci.MANIFEST, oci.digest_of(version.encode()), 500)
    return Move(version, action, "2026-01-02T03:04:05+00:00", record)


def moved(*versions: str) -> Channel:
    made = Channel("stable")
    for version in versions:
        made = made.moved(move(version))
    return made


def back(made: Channel) -> Channel:
    return made.moved(move(made.before(), ROLLED_BACK))


def test_a_channel_names_its_newest_move() -> None:
    assert Channel("stable").version == ""
    assert moved("1.0.0", "1.1.0").version == "1.1.0"


def test_one_rollback_leads_to_the_release_before() -> None:
    assert moved("1.0.0", "1.1.0", "1.2.0").before() == "1.1.0"


def test_two_rollbacks_lead_two_releases_back() -> None:
    once = back(moved("1.0.0", "1.1.0", "1.2.0"))
    assert once.version == "1.1.0"
    assert once.before() == "1.0.0"
    assert back(once).version == "1.0.0"


def test_a_release_after_a_rollback_returns_to_where_the_rollback_led() -> None:
    made = back(moved("1.0.0", "1.1.0")).moved(move("1.2.0"))
    assert made.before() == "1.0.0"


def test_a_promotion_can_be_rolled_back() -> None:
    made = moved("1.0.0").moved(move("0.9.0", PROMOTED))
    assert made.before() == "1.0.0"


def test_a_channel_that_named_one_release_has_no_way_back() -> None:
    with pytest.raises(ReleaseHistoryError, match=r"has only ever named 1\.0\.0"):
        moved("1.0.0").before()


def test_a_channel_that_does_not_exist_has_no_way_back() -> None:
    with pytest.raises(ReleaseHistoryError, match='"stable" does not exist'):
        Channel("stable").before()


def test_rollbacks_end_at_the_first_release() -> None:
    with pytest.raises(ReleaseHistoryError):
        back(moved("1.0.0", "1.1.0")).before()


def test_a_channel_is_read_as_it_was_written() -> None:
    made = back(moved("1.0.0", "1.1.0", "1.2.0"))
    assert channel.parse("stable", made.as_index()) == made
    assert channel.parse("stable", made.as_index()).as_index() == made.as_index()


def test_the_first_entry_of_the_index_is_the_record_that_is_named_now() -> None:
    document = moved("1.0.0", "1.1.0").as_index().document()
    assert document["manifests"][0]["digest"] == oci.digest_of(b"1.1.0")
    assert document["annotations"]["org.opencontainers.image.version"] == "1.1.0"


def test_a_channel_forgets_its_oldest_moves_before_registries_refuse_it() -> None:
    made = moved(*(f"1.{n}.0" for n in range(KEPT + 10)))
    assert len(made.moves) == KEPT
    assert made.version == f"1.{KEPT + 9}.0"
    assert len(made.as_index().data) < 4 << 20


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[]",
        b"no JSON",
        b'{"manifests": [{"digest": "sha256:1", "size": 1}]}',
        b'{"manifests": null}',
    ],
)
def test_what_is_no_channel_is_not_read_as_one(data: bytes) -> None:
    with pytest.raises(VerificationError, match='"stable"'):
        channel.parse("stable", Content(oci.INDEX, data))


def test_an_entry_without_a_version_is_no_move() -> None:
    bare = replace(moved("1.0.0").moves[0].record, annotations={}).as_json()
    index = Content(oci.INDEX, oci.canonical({"manifests": [bare]}))
    with pytest.raises(VerificationError):
        channel.parse("stable", index)


@pytest.mark.parametrize("name", ["stable", "latest", "next-2", "a", "x" * 63])
def test_words_are_channels(name: str) -> None:
    assert channel.check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "stable-spark-3.5",
        "spark-3.5",
        "1.4.0",
        "1.5.0-rc.1",
        "",
        "Stable",
        "1",
        "-x",
        "claim.0",
        "a b",
        "a/b",
        "x" * 64,
    ],
)
def test_what_could_be_taken_for_something_else_is_no_channel(name: str) -> None:
    with pytest.raises(ReferenceFormatError):
        channel.check_name(name)
