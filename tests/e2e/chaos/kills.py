"""What becomes of releases whose process is killed at any moment? They are killed, and looked at.

A client is killed somewhere, its command is run again, and perhaps killed again, until it
completes; then comes the next. All the while a reader checks what it sees, and after each command
all tags must be as if nothing had happened.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sparkyard import paths
from sparkyard.errors import CommandFailedError, ReleaseHistoryError
from sparkyard.release.channel import LATEST
from tests.e2e.chaos import client as chaos_client
from tests.e2e.chaos.client import PROMOTE, RELEASE, ROLLBACK, Task
from tests.e2e.chaos.reader import MOVING, Findings, Reader

STABLE = "stable"
BEFORE, BETWEEN, AFTER = "before the record", "between record and tags", "after all tags"
_KILLED, _AGAIN = 0.95, 0.75
"""How likely a command is killed; and one that goes on after a kill. The others tell how long they
take, which changes with what else the machine does."""
_LONGEST = 60.0
"""Seconds until a client that was not killed must have ended."""


@dataclass
class Report:
    """What happened; seconds where nothing else is said.

    Attributes:
        kills: by action and phase.
        completed: commands that came to their end, by action.
        wrong: tags that were not as they must be after a command, or a command that failed.
        undisturbed: how long each action took when it was last not killed.
    """

    seed: int
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    completed: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    undisturbed: dict[str, float] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    seconds: float = 0


class Client:
    """A process of its own that waits for its task.

    Attributes:
        said: what it wrote.
        seconds: how long it took from its task to its end.
    """

    def __init__(self) -> None:
        self.said = ""
        self.seconds = 0.0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.chaos.client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=paths.ROOT,
        )

    def run(self, task: Task, kill_after: float | None = None) -> int:
        """Let it do its task, and return its exit code; a negative one when it was killed.

        Raises:
            CommandFailedError: it could not begin, or did not end.
        """
        process = self._process
        if process.stdout is None or process.stdout.readline().strip() != chaos_client.READY:
            raise CommandFailedError(
                "A client of the chaos run could not begin.", "See above.", detail=self.end()
            )
        began = time.monotonic()
        try:
            _, self.said = process.communicate(task.line(), timeout=kill_after or _LONGEST)
            self.seconds = time.monotonic() - began
        except subprocess.TimeoutExpired:
            process.kill()
            _, self.said = process.communicate()
            if kill_after is None:
                raise CommandFailedError(
                    f"A client did not end within {_LONGEST:.0f} s: {task.line().strip()}",
                    "See what it waits for.",
                    detail=self.said[-2000:],
                ) from None
        return process.returncode

    def end(self) -> str:
        """End it, whatever it does, and return what it wrote."""
        self._process.kill()
        return self._process.communicate()[1] or ""


class Chaos:
    """A run: commands one after the other, kills at random moments."""

    def __init__(self, task: Task, kills: int, tell: Callable[[str], None]) -> None:
        """Prepare it.

        Args:
            task: the place, the seed, and the directory for the images' content.
            kills: how many processes are killed.
            tell: hears of progress.
        """
        self._task = task
        self._kills = kills
        self._tell = tell
        self._chance = random.Random(task.seed)  # noqa: S311 - moments of kills
        self._place = task.place
        self._reader = Reader(task.place, task.seed)
        self._named = {**dict.fromkeys(MOVING, 0), LATEST: 0, STABLE: 0}
        self._newest = 0
        self._spare = Client()
        self.report = Report(task.seed)

    def run(self) -> Report:
        """Do it, and return what happened."""
        began = time.monotonic()
        try:
            self._reader.allow(dict.fromkeys(self._named, (0,)))
            self._reader.start()
            self._measure()
            while sum(self.report.kills.values()) < self._kills and not self.report.wrong:
                self._until_complete(self._next())
        finally:
            self._spare.end()
            if self._reader.started:
                self.report.findings = self._reader.stop()
        self.report.seconds = time.monotonic() - began
        return self.report

    def _measure(self) -> None:
        """Take the time of each action where nothing happens."""
        for following in (
            self._release,
            self._release,
            lambda: self._promote(1),
            lambda: self._promote(2),
            lambda: replace(self._task, action=ROLLBACK, channel=STABLE),
        ):
            task = following()
            self._until_complete(task, disturbed=False)

    def _next(self) -> Task:
        chance = self._chance.random()
        if chance < 0.65:
            return self._release()
        if chance < 0.82:
            return self._promote(self._chance.randrange(1, self._newest + 1))
        name = self._chance.choice((LATEST, STABLE))
        try:
            self._place.channel(name).before()
        except ReleaseHistoryError:
            return self._release()
        return replace(self._task, action=ROLLBACK, channel=name)

    def _release(self) -> Task:
        return replace(self._task, action=RELEASE, number=self._newest + 1)

    def _promote(self, number: int) -> Task:
        return replace(self._task, action=PROMOTE, number=number, channel=STABLE)

    def _until_complete(self, task: Task, *, disturbed: bool = True) -> None:
        """Run a command again and again until it completes, killed on the way or not."""
        after = self._aim(task)
        before = dict(self._named)
        self._reader.allow(
            {tag: tuple(dict.fromkeys((before[tag], after[tag]))) for tag in self._named}
        )
        likely = _KILLED if disturbed else 0.0
        killed = False
        while True:
            enough = sum(self.report.kills.values()) >= self._kills
            kill = not enough and self._chance.random() < likely
            delay = self._chance.uniform(0.001, self.report.undisturbed.get(task.action, 1))
            client = self._client()
            ended = client.run(task, delay if kill else None)
            if ended == 0:
                if not killed:
                    self.report.undisturbed[task.action] = client.seconds
                break
            if ended > 0:
                self.report.wrong.append(f"exit code {ended}: {client.said[-500:]}")
                return
            phase = self._phase(task, after)
            self.report.kills[task.action, phase] += 1
            killed = True
            self._tell(f"killed {task.action} {phase}")
            if phase == AFTER and task.action == ROLLBACK:
                break  # the same command again would be another rollback
            likely = _AGAIN
        self._newest = max(self._newest, task.number if task.action == RELEASE else 0)
        self._named = after
        self._reader.allow({tag: (number,) for tag, number in after.items()})
        wrong = self._reader.settled(after)
        if task.action == RELEASE:
            wrong += self._reader.complete(task.number)
        self.report.wrong += [f"after {task.action}: {each}" for each in wrong]
        self.report.completed[task.action] += 1

    def _aim(self, task: Task) -> dict[str, int]:
        """Return the number of the release that each tag is to name after a command."""
        after = dict(self._named)
        if task.action == RELEASE:
            after |= dict.fromkeys((*MOVING, LATEST), task.number)
        elif task.action == PROMOTE:
            after[task.channel] = task.number
        else:
            version = self._place.channel(task.channel).before()
            after[task.channel] = int(version.split(".")[1])
        return after

    def _phase(self, task: Task, after: dict[str, int]) -> str:
        if task.action == RELEASE:
            if not self._place.has(f"1.{task.number}.0"):
                return BEFORE
            left = self._reader.complete(task.number) + self._reader.settled(after)
            return BETWEEN if left else AFTER
        if self._place.channel(task.channel).version != f"1.{after[task.channel]}.0":
            return BEFORE
        return BETWEEN if self._reader.settled(after) else AFTER

    def _client(self) -> Client:
        """Return a client, and begin the next one: Python takes longer than most commands."""
        ready, self._spare = self._spare, Client()
        return ready
