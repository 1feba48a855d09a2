"""Are the tools made from the lock, with nothing but Python, and made anew when it changes?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sparkyard import bootstrap, paths


def test_the_tools_are_made_from_the_lock_alone() -> None:
    """The bootstrap runs before anything is installed: with Python's own modules alone."""
    code = (
        "import sys; sys.path.insert(0, 'sparkyard'); before = set(sys.modules); import bootstrap\n"
        "known = set(sys.stdlib_module_names) | {'bootstrap'}\n"
        "print([m for m in set(sys.modules) - before if m.split('.')[0] not in known])"
    )
    code = code.replace("'sparkyard'", repr(str(paths.ROOT / "sparkyard")))
    argv = [sys.executable, "-I", "-S", "-c", code]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_tools_are_made_anew_when_the_lock_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tools.lock").write_text("nox==1\n")
    monkeypatch.setattr(bootstrap, "LOCK", tmp_path / "tools.lock")
    monkeypatch.setattr(bootstrap, "_STAMP", tmp_path / ".made-from")
    assert not bootstrap.ready()
    (tmp_path / ".made-from").write_text(bootstrap._digest())
    assert bootstrap.ready()
    (tmp_path / "tools.lock").write_text("nox==2\n")
    assert not bootstrap.ready()


def test_ctrl_c_gives_a_command_time_to_end() -> None:
    child = (
        "import os, pathlib, time\n"
        "waiter = pathlib.Path(f'/proc/{os.getppid()}/stat')\n"
        # Until the parent waits, Ctrl-C would meet it while it starts this child.
        "while waiter.read_text().rpartition(')')[2].split()[0] != 'S': time.sleep(.01)\n"
        "try:\n print('ready', flush=True); time.sleep(30)\n"
        "except KeyboardInterrupt:\n time.sleep(1); print('in order', flush=True)\n"
        " raise SystemExit(7)"
    )
    code = (
        "import sys; sys.path.insert(0, 'sparkyard'); import bootstrap\n"
        f"sys.exit(bootstrap.call([sys.executable, '-c', {child!r}]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=bootstrap.ROOT, text=True, start_new_session=True,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "in order\n"
    assert process.returncode == 7


def test_of_two_processes_one_makes_the_tools_and_the_other_waits(tmp_path: Path) -> None:
    """Each says on a line of its own whether it was the one."""
    (tmp_path / "tools.lock").write_text("nox==1\n")
    code = (
        "import pathlib, sys, time; sys.path.insert(0, 'sparkyard'); import bootstrap\n"
        f"bootstrap.ROOT = root = pathlib.Path({str(tmp_path)!r})\n"
        "bootstrap.LOCK, bootstrap._STAMP = root / 'tools.lock', root / 'stamp'\n"
        "def make():\n"
        " print('made'); time.sleep(1); bootstrap._STAMP.write_text(bootstrap._digest())\n"
        "bootstrap._make = make; bootstrap.ensure()"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=bootstrap.ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = sorted(process.communicate(timeout=20) for process in both)
    assert said == [
        ("", "sparkyard: waiting for another process that makes .venv\n"),
        ("made\n", ""),
    ]
