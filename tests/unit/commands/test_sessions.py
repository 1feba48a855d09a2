"""Do nox, make and `python -m sparkyard` know the same sessions, and does make run them?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sparkyard import bootstrap, commands, paths

BARE = f"PYTHON={sys.executable} -S"
"""Python as a fresh machine has it: without a third-party package."""


def call(*argv: str, cwd: Path = paths.ROOT) -> subprocess.CompletedProcess[str]:
    # Tests may run below a make whose variables this one must not take over.
    clean = {
        name: value
        for name, value in os.environ.items()
        if "MAKE" not in name and name not in ("MFLAGS", "ARGS")
    }
    return subprocess.run(argv, cwd=cwd, env=clean, capture_output=True, text=True, check=False)


def nox(*words: str, cwd: Path = paths.ROOT) -> subprocess.CompletedProcess[str]:
    return call(sys.executable, "-m", "nox", "--non-interactive", *words, cwd=cwd)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in which nothing was made yet: there is no .venv."""
    files = ("Makefile", "noxfile.py", "tools.lock")
    for name in (*files, "sparkyard", "images", "package-dependencies"):
        copy = shutil.copytree if (paths.ROOT / name).is_dir() else shutil.copy
        copy(paths.ROOT / name, tmp_path / name)
    return tmp_path


def test_all_three_list_the_same_sessions_with_the_same_help(clone: Path) -> None:
    listed = nox("-l", cwd=clone)
    by_nox = re.findall(r"^[*-] (\w+) -> (.+)$", listed.stdout, re.MULTILINE)
    assert by_nox == [(each.name, each.help) for each in commands.sessions()]
    for argv in (("make", BARE), ("make", "help", BARE), (sys.executable, "-m", "sparkyard")):
        shown = call(*argv, cwd=clone)
        assert shown.returncode == 0, shown.stderr
        assert re.findall(r"^  (\w+) +(.+)$", shown.stdout, re.MULTILINE) == by_nox
    assert not (clone / ".venv").exists()


def test_each_command_is_a_module_and_each_module_a_command() -> None:
    modules = [file.stem for file in Path(commands.__file__).parent.glob("*.py")]
    assert sorted(commands.COMMANDS) == sorted(set(modules) - {"__init__"})


def test_help_is_one_sentence_and_no_question() -> None:
    names = [each.name for each in commands.sessions()]
    assert len(set(names)) == len(names)
    for each in commands.sessions():
        assert re.fullmatch(r"[A-Z][a-z]+ [^?`]+\.", each.help), each


def test_sessions_of_an_image_run_the_command_for_that_image() -> None:
    built, pushed = commands.find("jupyterhub"), commands.find("push_jupyterhub")
    assert (built.command, built.image) == ("build", "jupyterhub")
    assert (pushed.command, pushed.image) == ("push", "jupyterhub")
    assert "datascience-notebook" in built.help
    assert "datascience-notebook" in pushed.help


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        ("plan", ["plan"]),
        ("test", ["tests"]),
        ("spark_executors", ["executors"]),
        ("tests", ["tests"]),  # these two are directories of the checkout, and images as well
        ("bench", ["bench"]),
        ("plan parity", ["plan", "parity"]),
        ("plan ARGS=--json", ["plan -- --json"]),
        ("plan -- --json images", ["plan -- --json images"]),
        ("push -- --dry-run executors", ["push -- --dry-run executors"]),
        ("tests -- --only tests", ["tests -- --only tests"]),
        ("parity -- --driver localhost:5000/a:b", ["parity -- --driver localhost:5000/a:b"]),
    ],
)
def test_make_runs_a_session_with_its_options(words: str, runs: list[str]) -> None:
    planned = call("make", "--dry-run", *words.split())
    assert planned.returncode == 0, planned.stderr
    found = re.findall(r"bin/nox --non-interactive --session (.*?) *$", planned.stdout, re.M)
    assert found == runs


def test_a_target_that_is_no_session_is_refused() -> None:
    for name in ("nonsense", "docs"):  # docs is a directory of the checkout
        ended = call("make", name)
        assert ended.returncode == 2
        assert f"Sessions not found: {name}" in ended.stderr + ended.stdout


def test_an_image_list_that_cannot_be_used_is_told(clone: Path) -> None:
    (clone / "images/images.toml").write_text("[images")
    ended = nox("-l", cwd=clone)
    assert ended.returncode == 10
    assert "images.toml is not TOML" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_python_that_is_too_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_OLDEST", (99, 1))
    with pytest.raises(SystemExit, match=r"needs 3\.11 or newer"):
        bootstrap.check_python()
