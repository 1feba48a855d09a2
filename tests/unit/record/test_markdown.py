"""Does a release's Markdown say what its record says, and can no value of it become markup?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sparkyard.record import markdown
from sparkyard.record.record import Record
from tests.unit.records import family, first, hostile, pair, two_stacks, with_stack


def render(before: Record | None, record: Record) -> str:
    return markdown.render(record, before)


def test_says_how_to_pull_each_image_by_its_digest() -> None:
    record = family()
    text = render(None, record)
    for image in record.images:
        assert f"```sh\ndocker pull {image.repository}@{image.digest}\n```" in text
    assert "Spark 3.5.9" in text
    assert "nox -s verify -- 1.4.0" in text
    assert "| spark-executors | images | 35 | 0 | 0 | 31.4 s |" in text
    assert "32 of the 32 rows that must agree do" in text


def test_a_first_release_has_nothing_to_compare_with() -> None:
    text = render(None, first())
    assert "first release" in text
    assert "Against" not in text
    for said in ("No parity report", "not timed", "No run of tests", "No bill of"):
        assert said in text


def test_tells_what_changed_last() -> None:
    text = render(*pair(40))
    changes = text.partition("## What changed since 1.3.2")[2]
    assert "\n## " not in changes
    assert "- gone 1.0" in changes
    assert "<details><summary>" in changes
    assert "+ 8 MB" in text


def test_a_release_without_tests_says_so() -> None:
    assert "Warning" not in render(None, family())
    assert "> **Warning: released without tests.**" in render(
        None, with_stack(family(), untested=("spark-executors",))
    )


def test_two_stacks_have_parts_of_their_own() -> None:
    text = render(*two_stacks())
    assert "|  | spark-3.5 | spark-4 |" in text
    assert "| Spark | 3.5.9 | 4.1.0 |" in text
    assert text.count("\n### spark-4\n") == text.count("\n### spark-3.5\n") == 7
    changes = text.partition("## What changed since 1.3.2")[2]
    assert "The release before has no such stack" in changes.partition("### spark-4")[2]
    untested = two_stacks()[1]
    stacks = tuple(replace(stack, untested=("spark-executors",)) for stack in untested.stacks)
    warned = render(None, replace(untested, stacks=stacks))
    assert "asked for spark-executors, spark-executors-spark-4." in warned


@pytest.mark.parametrize("bad", ["<script>alert(1)</script>", "![x](https://evil.example)", "@all"])
def test_no_value_becomes_markup(bad: str) -> None:
    text = render(*hostile(bad))
    outside = [line for line in text.splitlines() if not line.startswith("docker pull")]
    assert bad not in "\n".join(outside)


def test_a_row_stays_one_row() -> None:
    lines = render(*hostile("a | b\n| c")).splitlines()
    header = next(n for n, line in enumerate(lines) if line.startswith("| Image | Sent"))
    assert all(line.count(" | ") == 3 for line in lines[header : header + 6])


@pytest.mark.parametrize(
    ("value", "written"),
    [("a", "`a`"), ("a`b", "`` a`b ``"), ("a|b", "`a\\|b`"), ("a\nb", "`a b`")],
)
def test_code_is_code_whatever_is_in_it(value: str, written: str) -> None:
    assert markdown.code(value) == written


def test_a_command_cannot_leave_its_block() -> None:
    assert markdown.fence("a ``` b\nc") == ["````sh", "a ``` b c", "````"]
