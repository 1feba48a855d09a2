"""Are a build's times kept by the digests of what it made, and is a damaged file no trouble?"""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkyard.builds import timeline
from sparkyard.record.record import BuildStep, RecordedBuild

DIGESTS = (f"sha256:{'a' * 64}", f"sha256:{'b' * 64}")
BUILD = RecordedBuild("2026-11-21T08:58:02Z", 2.5, (BuildStep("[a 1/1] RUN x", 0.25, 2.0, False),))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARKYARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_is_found_by_each_image_that_the_build_made() -> None:
    timeline.keep(BUILD, DIGESTS)
    assert [timeline.of(digest) for digest in DIGESTS] == [BUILD, BUILD]


def test_there_is_none_of_an_image_that_was_made_elsewhere() -> None:
    timeline.keep(BUILD, DIGESTS[:1])
    assert timeline.of(DIGESTS[1]) is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"began": 1, "seconds": 2, "steps": []}'])
def test_a_damaged_file_is_no_times(cache: Path, damage: str) -> None:
    timeline.keep(BUILD, DIGESTS[:1])
    next(cache.rglob("*.json")).write_text(damage)
    assert timeline.of(DIGESTS[0]) is None


def test_a_place_that_cannot_be_written_costs_only_the_times(cache: Path) -> None:
    cache.write_text("a file, where a directory should be")
    timeline.keep(BUILD, DIGESTS)
    assert timeline.of(DIGESTS[0]) is None


def test_leaves_nothing_beside_its_files(cache: Path) -> None:
    timeline.keep(BUILD, DIGESTS)
    timeline.keep(BUILD, DIGESTS)
    assert sorted(file.name for file in (cache / "timelines").iterdir()) == [
        f"{'a' * 64}.json", f"{'b' * 64}.json",
    ]  # fmt: skip
