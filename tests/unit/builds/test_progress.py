"""Does a build's stream become a log, a display and times, with no secret in any of them?

The streams are real ones of `docker buildx bake --progress=rawjson`.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sparkyard import paths
from sparkyard.builds import progress
from sparkyard.builds.failure import explain
from sparkyard.builds.stream import Stream

STREAMS = Path(__file__).parent / "streams"
BEGAN = datetime(2026, 11, 21, tzinfo=UTC)


def read(text: str) -> tuple[Stream, list[str]]:
    lines: list[str] = []
    stream = Stream(lines.append)
    for line in text.splitlines(keepends=True):
        stream.feed(line)
    stream.end()
    return stream, lines


def of(name: str) -> tuple[Stream, list[str]]:
    return read((STREAMS / f"{name}.txt").read_text())


def said(text: bytes, digest: str = "a", **more: Any) -> dict[str, Any]:
    entry = {"vertex": digest, "stream": 1, "timestamp": "2026-11-21T05:35:11Z"}
    return {"logs": [entry | {"data": base64.b64encode(text).decode()} | more]}


def vertex(name: str = "[x 1/1] RUN it", digest: str = "a", **more: Any) -> dict[str, Any]:
    began = {"digest": digest, "name": name, "started": "2026-11-21T05:35:10Z"}
    return {"vertexes": [began | more]}


DONE = {"completed": "2026-11-21T05:35:12.5Z"}


def test_a_failed_build_gives_a_log_of_which_the_cause_is_read() -> None:
    _, lines = of("fails")
    error = explain("\n".join(lines))
    assert error.exit_code == 30
    assert error.what.startswith("A build step failed, [one one 1/2] RUN echo something")
    assert error.what.endswith("The build said: half")


def test_a_failed_steps_lines_stand_once_more_before_the_dockerfile() -> None:
    _, lines = of("fails")
    end = lines[lines.index("------") :]
    assert end[1].startswith(" > [one one 1/2] RUN")
    assert end[2].endswith("something")
    assert end.index("Dockerfile:2") > end.index("------", 1)
    assert end[-1].startswith("ERROR: failed to solve") or end[-2].startswith("ERROR: failed")
    assert [line for line in lines if line.endswith("CANCELED")]


def test_no_secret_is_in_the_log_or_in_what_is_kept() -> None:
    stream, lines = of("fails")
    kept = progress.recorded(stream.steps.values(), BEGAN, 1.0)
    for text in ("\n".join(lines), repr(kept)):
        assert "s3cret" not in text
        assert "https://***@host/x" in text


def test_a_secret_in_two_halves_is_masked() -> None:
    parts = [vertex(), said(b"go to https://me:s3c"), said(b"ret@host/x\n"), vertex(**DONE)]
    _, lines = read("\n".join(json.dumps(part) for part in parts))
    assert "#1 1.000 go to https://***@host/x" in lines
    assert "s3c" not in "\n".join(lines)


def test_what_a_step_said_last_without_a_lines_end_is_kept() -> None:
    parts = [vertex(), said(b"one\rtwo"), vertex(**DONE)]
    _, lines = read("\n".join(json.dumps(part, indent=2) for part in parts))
    assert [line.partition(" ")[2] for line in lines][1:] == ["1.000 one", "2.500 two", "DONE 2.5s"]


def test_keeps_when_which_step_ran() -> None:
    stream, _ = of("partly-cached")
    kept = progress.recorded(stream.steps.values(), BEGAN, 3.25)
    assert (kept.began, kept.seconds) == ("2026-11-21T00:00:00Z", 3.25)
    steps = {step.name: step for step in kept.steps}
    assert not [name for name in steps if "internal]" in name]
    cached = next(step for name, step in steps.items() if "echo something" in name)
    assert cached.cached
    assert cached.began == cached.ended
    ran = next(step for name, step in steps.items() if "echo now" in name)
    assert not ran.cached
    assert 0.5 < ran.ended - ran.began < 3
    assert list(kept.steps) == sorted(kept.steps, key=lambda step: (step.began, step.name))


def test_a_step_that_begins_again_is_one_from_first_to_last() -> None:
    parts = [
        vertex(completed="2026-11-21T05:35:10Z"),
        vertex(started="2026-11-21T05:35:11Z"),
        vertex(started="2026-11-21T05:35:11Z", completed="2026-11-21T05:35:14Z"),
    ]
    stream, lines = read("\n".join(json.dumps(part) for part in parts))
    kept = progress.recorded(stream.steps.values(), BEGAN, 4.0)
    assert [(step.began, step.ended) for step in kept.steps] == [(0.0, 4.0)]
    assert lines == ["#1 [x 1/1] RUN it", "#1 DONE 4.0s"]


def test_what_is_no_json_is_text() -> None:
    _, lines = read("ERROR: bake.json: cannot read https://me:s3cret@host\n{\n not closed\n")
    assert lines == ["ERROR: bake.json: cannot read https://***@host", "{", " not closed"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("[a 1/2] RUN --mount=type=secret,id=x --network=none make", "[a 1/2] RUN make"),
        ("[a] " + "x" * 900, "[a] " + "x" * (progress.NAME - 7) + "..."),
    ],
)
def test_a_steps_name_is_kept_short(name: str, kept: str) -> None:
    assert progress.short(name) == kept


def test_sums_up_where_a_build_stands() -> None:
    stream, _ = read("\n".join(json.dumps(p) for p in (vertex(**DONE), vertex("[y]", "b"))))
    assert progress.summary(stream, 61.0) == "build 1:01  1 steps done, 0 cached, 1 running"


def test_a_line_without_end_is_cut_and_takes_no_time() -> None:
    parts = [vertex(), said(b"begin " + b"x" * 1_000_000 + b"\n"), vertex(**DONE)]
    _, lines = read("\n".join(json.dumps(part) for part in parts))
    assert lines[1] == "#1 1.000 begin ... (1000006 characters)"


def command(tmp_path: Path, code: str) -> list[str]:
    """A command that takes one more option, as buildx does, and tells what it is told to."""
    file = tmp_path / "buildx.py"
    file.write_text(textwrap.dedent(code))
    return [sys.executable, str(file)]


@pytest.mark.parametrize("terminal", [False, True])
def test_runs_a_build_and_writes_its_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], terminal: bool
) -> None:
    stream = STREAMS / "fails.txt"
    code = f"import sys; sys.stderr.write(open({str(stream)!r}).read()); sys.exit(3)"
    log = tmp_path / "deep" / "build.log"
    ended = progress.run(command(tmp_path, code), log, terminal=terminal)
    assert ended.exit_code == 3
    assert ended.build.steps
    shown = capfd.readouterr().err
    assert "A build step failed, [one one 1/2]" in explain(log.read_text()).what
    for text in (shown, log.read_text()):
        assert "ERROR: failed to solve" in text
        assert "s3cret" not in text


def test_ctrl_c_waits_for_the_build_to_end(tmp_path: Path) -> None:
    """Also where it says more, as it ends, than a pipe holds."""
    argv = command(
        tmp_path,
        """
        import signal, sys, time
        try:
            print("ready", flush=True)
            time.sleep(30)
        except KeyboardInterrupt:
            print("x" * 300_000, flush=True)
            time.sleep(0.3)
            print("cancelled", flush=True)
        """,
    )
    code = (
        "from pathlib import Path; from sparkyard.builds import progress as b\n"
        f"try: b.run({argv!r}, Path({str(tmp_path / 'log')!r}), terminal=False)\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=paths.ROOT, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr
        assert process.stderr.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
    assert stdout == "interrupted\n"
    assert stderr.endswith("cancelled\n")
    assert (tmp_path / "log").read_text().endswith("cancelled\n")
