"""Kill releases at random points, and check that no reader ever sees half of one.

It releases a made-up family to a registry of its own, kills the releasing process at random points,
runs it again, and checks all that a reader sees meanwhile.
"""

from __future__ import annotations

import sys

from sparkyard import bootstrap


def main(argv: list[str]) -> int:
    """Run tests/e2e/chaos in a process of its own, and return its exit code."""
    return bootstrap.call([sys.executable, "-m", "tests.e2e.chaos", *argv])
