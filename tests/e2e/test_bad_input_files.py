"""Is a mistake in a file, a name or a setting named before anything is built?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.bad_input import (
    STACK,
    Yard,
    assert_clear,
    make_deb,
    make_jar,
    make_wheel,
    make_yard,
)

pytestmark = pytest.mark.engine

IMAGES = "images/images.toml"
STACK_FILE = f"conf/stacks/{STACK}.toml"
DEPENDENCIES = f"package-dependencies/{STACK}"
BUILD = ("build", "executors")


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = make_yard(tmp_path / "yard")
    made.family("python-tiny", "jars-tiny", "apt-tiny")
    made.lock(make_wheel().requirement, jar=make_jar(), deb=make_deb(tmp_path)[0])
    yield made
    # Nothing was built, and the engine was not even asked to.
    assert not (made.root / "build").exists()
    assert made.tags() == set()


def append(yard: Yard, file: str, text: str) -> None:
    with (yard.root / file).open("a") as opened:
        opened.write(text)


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        (IMAGES, "[images.x\n", "column 10"),
        (STACK_FILE, 'debian = "trixie\n', "column 17"),
        ("sparkyard.toml", "apt_mirror = http://x\n", "line 1, column 14"),
        (f"{DEPENDENCIES}/pyproject.toml", "a = = 1\n", "column 5"),
        (f"{DEPENDENCIES}/jars.toml", "b = {\n", "column"),
        (f"{DEPENDENCIES}/requirements/exported.toml", "[sha256]\n", "line"),
    ],
)
def test_a_file_that_is_not_toml(yard: Yard, file: str, text: str, place: str) -> None:
    path = yard.root / file
    line = len(path.read_text().splitlines()) + 1 if path.exists() else 1
    append(yard, file, text)
    assert_clear(yard.run(*BUILD), 10, str(path), f"line {line}", place)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (IMAGES, "namespace"),
        (STACK_FILE, "summary"),
        ("package-dependencies/os/project.toml", "debian"),
        (f"{DEPENDENCIES}/pyproject.toml", "[tool"),
    ],
)
def test_a_file_that_lacks_what_it_must_have(yard: Yard, file: str, text: str) -> None:
    path = yard.root / file
    kept = [line for line in path.read_text().splitlines() if not line.startswith(text)]
    path.write_text("\n".join(kept))
    assert_clear(yard.run(*BUILD), 10, str(path))


def test_a_file_that_is_gone(yard: Yard) -> None:
    (yard.root / IMAGES).unlink()
    assert_clear(yard.run(*BUILD), 10, str(yard.root / IMAGES), "git status")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("build", "executers"), "executors"),
        (("build", "tiny-executor"), "tiny-executors"),
        (("plan", "executers"), "executors"),
        (("plan", "--stack", "spark-3.4"), "spark-3.5"),
        (("build", "executors", "--stack", "spark-35"), "spark-3.5"),
        (("dependencies", "--check", "--stack", "spark3.5"), "spark-3.5"),
        (("biuld",), "build"),
        (("paritty",), "parity"),
    ],
)
def test_an_unknown_name_gets_the_near_one(yard: Yard, words: tuple[str, ...], meant: str) -> None:
    assert_clear(yard.run(*words), 11, f"Did you mean {meant}?")


def test_an_unknown_setting_gets_the_near_one(yard: Yard) -> None:
    append(yard, "sparkyard.toml", 'pypi_indx = "https://pypi.example.com/simple"\n')
    assert_clear(yard.run(*BUILD), 11, "sparkyard.toml", "pypi_indx", "Did you mean pypi_index?")


def test_an_unknown_layer_gets_the_near_one(yard: Yard) -> None:
    yard.family("python-tinny")
    assert_clear(yard.run(*BUILD), 11, "python-tinny", "Did you mean python-tiny?")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SPARKYARD_PYPI_INDEX": "pypi.example.com"}, "SPARKYARD_PYPI_INDEX"),
        ({"SPARKYARD_APT_MIRROR": "http://x/'; rm -rf /'"}, "SPARKYARD_APT_MIRROR"),
        ({"SPARKYARD_CA_BUNDLE": "/nowhere/ca.pem"}, "/nowhere/ca.pem"),
        ({"SPARKYARD_CA_BUNDLE": "/etc/passwd"}, "/etc/passwd"),
    ],
)
def test_a_setting_that_cannot_be_used(yard: Yard, settings: dict[str, str], said: str) -> None:
    assert_clear(yard.run(*BUILD, **settings), 16, said)


def test_images_in_a_circle(yard: Yard) -> None:
    path = yard.root / "images/environment/Dockerfile"
    path.write_text(path.read_text().replace("FROM os", "FROM tiny-executors"))
    said = "environment -> tiny-executors -> environment"
    assert_clear(yard.run(*BUILD), 12, str(yard.root / IMAGES), said, "the root is debian")


def test_a_parent_that_does_not_exist(yard: Yard) -> None:
    path = yard.root / "images/tiny-executors/Dockerfile"
    path.write_text(path.read_text().replace("FROM environment", "FROM environments"))
    assert_clear(yard.run(*BUILD), 12, str(path), '"environments"', "Did you mean environment?")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("pyproject.toml", "was changed after it was last locked"),
        ("poetry.lock", "it was edited"),
        ("requirements/tiny.txt", "it was edited"),
        ("jars.toml", "older than group tiny"),
        ("jars/tiny.lock", "was edited"),
    ],
)
@pytest.mark.parametrize("command", [BUILD, ("plan",), ("dependencies", "--check")], ids=" ".join)
def test_a_declaration_or_lock_that_was_changed(
    yard: Yard, file: str, said: str, command: tuple[str, ...]
) -> None:
    path = yard.stack / file
    if file == "jars.toml":
        path.write_text(path.read_text().replace("tiny:1.0", "tiny:1.1"))
    else:
        change = 'tiny2 = "*"\n' if path.suffix == ".toml" else "0" * 64 + " 1 a.jar\n"
        append(yard, f"{DEPENDENCIES}/{file}", change)
    assert_clear(yard.run(*command), 13, str(path.with_suffix("")), said, "nox -s dependencies")


@pytest.mark.parametrize(
    "file", ["poetry.lock", "requirements/tiny.txt", "requirements/exported.toml", "jars/tiny.lock"]
)
def test_a_lock_that_is_gone(yard: Yard, file: str) -> None:
    (yard.stack / file).unlink()
    assert_clear(yard.run(*BUILD), 13, STACK, "nox -s dependencies")


def test_a_comment_makes_nothing_stale(yard: Yard) -> None:
    append(yard, f"{DEPENDENCIES}/pyproject.toml", "# a note\n")
    append(yard, f"{DEPENDENCIES}/jars.toml", "# a note\n")
    ended = yard.run("dependencies", "--check")
    assert ended.exit_code == 0, ended.stderr


@pytest.mark.parametrize(
    ("argv", "exit_code"),
    [
        ([".venv/bin/nox", "--non-interactive", "-s", "executors"], 13),
        (["make", "executors"], 2),
        (["make", "plan", "--", "--json"], 2),
    ],
    ids=["nox", "make", "make with options"],
)
def test_nox_passes_the_exit_code_on_and_make_gives_2(
    yard: Yard, argv: list[str], exit_code: int
) -> None:
    append(yard, f"{DEPENDENCIES}/poetry.lock", "# edited\n")
    ended = yard.call(argv)
    assert ended.exit_code == exit_code
    assert "Traceback" not in ended.stderr + ended.stdout
    assert "poetry.lock is not as `nox -s dependencies` wrote it" in ended.stderr
    assert "  fix: Run `nox -s dependencies`" in ended.stderr


def test_a_cache_that_cannot_be_written(yard: Yard) -> None:
    (yard.root / "blocked").write_text("a file, and no directory")
    ended = yard.run(*BUILD, SPARKYARD_CACHE=str(yard.root / "blocked/cache"))
    assert_clear(ended, 17, str(yard.root / "blocked"), "SPARKYARD_CACHE")


def test_verbose_shows_where_an_error_was_raised(yard: Yard) -> None:
    ended = yard.run("build", "executers", "--verbose")
    assert ended.exit_code != 0
    assert "Traceback" in ended.stderr
    assert "UnknownNameError" in ended.stderr
