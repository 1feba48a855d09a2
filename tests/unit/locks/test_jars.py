"""jars.toml and its locks: what is read, what is refused, what a failed run leaves alone."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sparkyard.errors import JarConflictError, MalformedFileError, StaleLockError
from sparkyard.locks.jar_resolver import pom
from sparkyard.locks.jars import Dependency, Exclusion, Group, check_current, declared, groups, lock

DECLARATION = """
[groups.s3a]
dependencies = [{ artifact = "org.example:first:1.0" }]

[groups.gcs]
dependencies = [
    { artifact = "org.example:second:2.0", classifier = "shaded", exclusions = [
        { artifact = "*", reason = "it holds them" },
    ] },
]
"""
SPARK = ("hadoop-client-api-3.3.4.jar", "guava-14.0.1.jar")


def write_jar(path: Path, level: int = 52) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        # Dated, so that a jar made again is the same.
        entry = zipfile.ZipInfo("a/B.class", (2026, 1, 1, 0, 0, 0))
        archive.writestr(entry, b"\xca\xfe\xba\xbe\x00\x00" + level.to_bytes(2, "big"))


def resolve(group: Group, destination: Path) -> None:
    for dependency in group.dependencies:
        maven_group, artifact, version = dependency.artifact.split(":")
        tail = f"-{dependency.classifier}" if dependency.classifier else ""
        write_jar(
            destination.joinpath(*maven_group.split("."), artifact, version)
            / f"{artifact}-{version}{tail}.jar"
        )


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    (tmp_path / "jars.toml").write_text(DECLARATION)
    lock(tmp_path, resolve=resolve, spark_jars=lambda: SPARK, class_level=52)
    return tmp_path


def test_reads_groups_in_order(stack: Path) -> None:
    assert groups(stack) == ("s3a", "gcs")
    assert declared(stack)[1].dependencies == (
        Dependency("org.example:second:2.0", "shaded", (Exclusion("*", "it holds them"),)),
    )


def test_a_fresh_lock_is_current_and_says_who_wrote_it(stack: Path) -> None:
    check_current(stack)
    lines = (stack / "jars" / "gcs.lock").read_text().splitlines()
    assert "nox -s dependencies" in lines[0]
    assert lines[-1].endswith(" org/example/second/2.0/second-2.0-shaded.jar")


def test_locking_twice_gives_the_same_bytes(stack: Path) -> None:
    first = (stack / "jars" / "s3a.lock").read_bytes()
    lock(stack, resolve=resolve, spark_jars=lambda: SPARK, class_level=52)
    assert (stack / "jars" / "s3a.lock").read_bytes() == first


def test_a_comment_does_not_make_a_lock_stale(stack: Path) -> None:
    (stack / "jars.toml").write_text("# why\n" + DECLARATION)
    check_current(stack)


@pytest.mark.parametrize(
    ("old", "new"),
    [(":1.0", ":1.1"), ('"shaded"', '"other"'), ("[groups.gcs]", "[groups.gs]")],
)
def test_a_changed_declaration_makes_the_lock_stale(stack: Path, old: str, new: str) -> None:
    (stack / "jars.toml").write_text(DECLARATION.replace(old, new))
    with pytest.raises(StaleLockError) as raised:
        check_current(stack)
    assert "nox -s dependencies" in raised.value.remedy


def test_a_declared_jar_for_another_scala_is_refused_before_it_is_resolved(stack: Path) -> None:
    def never(group: Group, destination: Path) -> None:
        raise AssertionError(f"{group.name} was resolved into {destination}")

    wrong = DECLARATION.replace("org.example:first:1.0", "io.delta:delta-spark_2.13:3.3.0")
    (stack / "jars.toml").write_text(wrong)
    spark = (*SPARK, "scala-library-2.12.18.jar")
    with pytest.raises(JarConflictError) as raised:
        lock(stack, resolve=never, spark_jars=lambda: spark, class_level=52)
    assert "io.delta:delta-spark_2.13:3.3.0 (declared in group s3a)" in raised.value.what
    assert "Ask for io.delta:delta-spark_2.12," in raised.value.what
    assert "jars.toml" in raised.value.remedy


def test_a_left_over_lock_is_stale_and_locking_removes_it(stack: Path) -> None:
    (stack / "jars.toml").write_text(DECLARATION.split("[groups.gcs]", maxsplit=1)[0])
    with pytest.raises(StaleLockError, match="gcs"):
        check_current(stack)
    lock(stack, resolve=resolve, spark_jars=lambda: SPARK, class_level=52)
    assert [path.name for path in (stack / "jars").iterdir()] == ["s3a.lock"]


@pytest.mark.parametrize("edit", ["hash", "line", "header"])
def test_an_edited_lock_is_refused(stack: Path, edit: str) -> None:
    path = stack / "jars" / "s3a.lock"
    text = path.read_text()
    path.write_text(
        {
            "hash": text.replace(text.splitlines()[-1][:4], "0000"),
            "line": text + "0" * 64 + " 1 org/example/x/1/x-1.jar\n",
            "header": "".join(text.splitlines(keepends=True)[2:3]),
        }[edit]
    )
    with pytest.raises(StaleLockError, match="was edited") as raised:
        check_current(stack)
    assert "nox -s dependencies" in raised.value.remedy


def test_a_missing_lock_is_named(stack: Path) -> None:
    (stack / "jars" / "gcs.lock").unlink()
    with pytest.raises(StaleLockError, match=r"gcs\.lock"):
        check_current(stack)


def test_a_jar_that_spark_has_in_that_version_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "jars.toml").write_text(DECLARATION)
    lock(tmp_path, resolve=resolve, spark_jars=lambda: (*SPARK, "first-1.0.jar"), class_level=52)
    assert "first" not in (tmp_path / "jars" / "s3a.lock").read_text()


def test_a_conflict_leaves_the_locks_as_they_were(stack: Path) -> None:
    before = {path: path.read_bytes() for path in (stack / "jars").iterdir()}
    (stack / "jars.toml").write_text(DECLARATION.replace(":1.0", ":1.1"))
    with pytest.raises(JarConflictError, match=r"first-1\.0\.jar"):
        lock(stack, resolve=resolve, spark_jars=lambda: (*SPARK, "first-1.0.jar"), class_level=50)
    assert {path: path.read_bytes() for path in (stack / "jars").iterdir()} == before


def test_a_failing_resolver_leaves_the_locks_as_they_were(stack: Path) -> None:
    before = {path: path.read_bytes() for path in (stack / "jars").iterdir()}

    def fails_late(group: Group, destination: Path) -> None:
        if group.name == "gcs":
            raise KeyboardInterrupt
        resolve(group, destination)

    with pytest.raises(KeyboardInterrupt):
        lock(stack, resolve=fails_late, spark_jars=lambda: SPARK, class_level=52)
    assert {path: path.read_bytes() for path in (stack / "jars").iterdir()} == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[groups.a]\ndependencies = [\n", r"line \d+, column \d+|end of document"),
        ("[groups.a]\nx = = 1\n", r"line 2, column 5"),
        ("groups = 3\n", "table"),
        ("[groups.a]\n", "list"),
        ("[groups.a]\ndependencies = []\nversions = 1\n", "unknown key 'versions'"),
        ('[groups."../a"]\ndependencies = []\n', "not a group name"),
        ('[groups.a]\ndependencies = [{ artifact = "just-a-name" }]\n', "just-a-name"),
        (
            '[groups.a]\ndependencies = [{artifact = "a:b:1", exclusions = [{artifact = "*"}]}]',
            "'reason' is missing",
        ),
    ],
)
def test_a_malformed_declaration_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "jars.toml").write_text(text)
    with pytest.raises(MalformedFileError, match=said):
        groups(tmp_path)


def test_a_missing_declaration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedFileError, match=r"jars\.toml is missing"):
        groups(tmp_path)


def test_the_pom_asks_for_what_is_declared(stack: Path) -> None:
    text = pom(declared(stack)[1])
    assert "<artifactId>second</artifactId><version>2.0</version>" in text
    assert "<classifier>shaded</classifier>" in text
    assert "<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>" in text
