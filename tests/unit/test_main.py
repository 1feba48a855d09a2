"""Does a command end with a message and the right exit code, whatever happens in it?"""

from __future__ import annotations

import errno
import importlib
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from sparkyard import __main__ as entry
from sparkyard import commands, paths
from sparkyard.errors import ParityError, UnknownNameError


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the command `plan` end with `error`."""

    def main(_: list[str]) -> int:
        raise error

    monkeypatch.setattr(importlib, "import_module", lambda _: SimpleNamespace(main=main))


def test_an_unknown_session(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["pln"]) == 11
    printed = capsys.readouterr().err
    assert 'error: There is no session "pln".' in printed
    assert "  fix: Did you mean plan?" in printed


def test_an_error_is_a_message_and_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, ParityError("They differ.", "Look here.", detail="a\nb"))
    assert entry.main(["plan"]) == 40
    assert capsys.readouterr().err == "a\nb\n\nerror: They differ.\n  fix: Look here.\n"


def test_verbose_shows_where_it_was_raised_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, UnknownNameError("x", "y"))
    assert entry.main(["plan", "--verbose"]) == 11
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert said.endswith("error: x\n  fix: y\n")


def test_verbose_behind_another_dash_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[list[str]] = []

    def main(argv: list[str]) -> int:
        given.append(argv)
        raise UnknownNameError("x", "y")

    monkeypatch.setattr(importlib, "import_module", lambda _: SimpleNamespace(main=main))
    assert entry.main(["tests", "-k", "a", "--", "--verbose"]) == 11
    assert given == [["-k", "a", "--", "--verbose"]]
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("session", [each.name for each in commands.sessions()])
def test_each_session_has_help_under_its_own_name(
    session: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        entry.main([session, "--help"])
    printed = capsys.readouterr().out
    assert ended.value.code == 0
    assert printed.startswith(f"usage: nox -s {session} -- [-h] [--verbose]")
    assert "--verbose " in printed.partition("options:")[2]
    if "--stack" in printed:
        assert re.search(r"--stack NAME\s+a stack of conf/stacks(, or all)?\s+\(default:", printed)
    helpless = re.findall(r"^  (--?\w[^ ]*(?: [A-Z]+)?)\n(?!   )", printed, re.MULTILINE)
    assert not helpless


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    assert entry.main(["plan"]) == 130
    assert "Stopped." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/some/file"), 17),
        (OSError(errno.EROFS, "Read-only file system", "/some/file"), 17),
        (OSError(errno.ENOSPC, "No space left on device", "/some/file"), 31),
    ],
)
def test_an_error_of_the_file_system(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: OSError,
    exit_code: int,
) -> None:
    raising(monkeypatch, error)
    assert entry.main(["plan"]) == exit_code
    printed = capsys.readouterr().err
    assert "/some/file" in printed
    assert "  fix: " in printed


def test_a_reader_that_went_away_is_no_error() -> None:
    code = (
        "import sys; from sparkyard import __main__ as m\n"
        "class C:\n    @staticmethod\n    def main(argv):\n"
        "        print('x' * 10**6, flush=True)\n"
        "import importlib; importlib.import_module = lambda _: C\n"
        "sys.exit(m.main(['plan']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=paths.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0
