"""What does a process do that is to be killed? One command of a release engineer, in earnest.

It says that it is ready, waits for a line, and then does what that line says: so the time until a
kill counts from the command's beginning, and not from Python's.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sparkyard import console
from sparkyard.errors import SparkyardError
from sparkyard.registry.http import Limits
from sparkyard.registry.registry import Registry
from sparkyard.release import releasing
from sparkyard.release.releases import Place
from sparkyard.release.releasing import Desk
from sparkyard.settings import Settings
from tests.e2e.chaos import made_family

READY = "ready"
RELEASE, PROMOTE, ROLLBACK = "release", "promote", "rollback"

LIMITS = Limits(retries=4, backoff=0.1, longest_wait=2, connect=2, silence=5)
"""A registry on the same machine answers at once, or not at all."""


@dataclass(frozen=True)
class Task:
    """One command.

    Attributes:
        action: what is done: RELEASE, PROMOTE or ROLLBACK.
        layout: a directory for the images' content.
        number: which version is released or promoted.
        channel: which channel is moved.
    """

    action: str
    host: str
    namespace: str
    layout: str = ""
    seed: int = 0
    number: int = 0
    channel: str = ""
    take_over: bool = False

    @property
    def place(self) -> Place:
        """Where it is done."""
        registry = Registry(self.host, Settings(), limits=LIMITS)
        return Place(registry, self.host, self.namespace)

    def line(self) -> str:
        """Return it as the line that a client reads."""
        return json.dumps(asdict(self)) + "\n"


def do(task: Task, place: Place | None = None) -> None:
    """Do what the commands of that name do, once the images are built and proven.

    Args:
        task: what.
        place: where, if not with the task's own limits.

    Raises:
        SparkyardError: as these.
    """
    place = place or task.place
    desk = Desk(place, console.note, task.take_over)
    if task.action == ROLLBACK:
        releasing.rollback(desk, task.channel)
        return
    made = made_family.make(task.seed, task.number)
    if task.action == PROMOTE:
        releasing.promote(desk, made.version, task.channel)
        return
    if place.has(made.version):
        built = {(made_family.STACK, image.name): image.manifest.digest for image in made.images}
        releasing.go_on(desk, made.version, built)
        return
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    ready = made_family.ready(made, place, Path(task.layout), now)
    releasing.publish(desk, ready, lambda: None)


def main() -> int:
    """Do one task and return the exit code of what went wrong, 0 when nothing did."""
    print(READY, flush=True)
    line = sys.stdin.readline()
    if not line:
        return 0
    try:
        do(Task(**json.loads(line)))
    except SparkyardError as error:
        return console.fail(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
