"""Check the container engine; on Debian or Ubuntu as root, install and start a missing one."""

from __future__ import annotations

import argparse

from sparkyard.engine import engine


def main(argv: list[str]) -> int:
    """Make sure that an engine answers and can build the family."""
    parser = argparse.ArgumentParser(
        prog="nox -s engine --",
        description="Check the container engine. On Debian or Ubuntu, as root, a missing one is "
        "installed from the distribution's packages and started.",
    )
    parser.parse_args(argv)
    engine.ensure()
    information, buildx = engine.describe()
    print(f"Docker Engine {information['ServerVersion']}, containerd image store, {buildx.strip()}")
    return 0
