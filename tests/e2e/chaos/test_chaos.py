"""Processes that release are killed at random points, and no reader sees half of anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from sparkyard import paths
from sparkyard.command import run
from sparkyard.commands.tests import LABEL
from sparkyard.errors import VerificationError
from sparkyard.plan.plan import Site
from sparkyard.services.local_registry import build
from tests.e2e.chaos import __main__ as chaos
from tests.e2e.chaos.reader import Reader
from tests.e2e.chaos.registry import own_registry, received, sent_twice
from tests.support import Lab


@pytest.mark.parametrize("kills", [6, pytest.param(15, marks=pytest.mark.nightly)])
def test_no_reader_sees_a_torn_release_while_processes_are_killed(
    capsys: pytest.CaptureFixture[str], kills: int
) -> None:
    try:
        chaos.main(["--kills", str(kills), "--seed", "7", "--json"])
    except VerificationError as broken:
        pytest.fail(f"{broken}\n{broken.detail}", pytrace=False)
    figures = json.loads(capsys.readouterr().out)
    assert figures["kills"] == kills
    assert figures["torn reads"] == figures["reads without an answer"] == 0
    assert figures["blobs sent twice"] == figures["tags wrong after a command"] == 0
    assert figures["releases completed"] > 2
    assert figures["reads done"] > 20


def test_a_run_says_what_it_saw_that_must_not_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A reader to whom nothing but the first release is allowed.
    allow = Reader.allow
    monkeypatch.setattr(
        Reader, "allow", lambda self, allowed: allow(self, dict.fromkeys(allowed, (0, 1)))
    )
    with pytest.raises(VerificationError, match="torn reads") as broken:
        chaos.main(["--kills", "1", "--seed", "7", "--json"])
    assert "--seed 7" in broken.value.remedy
    assert "of none of the releases [0, 1]" in broken.value.detail
    assert json.loads(capsys.readouterr().out)["torn reads"] > 0


def test_a_registry_of_ones_own_is_gone_after_ctrl_c() -> None:
    before = _containers()
    argv = [sys.executable, "-m", "sparkyard", "chaos", "--kills", "1000"]
    process = subprocess.Popen(
        argv, cwd=paths.ROOT, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not _containers() - before and time.monotonic() < deadline:
        time.sleep(0.2)
    started = _containers() - before
    assert started
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    assert not _containers() & started


def test_a_log_tells_which_blobs_were_received_and_which_twice(site: Site, lab: Lab) -> None:
    line = '"PUT /v2/{}/blobs/uploads/1-2?_state=x&digest=sha256%3A{} HTTP/1.1" 201 0'
    log = [
        line.format("a/b", "1"),
        line.format("a/c", "2"),
        line.format("a/d", "1"),
        line.format("a/b", "3").replace(" 201 ", " 500 "),
        '"PUT /v2/a/b/manifests/x HTTP/1.1" 201 0',
    ]
    assert received(log) == 3
    assert sent_twice(log) == ["sha256:1"]
    with own_registry(build(site), label=lab.label) as own:
        assert own.container in _containers(lab.label)
    assert own.container not in _containers(lab.label)


def _containers(label: str = f"{LABEL}=chaos") -> set[str]:
    """Return the registries of the command, or of a run of tests: others may run beside."""
    argv = ["docker", "ps", "--all", "--filter", f"label={label}", "--format", "{{.Names}}"]
    return set(run(argv).stdout.split())
