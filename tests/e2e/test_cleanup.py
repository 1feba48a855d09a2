"""Is all that a test run made gone after Ctrl-C, and is what was left found?"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.commands.tests import left_over, remove
from tests.support import Lab

INTERRUPTED = """
import time

def test_that_is_interrupted(lab, executor_image):
    with lab.network() as network:
        options = ["--network", network]
        with lab.container(executor_image, "sleep", "300", what="victim", options=options):
            print(f"run={lab.run}", flush=True)
            time.sleep(60)
"""


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=lambda by: by.name)
def test_nothing_is_left_after_an_interruption(
    tmp_path: Path, by: signal.Signals, executor_image: str
) -> None:
    assert executor_image
    file = tmp_path / "test_victim.py"
    file.write_text(INTERRUPTED)
    # The suite's own conftest as a plugin: what is tested is what takes care of every run.
    argv = [sys.executable, "-m", "pytest", "-s", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    argv += ["-c", str(paths.ROOT / "pyproject.toml"), str(file)]
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
    with subprocess.Popen(
        argv, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout
        run = next(m[1] for m in (re.search(r"run=(\w+)", line) for line in process.stdout) if m)
        assert left_over(run).keys() == {"container", "network"}
        process.send_signal(by)
        said = process.stdout.read()
    assert process.returncode == 2, said
    assert left_over(run) == {}


def test_what_was_left_is_found_and_removed(lab: Lab, executor_image: str) -> None:
    crashed = Lab(f"{lab.run}-crashed", keep=True)
    with crashed.container(executor_image, "sleep", "300", what="left"):
        pass
    found = left_over(crashed.run)
    assert found.keys() == {"container"}
    assert set(found["container"]) <= set(left_over()["container"])
    assert remove(found) == [f"container {found['container'][0]}"]
    deadline = time.monotonic() + 60
    while left_over(crashed.run) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left_over(crashed.run) == {}
