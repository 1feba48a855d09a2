"""Class paths in jars.toml: what may be declared, and what each one's jars are checked against."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sparkyard.errors import (
    JarConflictError,
    MalformedFileError,
    SparkyardError,
    StaleLockError,
    UnknownNameError,
)
from sparkyard.locks.class_paths import OF_SPARK, ClassPath
from sparkyard.locks.jars import Group, check_current, declared, directory_of, lock

SPARK = ("hadoop-client-api-3.3.4.jar", "guava-14.0.1.jar", "scala-library-2.12.18.jar")


def declaration(runs_with: str = "[]", jar: str = "org.example:own:1.0") -> str:
    """Return a jars.toml of a group that Spark runs and a group with a class path of its own."""
    return f"""
[classpaths.livy]
directory = "/opt/livy/jars"
runs_with = {runs_with}
[groups.extra]
dependencies = [{{ artifact = "org.example:first:1.0" }}]
[groups.server]
classpath = "livy"
dependencies = [{{ artifact = "{jar}" }}]
"""


def resolve(group: Group, repository: Path) -> None:
    """Make a small jar of Java 8 in the place of each one that a group asks for."""
    for dependency in group.dependencies:
        maven_group, artifact, version = dependency.artifact.split(":")
        place = repository.joinpath(*maven_group.split("."), artifact, version)
        place.mkdir(parents=True)
        with zipfile.ZipFile(place / f"{artifact}-{version}.jar", "w") as archive:
            archive.writestr("a/B.class", b"\xca\xfe\xba\xbe\x00\x00" + (52).to_bytes(2, "big"))


def locked(directory: Path, text: str, *, class_level: int = 52) -> str:
    """Lock what a jars.toml declares, and return the lock of the group server."""
    (directory / "jars.toml").write_text(text)
    (directory / "poetry.lock").write_text('files = [{file = "pyspark-3.5.9.tar.gz"}]\n')
    lock(directory, resolve=resolve, spark_jars=lambda: SPARK, class_level=class_level)
    check_current(directory)
    return (directory / "jars/server.lock").read_text()


def test_a_group_goes_to_the_class_path_that_it_names(tmp_path: Path) -> None:
    locked(tmp_path, declaration('["spark"]'))
    assert [group.class_path for group in declared(tmp_path)] == [
        OF_SPARK,
        ClassPath("livy", "/opt/livy/jars", ("spark",)),
    ]
    assert directory_of(tmp_path, "server") == "/opt/livy/jars"
    assert directory_of(tmp_path, "extra") == ""


@pytest.mark.parametrize(
    "jar",
    ["com.google.guava:guava:32.0", "org.apache.hadoop:hadoop-common:3.4.1", "a.b:own_2.13:1.0",
     "org.scala-lang:scala-library:2.13.15"],
)  # fmt: skip
def test_another_version_than_spark_s_goes_where_spark_is_not(tmp_path: Path, jar: str) -> None:
    assert jar.rpartition(":")[2] in locked(tmp_path, declaration(jar=jar))


@pytest.mark.parametrize(
    ("jar", "said"),
    [
        ("com.google.guava:guava:32.0", r"guava-32\.0\.jar \(group server\)"),
        ("org.apache.hadoop:hadoop-aws:3.4.1", "not of the bundled Hadoop"),
        ("a.b:own_2.13:1.0", r"own_2\.13:1\.0 \(declared in group server\)"),
        ("org.example:first:1.1", r"first-1\.0\.jar \(group extra\)"),
    ],
)
def test_what_runs_with_spark_must_fit_spark_and_its_groups(
    tmp_path: Path, jar: str, said: str
) -> None:
    before = locked(tmp_path, declaration('["spark"]'))
    with pytest.raises(JarConflictError, match=said):
        locked(tmp_path, declaration('["spark"]', jar))
    assert (tmp_path / "jars/server.lock").read_text() == before


def test_a_too_new_class_is_refused_on_every_class_path(tmp_path: Path) -> None:
    with pytest.raises(JarConflictError, match=r"own-1\.0\.jar \(group server\) needs Java 8"):
        locked(tmp_path, declaration(), class_level=51)


def test_only_what_runs_with_spark_leaves_out_what_spark_carries(tmp_path: Path) -> None:
    jar = "com.google.guava:guava:14.0.1"
    assert "guava-14.0.1.jar" in locked(tmp_path, declaration(jar=jar))
    assert "guava-14.0.1.jar" not in locked(tmp_path, declaration('["spark"]', jar))


def test_two_class_paths_that_run_together_must_fit(tmp_path: Path) -> None:
    text = declaration(jar="org.example:second:1.0") + (
        '[classpaths.plugins]\ndirectory = "/opt/plugins"\n'
        '[groups.plugin]\nclasspath = "plugins"\n'
        'dependencies = [{ artifact = "org.example:second:2.0" }]\n'
    )
    locked(tmp_path, text)
    together = text.replace('"/opt/plugins"', '"/opt/plugins"\nruns_with = ["livy"]')
    with pytest.raises(JarConflictError, match="second is there in 2 versions"):
        locked(tmp_path, together)


def test_spark_is_asked_for_only_where_something_runs_with_it(tmp_path: Path) -> None:
    def never() -> tuple[str, ...]:
        raise AssertionError("Spark's jars were asked for")

    text = declaration()
    (tmp_path / "jars.toml").write_text(
        text.replace("[groups.extra]", '[groups.extra]\nclasspath = "livy"')
    )
    lock(tmp_path, resolve=resolve, spark_jars=never, class_level=52)
    check_current(tmp_path)


def test_a_new_spark_makes_only_the_locks_stale_that_were_checked_against_it(
    tmp_path: Path,
) -> None:
    assert "checked against: \n" in locked(tmp_path, declaration())
    assert "checked against: pyspark-3.5.9.tar.gz" in locked(tmp_path, declaration('["spark"]'))
    (tmp_path / "poetry.lock").write_text('files = [{file = "pyspark-3.5.10.tar.gz"}]\n')
    with pytest.raises(StaleLockError, match=r"extra\.lock was checked against pyspark-3\.5\.9"):
        check_current(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [('classpath = "livy"\n', ""), ("[]", '["spark"]'), ("livy", "other")],
)
def test_another_class_path_makes_a_lock_stale(tmp_path: Path, old: str, new: str) -> None:
    locked(tmp_path, declaration())
    keep = '[groups.keep]\nclasspath = "livy"\ndependencies = []\n'
    text = declaration() + (keep if not new else "")
    (tmp_path / "jars.toml").write_text(text.replace(old, new, 1 if not new else -1))
    with pytest.raises(StaleLockError, match="server"):
        check_current(tmp_path)


def test_neither_another_directory_nor_the_default_by_name_makes_a_lock_stale(
    tmp_path: Path,
) -> None:
    text = declaration()
    locked(tmp_path, text)
    moved = text.replace("/opt/livy/jars", "/opt/elsewhere")
    (tmp_path / "jars.toml").write_text(
        moved.replace("[groups.extra]", '[groups.extra]\nclasspath = "spark"')
    )
    check_current(tmp_path)


def test_the_digest_of_a_group_among_spark_s_jars_is_what_it_was() -> None:
    """The locks of a checkout that declares no class path are not made anew."""
    assert Group("s3a", ()).digest == (
        "fbb79335caedbdd4f642fecd9e18ede6893005ca14aef4d6806cfd9e52a44fce"
    )


SECOND = '[classpaths.two]\ndirectory = "{}"\n[groups.two]\nclasspath = "two"\ndependencies = []\n'


@pytest.mark.parametrize(
    ("text", "kind", "said", "fix"),
    [
        (
            declaration().replace('classpath = "livy"', 'classpath = "livvy"'),
            UnknownNameError,
            '[groups.server] goes to the class path "livvy", which is not declared',
            "Did you mean livy? A new one is declared as [classpaths.livvy].",
        ),
        (
            declaration('["sprak"]'),
            UnknownNameError,
            '[classpaths.livy] runs with "sprak", which is not another class path',
            "Did you mean spark?",
        ),
        (
            declaration('["livy"]'),
            UnknownNameError,
            '[classpaths.livy] runs with "livy", which is not another class path',
            "Known are: spark.",
        ),
        (
            declaration() + SECOND.format("/opt/livy/jars"),
            MalformedFileError,
            "livy and two have the same directory, or one inside another: /opt/livy/jars, /opt/l",
            "a directory of its own",
        ),
        (
            declaration() + SECOND.format("/opt/livy"),
            MalformedFileError,
            "livy and two have the same directory, or one inside another: /opt/livy/jars, /opt/l",
            "a directory of its own",
        ),
        (
            declaration().replace('classpath = "livy"', ""),
            MalformedFileError,
            "no group goes to [classpaths.livy]",
            'classpath = "livy"',
        ),
        *(
            (
                declaration().replace("/opt/livy/jars", wrong),
                MalformedFileError,
                f'[classpaths.livy]: the directory "{wrong}" is not an absolute path below /opt',
                'directory = "/opt/livy/jars"',
            )
            for wrong in ("livy/jars", "/srv/livy", "/opt", "/opt/livy/", "/opt/../etc", "/opt/a b")
        ),
        *(
            (
                declaration().replace("/opt/livy/jars", wrong),
                MalformedFileError,
                f"[classpaths.livy]: {wrong} is in",
                'directory = "/opt/livy/jars"',
            )
            for wrong in ("/opt/spark/jars", "/opt/venv", "/opt/venv/lib/jars")
        ),
        (
            declaration().replace('directory = "/opt/livy/jars"', ""),
            MalformedFileError,
            '[classpaths.livy] has no text "directory"',
            "directory =",
        ),
        (
            declaration().replace("runs_with", "run_with"),
            MalformedFileError,
            "[classpaths.livy]: unknown key 'run_with'",
            "Did you mean runs_with?",
        ),
        (declaration('"spark"'), MalformedFileError, "not a list of texts", 'runs_with = ["..."]'),
        (
            declaration().replace("livy", "spark"),
            MalformedFileError,
            "[classpaths.spark]: the class path of Spark's own jars is always there",
            "Remove the table.",
        ),
        ("classpaths = 3\n[groups]\n", MalformedFileError, "classpaths is not a table", "[classp"),
        ("[classpaths]\na = 3\n[groups]\n", MalformedFileError, "[classpaths.a] is not a", "[cl"),
        (
            '[classpaths."a/b"]\n[groups]\n',
            MalformedFileError,
            "[classpaths.a/b]: not a class path's name",
            "hyphens",
        ),
    ],
)
def test_bad_input_is_named(
    tmp_path: Path, text: str, kind: type[SparkyardError], said: str, fix: str
) -> None:
    (tmp_path / "jars.toml").write_text(text)
    with pytest.raises(kind) as raised:
        declared(tmp_path)
    assert type(raised.value) is kind
    assert str(tmp_path / "jars.toml") in raised.value.what
    assert said in raised.value.what
    assert fix in raised.value.remedy
