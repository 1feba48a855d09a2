"""Who may publish now? One at a time, on a registry that has no locks.

A registry offers tags that can be written, listed and read, and nothing that compares and swaps.
On such registers one bit for each contender is enough for mutual exclusion (J. E. Burns and N. A.
Lynch, "Bounds on shared memory for mutual exclusion", 1993): everyone writes a claim of their own,
then looks. Who sees a claim with a lower name steps back; who sees a higher one waits until it is
gone. Two never hold, since the later to write sees the earlier's claim; one always does, since the
lowest never steps back. Who died with a claim keeps others out: its own machine sees that and takes
the claim away, any other is told who it was.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from sparkyard import console
from sparkyard.errors import ReleaseInProgressError, SparkyardError

WAIT = 20.0
"""Seconds for which a claim waits for one that must step back: many round trips to a registry."""

_PAUSE = 0.5
"""Seconds between two looks at the others' claims."""


@dataclass(frozen=True)
class Holder:
    """Who claims, and for what.

    Attributes:
        name: decides between two: the lower one stays. Random, so that nobody is always first.
        machine: tells machines apart, with their boots and process namespaces: only within one
            does `process` mean something.
        host: the machine's name, for people.
        birth: when the process began, in the kernel's ticks since the boot: numbers of processes
            are given away again. 0 where unknown.
    """

    name: str
    what: str
    host: str
    machine: str
    process: int
    began: str
    birth: int = 0

    def is_dead(self) -> bool:
        """Tell whether it was a process of this machine that is no more; False where unknown."""
        if not self.machine or self.machine != _machine():
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return bool(self.birth) and _birth(self.process) != self.birth


class Board(Protocol):
    """Where claims stand: each contender writes and removes its own, everyone reads all."""

    def write(self, holder: Holder) -> None:
        """Let a claim stand; it is there for everyone when this returns."""

    def remove(self, name: str) -> None:
        """Take a claim away."""

    def claims(self) -> Mapping[str, Holder]:
        """Return all claims that stand, by the holder's name."""


@dataclass(frozen=True)
class Claim:
    """A claim that is held; `check` fails once somebody took it away."""

    board: Board
    holder: Holder

    def check(self) -> None:
        """Make sure that the claim still stands: asked before each step that readers can see.

        Raises:
            ReleaseInProgressError: somebody took over.
        """
        if self.holder.name not in self.board.claims():
            raise _taken_over()


def holder(what: str) -> Holder:
    """Return this process as the holder of a new claim for what it is about to do."""
    return Holder(
        name=secrets.token_hex(8),
        what=what,
        host=socket.gethostname(),
        machine=_machine(),
        process=os.getpid(),
        began=datetime.now(UTC).isoformat(timespec="seconds"),
        birth=_birth(os.getpid()),
    )


@contextmanager
def held(
    board: Board,
    mine: Holder,
    *,
    take_over: bool = False,
    wait: float = WAIT,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Claim]:
    """Hold the claim for as long as the block runs.

    Args:
        board: where the claims of all contenders stand.
        mine: this contender.
        take_over: take away the claims that others hold: for those who know that these died.
        wait: seconds to wait for claims that must step back.
        sleep: how time passes between two looks.

    Raises:
        ReleaseInProgressError: another holds it.
    """
    _clear(board, all_of_them=take_over)
    try:
        board.write(mine)  # within: a claim whose answer was lost may stand all the same
        _acquire(board, mine, wait, sleep)
        yield Claim(board, mine)
    finally:
        _step_back(board, mine)


def _acquire(board: Board, mine: Holder, wait: float, sleep: Callable[[float], object]) -> None:
    waited = 0.0
    while True:
        claims = board.claims()
        if mine.name not in claims:
            # Somebody who took over took this one for a dead one's, too.
            raise _taken_over()
        others = {name: h for name, h in claims.items() if name != mine.name}
        if not others:
            return
        lowest = min(others)
        if lowest < mine.name or waited >= wait:
            raise _refusal(others[lowest])
        # One that is higher has stepped back by then, unless it was first and holds.
        sleep(_PAUSE)
        waited += _PAUSE


def _step_back(board: Board, mine: Holder) -> None:
    try:
        board.remove(mine.name)
    except SparkyardError as error:
        # What went wrong before matters more; a claim of a process that ended is cleared away.
        console.note(f"the claim {mine.name} could not be taken away: {error.what}")


def _clear(board: Board, *, all_of_them: bool) -> None:
    for name, other in board.claims().items():
        if all_of_them or other.is_dead():
            board.remove(name)


def _refusal(other: Holder) -> ReleaseInProgressError:
    return ReleaseInProgressError(
        f"Somebody else is publishing here: {other.what}, by process {other.process} on "
        f"{other.host}, since {other.began}.",
        "Wait for it to end, then run the same command again. If you know that it died, add "
        "--take-over.",
    )


def _taken_over() -> ReleaseInProgressError:
    return ReleaseInProgressError(
        "Somebody took over from this command while it ran; it stopped before its next step.",
        "See who is publishing, then run the same command again: it goes on from there.",
    )


def serialize(mine: Holder) -> str:
    """Return a holder as one line of JSON."""
    return json.dumps(asdict(mine), sort_keys=True)


def parse(text: str) -> Holder | None:
    """Return the holder that a text describes, None where it describes none."""
    try:
        return Holder(**json.loads(text))
    except (TypeError, ValueError):
        return None


def _machine() -> str:
    """Return what tells this machine, its boot and its process namespace apart; "" if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _birth(process: int) -> int:
    """Return when a process began, in ticks since the boot; 0 where there is none, or unknown."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    # proc(5): the state and the time of the start, counted behind the name, which may have blanks.
    return 0 if words[0] in "ZX" else int(words[19])
