"""Does the page of a release show what its record says, and nothing that could run?"""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from sparkyard.record import markdown, page_stack, page_timeline
from sparkyard.record import page as record_page
from sparkyard.record.page_layers import shared
from sparkyard.record.page_tree import tree
from sparkyard.record.record import BuildStep, Record, RecordedBuild
from tests.unit.records import family, first, hostile, pair, two_stacks, with_stack

BAD = "\"'><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>"


class Parts(HTMLParser):
    """The elements of a page and their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(record: Record, before: Record | None = None) -> Parts:
    return Parts(record_page.render(record, before))


def test_shows_each_image_with_its_pull_command() -> None:
    record = family()
    text = page(record).text
    for image in record.images:
        assert f"docker pull {image.repository}@{image.digest}" in text
    assert "nox -s verify -- 1.4.0" in text
    assert "2026-11-21 09:30 UTC" in text


def test_each_part_that_was_proven_is_shown() -> None:
    record = family()
    image = record.images[0]
    runs = [replace(image.tests[0], part=part, passed=177) for part in ("kubernetes", "nightly")]
    image = replace(image, tests=(*image.tests, *runs))
    record = with_stack(record, images=(image, *record.images[1:]))
    tests = page(record).text.partition("Runs that vouch")[2].partition("SBOMs")[0]
    for part in ("images", "e2e", "parity", "kubernetes", "nightly"):
        assert part in tests
        assert re.search(rf"\| {part} +\| ", markdown.render(record, None))
    assert tests.count("177 passed") == 2
    assert tests.count("not run") >= 2


def test_the_same_record_gives_the_same_page() -> None:
    before, record = pair()
    drawn = {record_page.render(record, before) for _ in range(2)}
    assert len(drawn) == 1


def test_no_value_of_a_record_becomes_markup() -> None:
    good, bad = page(*reversed(pair())), page(*reversed(hostile(BAD)))
    assert "alert(1)" in bad.text
    for tag in ("script", "img", "iframe", "link", "style", "meta"):
        assert len(bad.of(tag)) == len(good.of(tag)), tag
    assert not [a for _, attrs in bad.elements for a in attrs if a.startswith("on")]


def test_a_source_that_is_no_address_of_the_web_is_no_link() -> None:
    links = page(replace(family(), source="javascript:alert(1)")).of("a")
    assert all(link["href"].startswith("#") for link in links)


def test_refers_to_nothing_outside() -> None:
    parts = page(family())
    assert [a["href"] for a in parts.of("link")] == ["data:,"]
    assert not [a for _, attrs in parts.elements for a in attrs if a in ("src", "srcset")]
    style = (record_page.TEMPLATES / "release.css").read_text()
    assert not re.search(r"url\(|@import", style)


def test_its_policy_knows_its_one_script() -> None:
    rendered = record_page.render(family(), None)
    found = re.search(r"<script>(.*?)</script>", rendered, re.DOTALL)
    assert found
    assert (
        record_page.policy(found[1]).split("'sha256-")[1].split("'")[0]
        in Parts(rendered).of("meta")[1]["content"]
    )


def test_a_release_without_tests_says_so() -> None:
    assert "Released without tests" not in page(family()).text
    untested = page(with_stack(family(), untested=("spark-executors",)))
    assert "Released without tests" in untested.text
    assert any(attributes.get("role") == "alert" for _, attributes in untested.elements)


def test_what_is_not_known_is_said() -> None:
    text = page(first()).text
    for said in ("first release", "No parity report", "not timed", "No run of tests", "No bill of"):
        assert said in text


def test_a_record_before_that_is_not_at_hand_is_no_first_release() -> None:
    text = page(replace(family(), previous="1.3.2")).text
    assert "first release" not in text
    assert "1.3.2 was not at hand" in text


def test_changes_are_listed_and_many_are_folded() -> None:
    before, record = pair(40)
    parts = page(record, before)
    assert "0.0.1 \u2192 " in parts.text
    assert "gone 1.0" in parts.text
    few = page(*reversed(pair(2)))
    assert len(parts.of("details")) > len(few.of("details"))
    assert all(name in parts.text for name in sorted(record.images[0].packages.python)[:40])


def test_sizes_tell_their_difference() -> None:
    before, record = (release.stacks[0] for release in pair())
    sizes = {size.name: size for size in page_stack.compare_sizes(record, before)}
    assert sizes["pyspark-notebook"].told == "+ 8 MB (+1.4\u202f%)"
    gone = page_stack.compare_sizes(replace(record, images=record.images[1:]), before)
    assert {size.told for size in gone if size.now is None} == {"no longer released"}
    assert page_stack.Size("x", 5, 5).told == "as before"


@pytest.mark.parametrize("verdict", ["differs", "not known"])
def test_rows_that_fail_come_first(verdict: str) -> None:
    (report,) = family().stacks[0].pairs
    rows = (*report.rows, replace(report.rows[0], verdict=verdict, name="broken"))
    groups = page_stack.parity_groups(replace(report, rows=rows))
    assert groups[0].bad
    assert [row.name for row in groups[0].rows] == ["broken"]
    assert sum(len(group.rows) for group in groups) == len(rows)


def test_layers_are_to_scale_and_stand_at_one_place_in_all_images() -> None:
    (stack,) = family().stacks
    picture = shared(stack)
    assert sum(column.width for column in picture.columns) == pytest.approx(1)
    for column, following in itertools.pairwise(picture.columns):
        assert column.begin + column.width == pytest.approx(following.begin)
        assert column.width == pytest.approx(column.layer.compressed / picture.stored)
        assert not column.told_apart or column.colour != following.colour
    for image in stack.images:
        digests = {layer.digest for layer in image.layers}
        assert {column.layer.digest for column in picture.of_image(image.name)} == digests
    (more,) = picture.for_executors
    assert (more.driver, more.executors) == ("datascience-notebook", "spark-executors")
    assert more.bytes < 5000 < picture.stored < picture.alone


def test_layers_without_bytes_are_no_division_by_nothing() -> None:
    record = family()
    images = tuple(
        replace(i, layers=tuple(replace(layer, compressed=0) for layer in i.layers))
        for i in record.images
    )
    record = with_stack(record, images=images)
    assert shared(record.stacks[0]).stored == 0
    assert page(record).text


def test_parents_stand_above_their_children_and_no_boxes_overlap() -> None:
    picture = tree(family().stacks[0])
    at = {box.name: box for box in picture.boxes}
    assert at["base"].image is None
    for image in family().images:
        assert at[image.parent].y < at[image.name].y
    for row in {box.y for box in picture.boxes}:
        begins = sorted(box.x for box in picture.boxes if box.y == row)
        assert all(b - a > picture.box_width for a, b in itertools.pairwise(begins))


def test_images_that_stand_on_each_other_in_a_circle_are_drawn_all_the_same() -> None:
    (stack,) = family().stacks
    images = (replace(stack.images[0], parent=stack.images[2].name), *stack.images[1:])
    assert len(tree(replace(stack, images=images)).boxes) >= len(images)


def test_the_builds_long_steps_are_drawn_and_the_rest_is_counted() -> None:
    steps = [BuildStep(f"[a {n}/99] RUN x", n, n + 1.0, False) for n in range(99)]
    steps += [BuildStep("[b 1/1] RUN y", 3, 3, True), BuildStep("[c] z", 3.0, 3.01, False)]
    picture = page_timeline.timeline(RecordedBuild("", 100.0, tuple(steps)))
    assert len(picture.bars) == page_timeline.BARS
    assert len(picture.cached) == 1
    assert len(picture.bars) + len(picture.shorter) + len(picture.cached) == len(steps)
    assert all(bar.width == pytest.approx(0.01) for bar in picture.bars)
    assert picture.bars[0].target == "a"
    assert 1 <= len(picture.ticks) <= 8


def test_its_drawings_are_well_formed() -> None:
    before, record = pair()
    rendered = record_page.render(record, before)
    drawings = re.findall(r"<svg.*?</svg>", rendered, re.DOTALL)
    assert len(drawings) > 10
    for drawing in drawings:
        ET.fromstring(drawing)  # noqa: S314 - a drawing of ours


def test_two_stacks_stand_side_by_side() -> None:
    before, record = two_stacks()
    parts = page(record, before)
    for image in record.images:
        assert f"docker pull {image.repository}@{image.digest}" in parts.text
    table = parts.text.partition("What the stacks stand on")[2].partition("Release before")[0]
    assert table.index("spark-3.5") < table.index("spark-4")
    assert "Spark3.5.94.1.0" in "".join(table.split())
    assert "The release before has no such stack" in parts.text
    identifiers = [attributes["id"] for _, attributes in parts.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert parts.text.count("rows that must agree do") == 2


def test_a_stack_that_is_no_longer_released_is_named() -> None:
    _, record = two_stacks()
    later = replace(family(), version="1.5.0")
    assert "The stack spark-4 is no longer released." in page(later, record).text
    assert "The stack spark-4 is no longer released." in markdown.render(later, record)
    assert "no longer released" not in page(record, record).text


def test_one_stack_has_no_headings_of_stacks() -> None:
    assert not [a for _, a in page(family()).elements if a.get("class") in ("stack", "matrix")]
