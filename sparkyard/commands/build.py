"""Build images and what they stand on: those that are named, all without a name.

Only those are built whose inputs have changed.
"""

from __future__ import annotations

from sparkyard import commands, console
from sparkyard.builds import turn
from sparkyard.builds.build import Built, build
from sparkyard.commands import Session
from sparkyard.engine import engine
from sparkyard.plan import plan

_ALL = Session("build", "build")


def main(argv: list[str], session: Session = _ALL) -> int:
    """Build the session's image and those that are named; without any, build all."""
    parser = commands.parser(session.name, __doc__)
    parser.add_argument(
        "images", nargs="*", metavar="IMAGE", help="an image, or the session that builds it"
    )
    commands.add_stack(parser, several=True)
    parser.add_argument("--no-cache", action="store_true", help="make everything anew")
    parser.add_argument(
        "--locked", action="store_true",
        help="refuse, instead of renewing the locks, where locked Debian packages are gone",
    )  # fmt: skip
    chosen = parser.parse_args(argv)
    wanted = tuple(filter(None, (session.image, *chosen.images)))
    with turn.taken():
        done = []
        for where, names in plan.having(plan.sites(chosen.stack, locked=chosen.locked), wanted):
            built = build(where, names, no_cache=chosen.no_cache)
            done.append((where, built, plan.other_half(where, built.plan)))
    for where, built, other in done:
        _show(built)
        if other:
            console.note(
                f"{other.image} does not go with this build ({console.some(other.because)}): "
                f"run `{where.build_command(other.image)}`, too"
            )
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
