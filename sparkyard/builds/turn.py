"""Whose turn is it? One command of a user builds, locks or cleans up at a time; others wait.

What such a command reads (images.toml, a stack, locks) it reads once it has its turn: the command
that had it before may have changed it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sparkyard import console, paths

NAME = "build.lock"
"""A file of the cache that stays when the cache is emptied: else two could have their turn."""

_SIGNED = 0.1
"""Seconds after which whoever has the turn has written so: until then the file names the last."""


@contextmanager
def taken() -> Iterator[None]:
    """Hold the turn, after whoever has it now; Ctrl-C ends the wait. It is not to be taken twice.

    The kernel gives the turn of a process that was killed to the next one.
    """
    file = paths.cache() / NAME
    file.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with file.open("a+") as held:
            _wait(held)
            if not _is(held, file):
                continue
            held.truncate(0)
            held.write(f"process {os.getpid()} in {paths.ROOT}\n")
            held.flush()
            yield
            return


def _wait(held: IO[str]) -> None:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_SIGNED)
        held.seek(0)
        holder = held.read().strip() or "a process that has just begun"
        console.note(f"waiting for {holder}, which builds, locks or cleans up")
        fcntl.flock(held, fcntl.LOCK_EX)


def _is(held: IO[str], file: Path) -> bool:
    """Tell whether an open file is still the one of that name: somebody may have removed it."""
    try:
        return os.path.samestat(os.fstat(held.fileno()), file.stat())
    except FileNotFoundError:
        return False
