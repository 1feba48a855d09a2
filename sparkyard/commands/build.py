"""Build images and what they stand on: those that are named, all without a name."""

from __future__ import annotations

import argparse

from sparkyard import console
from sparkyard.builds.build import Built, build
from sparkyard.engine import engine
from sparkyard.plan.plan import site


def main(argv: list[str]) -> int:
    """Build the image that the session `argv[0]` is for; no image builds all."""
    session, options = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else ("", argv)
    parser = argparse.ArgumentParser(
        prog=f"nox -s {session or 'build'} --",
        description="Build the image and all that it stands on, as far as inputs have changed.",
    )
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="more images to build with it")
    parser.add_argument(
        "--stack", default="", help="a stack of conf/stacks (default: images.toml's)"
    )
    parser.add_argument("--no-cache", action="store_true", help="make everything anew")
    chosen = parser.parse_args(options)
    wanted = ((session,) if session else ()) + tuple(chosen.images)
    _show(build(site(chosen.stack), wanted, no_cache=chosen.no_cache))
    return 0


def _show(built: Built) -> None:
    rebuilt = {step.image for step in built.plan.rebuilds}
    if not rebuilt:
        for step in built.plan.steps:
            print(f"{step.moving} is up to date")
        return
    present = engine.inspect(step.moving for step in built.plan.steps)
    console.table(
        ("image", "tag", "size", ""),
        (
            (
                step.moving,
                step.reference.rpartition(":")[2],
                console.size(present[step.moving]["Size"]),
                "built" if step.image in rebuilt else "was up to date",
            )
            for step in built.plan.steps
        ),
    )
    print(f"{built.seconds:.1f} s")
