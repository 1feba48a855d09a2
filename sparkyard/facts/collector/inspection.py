"""What does a look into one machine carry along, and what does a program there say?"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field

from sparkyard.facts.collector.hashes import Hashes


@dataclass
class Inspection:
    """A look into one machine: its environment, files' hashes, and why a fact is missing."""

    env: Mapping[str, str]
    missing: dict[str, str] = field(default_factory=dict)
    hashes: Hashes = field(default_factory=Hashes)


@dataclass(frozen=True)
class Ended:
    """A program that has ended; `code` is 127 where it did not start, or not end in time."""

    code: int
    out: str
    err: str

    @property
    def why(self) -> str:
        """Its exit code and its last words."""
        words = (self.err.strip().splitlines() or ["no output"])[-1]
        return f"(exit code {self.code}): {words[:200]}"


def run(argv: list[str], timeout: int = 60) -> Ended:
    """Return how a program ended; it is given no input."""
    try:
        ended = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Ended(127, "", str(error))
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def walk(top: str) -> list[str]:
    """Return all files under a directory but byte code, which differs from run to run."""
    files = []
    for directory, inner, names in os.walk(top):
        inner[:] = [name for name in inner if name != "__pycache__"]
        files += [os.path.join(directory, name) for name in names if not name.endswith(".pyc")]
    return files
