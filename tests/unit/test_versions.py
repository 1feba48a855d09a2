"""Are versions read strictly, and is the next one told?"""

from __future__ import annotations

import pytest

from sparkyard import versions
from sparkyard.errors import VersionError


@pytest.mark.parametrize("text", ["0.0.0", "0.1.0", "1.4.0", "10.20.30", "1.4.0-rc.1", "1.0.0-a-b"])
def test_a_version_is_read_and_written_the_same(text: str) -> None:
    assert str(versions.parse(text)) == text
    assert versions.is_version(text)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.4", "v1.4.0", "V1.4.0", "1.4.0.0", "01.4.0", "1.04.0", "1.4.0-", "1.4.0-01",
     "1.4.0-rc..1", "1.4.0 ", " 1.4.0", "1.4.0\n", "1.4.x", "1.4.0_1", "1.4.٣", "latest",
     "1.4.0/../x", "-1.4.0"],
)  # fmt: skip
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(VersionError) as refusal:
        versions.parse(text)
    assert refusal.value.exit_code == 62
    assert "1.4.0-rc.1" in refusal.value.remedy
    assert not versions.is_version(text)


@pytest.mark.parametrize(("text", "hint"), [("v1.4.0", "no v before"), ("1.4", "three numbers")])
def test_the_usual_mistakes_are_named(text: str, hint: str) -> None:
    with pytest.raises(VersionError, match=hint):
        versions.parse(text)


def test_build_metadata_is_refused_since_no_tag_has_a_plus() -> None:
    with pytest.raises(VersionError, match="build metadata") as refusal:
        versions.parse("1.4.0-rc.1+linux")
    assert "1.4.0-rc.1." in refusal.value.remedy
    assert not versions.is_version("1.4.0+linux")


def test_versions_are_picked_from_tags_and_ordered_as_numbers() -> None:
    tags = ["latest", "0.10.0", "0.9.0", "stable", "0.10.0-rc.2", "0.10.0-rc.10", "v1.0.0", "1.0"]
    assert versions.released(tags) == ("0.9.0", "0.10.0-rc.2", "0.10.0-rc.10", "0.10.0")
    assert versions.released(["latest"]) == ()


def test_what_is_to_be_ordered_must_be_versions() -> None:
    assert versions.in_order(["0.10.0", "0.9.0"]) == ("0.9.0", "0.10.0")
    with pytest.raises(VersionError):
        versions.in_order(["0.1.0", "latest"])


@pytest.mark.parametrize(
    ("version", "existing"),
    [
        ("0.1.0", []),
        ("0.1.0", ["latest"]),
        ("0.2.0", ["0.1.0"]),
        ("0.1.1", ["0.1.0", "0.1.1-rc.1"]),
        ("0.10.0", ["0.9.0"]),
        ("1.0.0-rc.10", ["1.0.0-rc.9"]),
        ("0.1.0-rc.1", []),
    ],
)
def test_a_version_above_all_others_is_taken(version: str, existing: list[str]) -> None:
    assert str(versions.check_above(version, existing)) == version


@pytest.mark.parametrize(
    ("version", "existing", "said", "following"),
    [
        ("1.4.0", ["1.4.0"], "1.4.0 was released already.", "1.4.1, 1.5.0, 2.0.0"),
        ("1.3.0", ["1.3.0", "1.4.0"], "the last one is 1.4.0", "1.4.1, 1.5.0, 2.0.0"),
        ("1.3.1", ["1.3.0", "1.4.0"], "not above the last one released, 1.4.0", "1.4.1"),
        ("1.4.0-rc.1", ["1.4.0"], "not above the last one released, 1.4.0", "1.4.1"),
        ("1.4.0-rc.1", ["1.4.0-rc.2"], "1.4.0-rc.2", "1.4.0-rc.3, 1.4.0."),
        ("0.9.0", ["0.10.0"], "0.10.0", "0.10.1, 0.11.0, 1.0.0"),
    ],
)
def test_a_version_that_is_not_above_is_refused_with_the_last_and_the_next(
    version: str, existing: list[str], said: str, following: str
) -> None:
    with pytest.raises(VersionError) as refusal:
        versions.check_above(version, existing)
    assert version in refusal.value.what
    assert said in refusal.value.what
    assert following in refusal.value.remedy
