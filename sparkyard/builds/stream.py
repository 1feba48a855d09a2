"""What does a build tell while it runs? Reads buildx's stream of JSON into steps and what they say.

`--progress=rawjson` (buildx 0.13) writes BuildKit's SolveStatus documents one after another, with
no more than white space between them, and at the end whatever buildx itself has to say as text.
All that leaves this module as text is masked.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sparkyard.command import mask

_CANCELLED = "context canceled"
"""How the error of a step ends that did not fail, but was stopped because another one did."""
_EXCERPT = 12
"""Lines of a failed step that are shown once more at the end."""
_BLINK = 0.001
"""Seconds; a step of BuildKit's own that ends sooner begins once more, and then does its work."""
_LONGEST = 4000
"""Characters of a line that are shown; to look for secrets in one takes time by its square."""
_LINES = re.compile(rb"[\r\n]+")


@dataclass
class Step:
    """A step of the build: when it ran by the engine's clock, in seconds of the epoch.

    Attributes:
        number: by which the log's lines name it.
        seen: when it was first seen running, by this machine's monotonic clock.
        error: what it failed of; empty otherwise.
    """

    number: int
    name: str
    began: float | None = None
    ended: float | None = None
    seen: float = 0.0
    cached: bool = False
    error: str = ""
    said: list[str] = field(default_factory=list)
    unfinished: dict[int, bytes] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.began is not None and self.ended is None

    @property
    def cancelled(self) -> bool:
        """Whether it was stopped because of another step."""
        return self.error.endswith(_CANCELLED)

    @property
    def failed(self) -> bool:
        """Whether it failed by itself."""
        return bool(self.error) and not self.cancelled


class Stream:
    """Reads the stream line by line; gives the lines of a plain log to `log`."""

    def __init__(self, log: Callable[[str], object]) -> None:
        self.steps: dict[str, Step] = {}
        self._log = log
        self._pending: list[str] = []
        self._spoke: Step | None = None
        self._told_failures = False
        self._told: set[tuple[str, str]] = set()

    def feed(self, line: str) -> None:
        """Take the next line of the stream, with or without its end."""
        line = line.rstrip("\r\n")
        if not self._pending and not line.startswith("{"):
            self._text(line)
            return
        self._pending.append(line)
        if line.endswith("}") and not line.startswith(" "):
            try:
                document = json.loads("\n".join(self._pending))
            except ValueError:
                return
            self._pending.clear()
            self._status(document)

    def end(self) -> None:
        """Take the stream's end: what is left of it is text."""
        left, self._pending = self._pending, []
        for step in self.steps.values():
            self._flush(step)
        for line in left:
            self._text(line)
        self._tell_failures()

    def _status(self, document: dict[str, Any]) -> None:
        for vertex in document.get("vertexes") or ():
            self._vertex(vertex)
        for status in document.get("statuses") or ():
            self._transfer(status)
        for entry in document.get("logs") or ():
            self._said(entry)
        for warning in document.get("warnings") or ():
            self._say(
                self._step(warning.get("vertex", "")),
                f"WARNING: {_decoded(warning.get('short')).decode(errors='replace')}",
            )

    def _vertex(self, vertex: dict[str, Any]) -> None:
        step = self._step(vertex["digest"], vertex.get("name", ""))
        was_over = step.ended is not None
        # The same step is told of for each image that needs it, and some begin more than once.
        if began := vertex.get("started"):
            step.seen = step.seen or time.monotonic()
            step.began = min(_seconds(began), step.began or _seconds(began))
        step.cached = step.cached or bool(vertex.get("cached"))
        step.error = step.error or _masked(vertex.get("error", ""))
        if not vertex.get("completed"):
            if began and (step.ended is None or _seconds(began) > step.ended):
                step.ended = None
            return
        step.ended = max(_seconds(vertex["completed"]), step.ended or 0.0)
        self._flush(step)
        took = step.ended - (step.began or step.ended)
        if step.error or step.cached or (not was_over and took > _BLINK):
            self._end_of(step)

    def _end_of(self, step: Step) -> None:
        if step.cancelled:
            word = "CANCELED"
        elif step.error:
            word = f"ERROR: {step.error}"
        elif step.cached:
            word = "CACHED"
        else:
            word = f"DONE {(step.ended or 0.0) - (step.began or 0.0):.1f}s"
        self._say(step, word)

    def _transfer(self, status: dict[str, Any]) -> None:
        told = (status.get("vertex", ""), status.get("id", ""))
        if not status.get("completed") or told in self._told:
            return
        self._told.add(told)
        size = status.get("total") or status.get("current") or 0
        took = _seconds(status["completed"]) - _seconds(status.get("started", status["completed"]))
        self._say(
            self._step(told[0]),
            f"{told[1]}{f' {size}B' if size else ''} {max(took, 0.0):.1f}s done",
        )

    def _said(self, entry: dict[str, Any]) -> None:
        step = self._step(entry.get("vertex", ""))
        stream = int(entry.get("stream", 1))
        data = step.unfinished.pop(stream, b"") + _decoded(entry.get("data"))
        # A line's first half is kept until the second comes: a secret may stand across the two.
        *whole, rest = _LINES.split(data)
        if rest:
            step.unfinished[stream] = rest
        at = max(_seconds(entry["timestamp"]) - (step.began or _seconds(entry["timestamp"])), 0.0)
        for line in whole:
            self._keep(step, line, at)

    def _flush(self, step: Step) -> None:
        left, step.unfinished = step.unfinished, {}
        for data in left.values():
            self._keep(step, data, (step.ended or 0.0) - (step.began or step.ended or 0.0))

    def _keep(self, step: Step, line: bytes, at: float) -> None:
        said = f"{at:.3f} {_masked(line.decode(errors='replace'))}"
        step.said.append(said)
        del step.said[:-_EXCERPT]
        self._say(step, said)

    def _step(self, digest: str, name: str = "") -> Step:
        if digest not in self.steps:
            self.steps[digest] = Step(len(self.steps) + 1, _masked(" ".join(name.split())))
        return self.steps[digest]

    def _say(self, step: Step, text: str) -> None:
        """Write a line of a step; where another step spoke before, its name comes first."""
        if self._spoke is not step:
            if self._spoke is not None:
                self._log("")
            self._log(f"#{step.number} {step.name}")
            self._spoke = step
        self._log(f"#{step.number} {text}")

    def _text(self, line: str) -> None:
        self._tell_failures()
        self._log(_masked(line))

    def _tell_failures(self) -> None:
        """Show once more what the failed steps said, before what buildx has to say of them."""
        failed = [step for step in self.steps.values() if step.failed]
        if self._told_failures or not failed:
            return
        self._told_failures = True
        for step in failed:
            self._log("------")
            self._log(f" > {step.name}:")
            for said in step.said:
                self._log(said)
        self._log("------")


def _decoded(data: str | None) -> bytes:
    return base64.b64decode(data or "")


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def _masked(text: str) -> str:
    """Return a text without secrets; a long one up to a blank, so that no secret is cut in two."""
    if len(text) <= _LONGEST:
        return mask(text)
    return f"{mask(text[:_LONGEST].rpartition(' ')[0])} ... ({len(text)} characters)"
