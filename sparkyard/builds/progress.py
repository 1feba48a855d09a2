"""What does a person see of a running build, and what is kept? A log, a display, the times."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sparkyard.builds.stream import Step, Stream
from sparkyard.record.record import BuildStep, RecordedBuild

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SHOWN = 8
"""Running steps that the display shows at once; it must not be higher than a small terminal."""
TOLD_FROM = 1.0
"""Seconds from which a step that is done keeps a line on the terminal."""
NAME = 240
"""Characters of a step's name that are kept."""

_OWN_BUSINESS = re.compile(r"\[(?:\S+ )?(?:internal\]|context [^\]]+\] load|auth\])")
_OPTIONS = re.compile(r"--(?:mount|network|security)=\S+\s+")


@dataclass(frozen=True)
class Run:
    """A build that ended: buildx's exit code, and what it did when."""

    exit_code: int
    build: RecordedBuild


def run(argv: Sequence[str], log: Path, *, terminal: bool) -> Run:
    """Run `docker buildx bake` or `build` and return how it ended.

    Args:
        argv: the command, without --progress.
        log: the file that gets the plain log.
        terminal: show a moving display on standard error in place of the log.

    Raises:
        KeyboardInterrupt: after buildx has cancelled its steps and ended.
    """
    began, started = datetime.now(UTC), time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w", encoding="utf-8", buffering=1) as file,
        _tell(file, terminal=terminal) as stream,
        subprocess.Popen(
            [*argv, "--progress=rawjson"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout  # noqa: S101 - Popen was given a pipe
        try:
            for line in process.stdout:
                stream.feed(line)
        except KeyboardInterrupt:
            # The same Ctrl-C reached buildx, which cancels its steps, and tells so into a pipe that
            # somebody must empty.
            for line in process.stdout:
                stream.feed(line)
            process.wait()
            raise
        finally:
            stream.end()
    seconds = time.monotonic() - started
    return Run(process.returncode, recorded(stream.steps.values(), began, seconds))


def recorded(steps: Iterable[Step], began: datetime, seconds: float) -> RecordedBuild:
    """Return what is kept of a build's steps.

    What BuildKit does for itself (reads a Dockerfile, looks for a .dockerignore) is left out.

    Args:
        steps: as the stream told of them.
        began: when the build began.
        seconds: how long it took.
    """
    seen = [step for step in steps if step.began is not None]
    first = min((step.began for step in seen if step.began is not None), default=0.0)
    kept = []
    for step in seen:
        if _OWN_BUSINESS.match(step.name) or step.began is None:
            continue
        start = step.began - first
        end = start if step.cached or step.ended is None else step.ended - first
        kept.append(BuildStep(short(step.name), round(start, 3), round(end, 3), step.cached))
    kept.sort(key=lambda step: (step.began, step.name))
    return RecordedBuild(began.strftime("%Y-%m-%dT%H:%M:%SZ"), round(seconds, 3), tuple(kept))


def short(name: str) -> str:
    """Return a step's name without the options that say how it runs, cut to `NAME` characters."""
    plain = _OPTIONS.sub("", name)
    return plain if len(plain) <= NAME else f"{plain[: NAME - 3]}..."


@contextmanager
def _tell(file: TextIO, *, terminal: bool) -> Iterator[Stream]:
    if terminal:
        with _display(file) as stream:
            yield stream
        return

    def log(line: str) -> None:
        file.write(line + "\n")
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    yield Stream(log)


@contextmanager
def _display(file: TextIO) -> Iterator[Stream]:
    # Rich is slow to import, and only a person at a terminal needs it.
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    told: set[int] = set()
    failing = False

    def log(line: str) -> None:
        nonlocal failing
        file.write(line + "\n")
        # What is no step's line is the end of a failed one, or buildx's own word.
        if line and not line.startswith("#"):
            failing = True
            console.print(line, soft_wrap=True)
        for step in list(stream.steps.values()):
            if step.number not in told and step.ended is not None:
                told.add(step.number)
                _tell_done(console, step)

    stream = Stream(log)
    began = time.monotonic()
    with Live(
        get_renderable=lambda: _view(stream, began, console.width),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        refresh_per_second=4,
    ):
        yield stream
    if not failing:
        console.print(summary(stream, time.monotonic() - began))


def _tell_done(console: Console, step: Step) -> None:
    seconds = (step.ended or 0.0) - (step.began or 0.0)
    if not step.cached and not step.error and seconds >= TOLD_FROM:
        line = f"{seconds:7.1f} s  {short(step.name)}"
        console.print(line[: console.width], no_wrap=True, overflow="crop")


def summary(stream: Stream, seconds: float) -> str:
    """Return one line on where a build stands after so many seconds."""
    steps = list(stream.steps.values())
    ended = [step for step in steps if step.ended is not None]
    cached = sum(step.cached for step in ended)
    running = sum(step.running for step in steps)
    minutes, rest = divmod(int(seconds), 60)
    parts = [f"{len(ended) - cached} steps done", f"{cached} cached"]
    parts += [f"{running} running"] if running else []
    return f"build {minutes}:{rest:02}  {', '.join(parts)}"


def _view(stream: Stream, began: float, width: int) -> RenderableType:
    from rich.text import Text  # noqa: PLC0415

    now = time.monotonic()
    lines = [(summary(stream, now - began), "bold")]
    running = [step for step in list(stream.steps.values()) if step.running]
    for step in running[:SHOWN]:
        lines.append((f"{now - step.seen:7.1f} s  {short(step.name)}", ""))
        if step.said:
            lines.append((f"           {step.said[-1].partition(' ')[2]}", "dim"))
    if len(running) > SHOWN:
        lines.append((f"           and {len(running) - SHOWN} more", "dim"))
    view = Text(no_wrap=True, overflow="crop")
    for number, (line, style) in enumerate(lines):
        view.append(("\n" if number else "") + line.expandtabs()[: width - 1], style=style)
    return view
