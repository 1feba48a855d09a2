"""Check the container engine; on Debian or Ubuntu as root, install and start a missing one."""

from __future__ import annotations

from sparkyard import commands
from sparkyard.engine import engine


def main(argv: list[str]) -> int:
    """Make sure that an engine answers and can build the family."""
    parser = commands.parser("engine", __doc__)
    parser.parse_args(argv)
    engine.ensure()
    information, buildx = engine.describe()
    print(f"Docker Engine {information['ServerVersion']}, containerd image store, {buildx.strip()}")
    return 0
