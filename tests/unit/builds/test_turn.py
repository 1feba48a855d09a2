"""Does one command at a time have its turn, and does the next one wait and say for whom?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.builds import turn

CODE = """from sparkyard.builds import turn
with turn.taken():
    print("mine", flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARKYARD_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def ours() -> Iterator[ExitStack]:
    """The turn, held by this process until it is closed."""
    with ExitStack() as held:
        held.enter_context(turn.taken())
        yield held


def other() -> subprocess.Popen[str]:
    """Start a process that wants its turn, and keeps it until it is written a line."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", CODE], cwd=paths.ROOT, text=True,
        stdin=pipe, stdout=pipe, stderr=pipe,
    )  # fmt: skip


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    return process.stderr.readline()


def test_the_second_waits_and_says_for_whom(ours: ExitStack) -> None:
    with other() as second:
        assert heard(second) == (
            f"sparkyard: waiting for process {os.getpid()} in {paths.ROOT}, "
            "which builds, locks or cleans up\n"
        )
        assert second.poll() is None
        ours.close()
        assert second.communicate("\n", timeout=20) == ("mine\n", "")


def test_ctrl_c_ends_the_wait_at_once(ours: ExitStack) -> None:  # noqa: ARG001
    with other() as second:
        heard(second)
        began = time.monotonic()
        second.send_signal(signal.SIGINT)
        assert second.communicate(timeout=20)[0] == ""
        assert time.monotonic() - began < 2


def test_a_process_that_was_killed_leaves_the_turn_to_the_next() -> None:
    with other() as first:
        assert first.stdout
        assert first.stdout.readline() == "mine\n"
        first.kill()
        first.wait()
    with turn.taken():
        pass


def test_a_lock_that_was_removed_gives_nobody_a_turn_beside_another(
    ours: ExitStack, cache: Path
) -> None:
    with other() as second, ExitStack() as third:
        heard(second)
        (cache / turn.NAME).unlink()
        third.enter_context(turn.taken())  # the file is another one now
        ours.close()
        assert "waiting for" in heard(second)
        third.close()
        assert second.communicate("\n", timeout=20)[0] == "mine\n"
