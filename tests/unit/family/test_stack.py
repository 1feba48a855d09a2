"""Is a stack's file read, and each mistake in it named?"""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkyard.errors import MalformedFileError, UnknownNameError
from sparkyard.family import projects
from sparkyard.locks import apt_lock, dependencies, jars

TEXT = """
summary = "x"
[python]
minor = "3.11"
package = "python3.11"
suite = "bookworm"
[java]
major = 8
package = "openjdk-8-jre-headless"
suite = "sid"
home = "/usr/lib/jvm/java"
"""


def load(tmp_path: Path, text: str) -> projects.Project:
    (tmp_path / "spark-9.toml").write_text(text)
    return projects.load("spark-9", tmp_path)


def test_reads_a_stack(tmp_path: Path) -> None:
    made = load(tmp_path, TEXT)
    assert (made.name, made.debian, made.python, made.java_major) == (
        "spark-9", "trixie", "3.11", 8,
    )  # fmt: skip
    assert made.dependencies.name == "spark-9"
    assert made.arguments == {
        "SUITES": "trixie,bookworm,sid",
        "PYTHON": "3.11",
        "PREFIX": "/opt/venv",
        "JAVA_HOME": "/usr/lib/jvm/java",
        "JARS_DIRECTORY": "/opt/venv/lib/python3.11/site-packages/pyspark/jars",
    }


def test_a_suite_stands_once_and_the_images_own_first(tmp_path: Path) -> None:
    text = TEXT.replace("bookworm", "trixie").replace("sid", "trixie")
    assert load(tmp_path, text).arguments["SUITES"] == "trixie"


@pytest.mark.parametrize(
    "line",
    [line for line in TEXT.splitlines() if line],
)
def test_names_what_is_missing(tmp_path: Path, line: str) -> None:
    with pytest.raises(MalformedFileError) as refusal:
        load(tmp_path, TEXT.replace(f"{line}\n", "", 1))
    assert "spark-9.toml" in refusal.value.what


def test_debians_suite_is_no_stacks(tmp_path: Path) -> None:
    with pytest.raises(MalformedFileError, match="names a suite of Debian"):
        load(tmp_path, f'debian = "trixie"\n{TEXT}')


def test_a_number_that_is_a_text(tmp_path: Path) -> None:
    with pytest.raises(MalformedFileError, match="major"):
        load(tmp_path, TEXT.replace("= 8", '= "8"'))


@pytest.mark.parametrize(("name", "said"), [("spark-8", "spark-9"), ("zzz", "Known are: spark-9.")])
def test_an_unknown_stack(tmp_path: Path, name: str, said: str) -> None:
    load(tmp_path, TEXT)
    with pytest.raises(UnknownNameError) as refusal:
        projects.load(name, tmp_path)
    assert name in refusal.value.what
    assert said in refusal.value.remedy


def test_all_stacks_of_the_checkout_can_be_read() -> None:
    assert projects.stacks()
    for name in projects.stacks():
        assert projects.load(name).dependencies.is_dir()


@pytest.mark.parametrize("names", [("4", "spark-4"), ("spark-4", "spark-4-test"), ("all",)])
def test_names_whose_tags_could_be_mistaken_are_refused(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        (tmp_path / f"{name}.toml").write_text(TEXT)
    with pytest.raises(MalformedFileError, match="a stack or project cannot be called"):
        projects.stacks(tmp_path)


def test_all_stacks_of_the_checkout_declare_what_the_dockerfiles_take() -> None:
    declared = {
        name: (dependencies.groups(where), jars.groups(where), apt_lock.lists(projects.load(name)))
        for name in projects.stacks()
        for where in [projects.load(name).dependencies]
    }
    assert {"spark-3.5", "spark-4"} <= declared.keys()
    assert declared["spark-3.5"] == declared["spark-4"]


def test_spark_4_takes_all_of_debian_from_one_suite() -> None:
    assert projects.load("spark-4").arguments["SUITES"] == "trixie"
