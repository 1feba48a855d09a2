"""Are options that contradict each other refused, and does a dry run say what would move?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sparkyard.builds import apt_resolver, proposal
from sparkyard.builds.proposal import Move
from sparkyard.commands import dependencies
from sparkyard.engine import engine
from sparkyard.errors import OutdatedLocksError
from sparkyard.locks import dependencies as locks
from sparkyard.locks.current import KINDS
from tests.unit.small_family import STACK, make

MORE_JARS = '[groups.more]\ndependencies = [{ artifact = "org.example:other:1.0" }]\n'
MOVE = Move("apt", "base", "tini", "1.0-1", "1.0-2", security=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--json", "--json goes with --dry-run"),
        ("--tools --dry-run", "--tools does not go with --dry-run"),
        ("--check --dry-run", "--check does not go with --dry-run"),
        ("--check --only apt", "--check does not go with --only"),
        ("--check --upgrade", "--check does not go with --upgrade"),
        ("--only apt --upgrade", "--only leaves out python"),
        ("--only debian", "invalid choice: 'debian'"),
    ],
)
def test_options_that_contradict(
    options: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        dependencies.main(options.split())
    assert refused.value.code == 2
    assert said in capsys.readouterr().err


def test_what_would_move_is_listed_and_has_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OutdatedLocksError, match="1 locked packages would move") as moved:
        dependencies._show({"s": (MOVE,)}, [Path("/x/base.lock")], as_json=False)
    assert moved.value.exit_code == 18
    line = capsys.readouterr().out.splitlines()[1].split()
    assert line == ["s", "apt", "base", "tini", "1.0-1", "1.0-2", "security"]


def test_what_would_move_is_a_document_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OutdatedLocksError):
        dependencies._show({"s": (MOVE,)}, [Path("/x/base.lock")], as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["files"] == ["/x/base.lock"]
    (move,) = document["moves"]["s"]
    assert (move["name"], move["security"]) == ("tini", True)


def test_nothing_that_would_move_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    dependencies._show({"s": ()}, [], as_json=False)
    assert "nothing would move" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "upgrade", "only", "resolved"),
    [
        ("", [], False, ["apt"]),
        ("pyproject.toml", [], False, ["apt", "python"]),
        ("jars.toml", [], False, ["apt", "jars"]),
        ("", ["."], False, ["apt", "python"]),
        ("", [], True, ["apt", "jars"]),
    ],
)
def test_what_did_not_change_is_not_resolved_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: str,
    upgrade: list[str],
    *,
    only: bool,
    resolved: list[str],
) -> None:
    directory = make(tmp_path, monkeypatch)
    if changed:
        with (directory / changed).open("a") as file:
            file.write("[tool.x]\ny = 1\n" if changed == "pyproject.toml" else MORE_JARS)
    done: list[str] = []

    def resolve(kind: str) -> Callable[..., dict[str, frozenset[str]]]:
        def call(*_: object, **__: object) -> dict[str, frozenset[str]]:
            done.append(kind)
            return {}

        return call

    monkeypatch.setattr(locks, "lock", resolve("python"))
    monkeypatch.setattr(apt_resolver, "lock", resolve("apt"))
    monkeypatch.setattr(dependencies, "_lock_jars", resolve("jars"))
    monkeypatch.setattr(engine, "ensure", lambda: None)
    with proposal.propose(STACK) as made:
        dependencies._lock([STACK.name], made, KINDS, upgrade, only=only)
    assert done == resolved
