"""Is every change between two releases told, once, and nothing that did not change?"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparkyard.commands import diff as command
from sparkyard.errors import MalformedFileError, UnknownNameError, VersionError
from sparkyard.record import diff, diff_report
from sparkyard.record import io as record_io
from sparkyard.record.diff import ADDED, CHANGED, DOWN, REMOVED, SAME, UP, StackChanges
from sparkyard.record.record import (
    SCHEMA,
    Packages,
    ParityRow,
    Record,
    RecordedImage,
    RecordedLayer,
    RecordedPair,
    RecordedStack,
)
from tests.unit.records import FILE, two_stacks

PACKAGES = Packages(
    debian={"libc6": "2.41-12", "tini": "0.19.0-1", "old": "1"},
    python={"pandas": "2.3.3", "numpy": "1.26.4"},
    jars={"hadoop-aws": "3.3.4", "netty": "4.1.96.Final"},
    r={"cli": "3.6.4"},
)


def layer(name: str, compressed: int) -> RecordedLayer:
    return RecordedLayer(f"sha256:{name}", name, compressed, 3 * compressed, "COPY", name)


def image(name: str, digest: str = "1", **changes: Any) -> RecordedImage:
    layers = (layer("debian", 30), layer("spark", 300))
    made = RecordedImage(
        name, "x", "debian", f"host/{name}", f"sha256:{digest}", "sha256:i", "f", (), (), 330,
        990, layers, PACKAGES, (), None,
    )  # fmt: skip
    return replace(made, **changes)


def row(name: str, driver: str = "a", why: str = "x") -> ParityRow:
    return ParityRow(name, driver, "a", "agrees" if driver == "a" else "differs", True, why)


def stack(*images: RecordedImage, name: str = "spark-3.5", **changes: Any) -> RecordedStack:
    pairs = (RecordedPair("a", "b", (row("Python"), row("Java"))),)
    return replace(RecordedStack(name, True, (), images, pairs, None), **changes)


def release(version: str, *images: RecordedImage, **changes: Any) -> Record:
    return of_stacks(version, stack(*images, **changes))


def of_stacks(version: str, *stacks: RecordedStack) -> Record:
    return Record(SCHEMA, version, version[0] * 40, "main", "", "", "", "", stacks)


def changed(**kinds: dict[str, str | None]) -> Packages:
    """Return the packages with some of other versions; None takes one away."""
    found = {}
    for field in dataclasses.fields(Packages):
        some: dict[str, str] = dict(getattr(PACKAGES, field.name))
        for name, version in kinds.get(field.name, {}).items():
            some.pop(name, None)
            if version is not None:
                some[name] = version
        found[field.name] = some
    return Packages(**found)


@pytest.fixture
def two() -> tuple[Record, Record]:
    """Two releases between which something of each sort has changed."""
    packages = changed(
        debian={"libc6": "2.41-12+deb13u1", "old": None},
        python={"pandas": "2.10.0", "numpy": "1.26.3", "polars": "1.0"},
        jars={"hadoop-aws": "3.3.10", "netty": "4.1.96"},
        r={"cli": "3.6.10"},
    )
    layers = (layer("debian", 30), layer("spark2", 310))
    before = release("1.0.0", image("a"), image("b"), image("c"), image("gone"))
    after = release(
        "1.1.0",
        image("a", "2", packages=packages, layers=layers),
        image("b", "2", packages=changed(python={"pandas": "2.10.0"}), layers=layers),
        image("c"),
        image("new", "9", layers=(layer("debian", 30), layer("new", 7))),
        pairs=(RecordedPair("a", "b", (row("Python", "b"), row("Java", why="y"), row("Spark"))),),
    )
    return before, after


@pytest.fixture
def changes(two: tuple[Record, Record]) -> StackChanges:
    """What changed of their one stack."""
    (only,) = diff.changes(*two).stacks
    return only


def test_a_release_and_itself_differ_in_nothing() -> None:
    one = release("1.0.0", image("a"), image("b"))
    between = diff.changes(one, one)
    (changes,) = between.stacks
    assert (changes.what, changes.packages, changes.parity) == (SAME, (), ())
    assert [each.what for each in changes.images] == [SAME, SAME]
    assert changes.layers == diff.LayerChanges(2, 330, 0, 0, 0, 0)
    assert "no image changed" in diff_report.markdown(between)


def test_each_package_that_changed_is_told_with_its_direction(changes: StackChanges) -> None:
    told = {(each.kind, each.name): each.what for each in changes.images[0].packages}
    assert told == {
        ("debian", "libc6"): UP,
        ("debian", "old"): REMOVED,
        ("python", "numpy"): DOWN,
        ("python", "pandas"): UP,
        ("python", "polars"): ADDED,
        ("jars", "hadoop-aws"): UP,
        ("jars", "netty"): CHANGED,
        ("r", "cli"): UP,
    }


def test_a_change_in_several_images_stands_once_with_all_their_names(changes: StackChanges) -> None:
    by_name = {each.name: each for each in changes.of_kind("python")}
    assert by_name["pandas"].images == ("a", "b")
    assert (by_name["pandas"].before, by_name["pandas"].after) == ("2.3.3", "2.10.0")
    assert by_name["numpy"].images == ("a",)
    assert [each.kind for each in changes.packages] == ["debian"] * 2 + ["python"] * 3 + [
        "jars", "jars", "r",
    ]  # fmt: skip


def test_images_are_added_removed_changed_or_the_same(changes: StackChanges) -> None:
    assert {each.name: each.what for each in changes.images} == {
        "a": CHANGED, "b": CHANGED, "c": SAME, "new": ADDED, "gone": REMOVED,
    }  # fmt: skip
    new, gone = changes.images[3:]
    assert new.packages == gone.packages == ()
    assert (new.digest_before, gone.digest_after) == ("", "")
    assert new.sizes == diff.Sizes(0, 37, 0, 111)
    assert gone.layers == diff.LayerChanges(0, 0, 0, 0, 2, 330)


def test_layers_are_told_by_digest_and_counted_once_in_the_family(changes: StackChanges) -> None:
    assert changes.images[0].layers == diff.LayerChanges(1, 30, 1, 310, 1, 300)
    assert changes.layers == diff.LayerChanges(2, 330, 2, 317, 0, 0)
    assert changes.sizes == diff.Sizes(330, 647, 990, 1941)


def test_rows_of_the_parity_report_that_changed(changes: StackChanges) -> None:
    assert [each.name for each in changes.parity] == ["Python", "Spark"]
    python, spark = changes.parity
    assert python.before
    assert python.after
    assert (python.before.driver, python.after.driver) == ("a", "b")
    assert spark.before is None


def test_jars_are_told_by_name_and_version() -> None:
    assert diff.jar_versions(
        [
            "zstd-jni-1.5.5-4.jar",
            "it-1.0-linux.jar",
            "it-1.0.jar",
            "two-1.jar",
            "two-2.jar",
            "x.jar",
        ]
    ) == {"zstd-jni": "1.5.5-4", "it-linux": "1.0", "it": "1.0", "two": "1, 2", "x": ""}


def test_one_image_alone(changes: StackChanges) -> None:
    only = changes.only("b")
    assert [each.name for each in only.images] == ["b"]
    assert [each.name for each in only.packages] == ["pandas"]
    assert only.layers == changes.images[1].layers


def test_markdown_has_a_table_of_each_kind_that_changed(two: tuple[Record, Record]) -> None:
    text = diff_report.markdown(diff.changes(*two))
    assert text.startswith("## Changes since 1.0.0\n")
    for line in (
        "### stack spark-3.5",
        "#### Python packages",
        "1 down, 1 up, 1 added.",
        "| pandas | 2.3.3 | 2.10.0 | up | a, b |",
        "| old | 1 |  | removed | a |",
        "| Python | a: agrees | b / a: differs |",
        "| a | changed | 340 B (+10 B) | 1 kB (+30 B) | 1 (30 B) | 1 (310 B) |",
    ):
        assert line in text.splitlines()


def test_markdown_is_not_broken_by_what_a_package_calls_itself() -> None:
    packages = changed(python={"a|b<script>": "1_0*"})
    after = release("1.1.0", image("a", "2", packages=packages))
    text = diff_report.markdown(diff.changes(release("1.0.0", image("a")), after))
    assert "| a\\|b\\<script\\> |  | 1\\_0\\* | added | a |" in text


def test_the_document_is_json_and_whole(two: tuple[Record, Record]) -> None:
    between = diff.changes(*two)
    document = json.loads(json.dumps(between.as_document()))
    assert document["before"] == "1.0.0"
    assert len(document["stacks"][0]["packages"]) == len(between.stacks[0].packages)


def test_a_stack_that_was_added_or_removed_is_told_and_others_are_compared() -> None:
    one = of_stacks("1.0.0", stack(image("a")))
    both = of_stacks("1.1.0", stack(image("a", "2")), stack(image("a"), name="x-1", default=False))
    added, removed = diff.changes(one, both), diff.changes(both, one)
    assert [(each.name, each.what) for each in added.stacks] == [
        ("spark-3.5", CHANGED), ("x-1", ADDED),
    ]  # fmt: skip
    assert [(each.name, each.what) for each in removed.stacks] == [
        ("spark-3.5", CHANGED), ("x-1", REMOVED),
    ]  # fmt: skip
    assert added.stacks[1].sizes == diff.Sizes(0, 330, 0, 990)
    assert "### stack x-1, added" in diff_report.markdown(added).splitlines()
    assert "### stack x-1, removed" in diff_report.markdown(removed).splitlines()


def test_one_default_stack_is_compared_with_another_in_its_place() -> None:
    before = of_stacks("1.0.0", stack(image("a")))
    after = of_stacks("2.0.0", stack(image("a", "2"), name="x-1"))
    (changes,) = diff.changes(before, after).stacks
    assert (changes.before, changes.after, changes.what) == ("spark-3.5", "x-1", CHANGED)
    assert "### stack spark-3.5 -\\> x-1" in diff_report.markdown(diff.changes(before, after))
    # Where the former default one is still there, each is compared with itself.
    beside = stack(image("a"), default=False)
    both = of_stacks("2.0.0", stack(image("a"), name="x-1"), beside)
    whats = [(each.name, each.what) for each in diff.changes(before, both).stacks]
    assert whats == [("x-1", ADDED), ("spark-3.5", SAME)]


def test_an_image_is_compared_on_each_stack_and_one_stack_alone_can_be_asked_for() -> None:
    other = stack(image("a"), image("b"), name="x-1", default=False)
    before = of_stacks("1.0.0", stack(image("a"), image("c")), other)
    between = diff.changes(before, replace(before, version="1.1.0"))
    assert [each.name for each in between.only(image="a").stacks] == ["spark-3.5", "x-1"]
    assert [each.name for each in between.only(image="b").stacks] == ["x-1"]
    assert [each.name for each in between.only(stack="x-1").stacks] == ["x-1"]


def test_a_record_of_one_stack_is_compared_with_one_of_two() -> None:
    before, after = two_stacks()
    same, added = diff.changes(before, after).stacks
    assert (same.name, same.what, added.name, added.what) == (
        "spark-3.5", CHANGED, "spark-4", ADDED,
    )  # fmt: skip
    assert same.of_kind("python")


def write(record: Record, file: Path) -> str:
    file.write_text(json.dumps(record.as_document()))
    return str(file)


@pytest.fixture
def files(two: tuple[Record, Record], tmp_path: Path) -> list[str]:
    return [write(each, tmp_path / f"{each.version}.json") for each in two]


def test_files_are_compared_without_a_registry(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(files) == 0
    printed = capsys.readouterr().out
    assert "1.0.0 -> 1.1.0" in printed
    assert "Debian packages: 1 up, 1 removed" in printed
    assert command.main([*files, "--json", "--image", "b"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [image["name"] for image in document["stacks"][0]["images"]] == ["b"]
    assert command.main([*files, "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("## Changes since 1.0.0")


def test_an_image_that_neither_has(files: list[str]) -> None:
    with pytest.raises(UnknownNameError, match="neww") as refusal:
        command.main([*files, "--image", "neww"])
    assert refusal.value.remedy == "Did you mean new?"
    with pytest.raises(UnknownNameError, match=r"the stack \"spark-3.6\"") as refusal:
        command.main([*files, "--stack", "spark-3.6"])
    assert refusal.value.remedy == "Did you mean spark-3.5?"


def test_what_is_neither_version_nor_file(files: list[str]) -> None:
    with pytest.raises(VersionError, match=r"no file of that name") as refusal:
        command.main([files[0], "v1.4.0"])
    assert "release.json" in refusal.value.remedy


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Expecting value"),
        ("[]", "schema 'list'"),
        ("{}", "schema None"),
        ('{"schema": 3}', "schema 3 where 1 and 2 are known"),
        ('{"schema": 1}', "record has no version"),
        ('{"schema": 2}', "record has no version"),
    ],
)
def test_a_file_that_is_no_record(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "release.json"
    file.write_text(text)
    with pytest.raises(MalformedFileError, match=told):
        command.main([str(file), str(file)])


def first(document: Any) -> Any:
    """Return the first image of a record's document."""
    return document["stacks"][0]["images"][0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda release: first(release).pop("digest"), r"images\[\] has no digest"),
        (lambda release: first(release).update(compressed="1"), "compressed is str"),
        (lambda release: first(release).update(compressed=True), "compressed is bool"),
        (lambda release: release["stacks"][0].update(pairs={}), r"stacks\[\].pairs is dict"),
        (lambda release: release.update(version=None), "record.version is NoneType"),
        (lambda release: first(release)["packages"]["r"].update(x=1), r"r\.x is int"),
    ],
)
def test_a_record_is_read_strictly(two: tuple[Record, Record], change: Any, told: str) -> None:
    document = json.loads(json.dumps(two[0].as_document()))
    assert record_io.record_from(document) == two[0]
    change(document)
    with pytest.raises(ValueError, match=told):
        record_io.record_from(document)


def test_a_record_of_schema_1_is_read_whole(tmp_path: Path) -> None:
    old = json.loads(FILE.read_text())
    assert old["schema"] == 1
    record = record_io.read(FILE)
    (only,) = record.stacks
    assert (record.schema, only.name, only.default) == (SCHEMA, old["stack"], True)
    assert [image.digest for image in record.images] == [each["digest"] for each in old["images"]]
    (pair,) = only.pairs
    assert (pair.driver, pair.executors) == ("datascience-notebook", "spark-executors")
    assert len(pair.rows) == len(old["parity"])
    assert only.build
    assert len(only.build.steps) == len(old["build"]["steps"])
    assert record_io.read(Path(write(record, tmp_path / "as-now.json"))) == record
