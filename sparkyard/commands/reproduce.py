"""Build the family twice without cache, and compare the images bit by bit.

The second build is made by an engine of its own, under another host name and on one processor. No
tag moves.
"""

from __future__ import annotations

from pathlib import Path

from sparkyard import commands, console
from sparkyard.builds import reproduce, turn
from sparkyard.plan import plan


def main(argv: list[str]) -> int:
    """Build twice, print what came out, and fail where the two differ."""
    parser = commands.parser("reproduce", __doc__)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="only these (default: all)")
    commands.add_stack(parser)
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")
    parser.add_argument(
        "--second-engine", default="", metavar="HOST",
        help="DOCKER_HOST of the engine for the second build (default: one is started for it)",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, default=reproduce.DATA, metavar="DIRECTORY",
        help="where that engine's data is meanwhile, about 15 GB (default: /var/tmp)",
    )  # fmt: skip
    chosen = parser.parse_args(argv)
    with turn.taken():
        (where, names), *others = plan.having(plan.sites(chosen.stack), chosen.images)
        if chosen.images and others:
            parser.error("these images are of different projects: reproduce those of one at a time")
        reproduced = reproduce.reproduce(
            where, names, second=chosen.second_engine, place=chosen.data
        )
    if chosen.json:
        print(reproduced.as_json())
    else:
        console.table(
            ("image", "first build", "second build", ""),
            (
                (i.image, _short(i.first), _short(i.second), "same" if i.same else "DIFFERENT")
                for i in reproduced.images
            ),
        )
        print(f"{reproduced.seconds[0]:.0f} s and {reproduced.seconds[1]:.0f} s")
    reproduce.check(reproduced)
    return 0


def _short(digest: str) -> str:
    return digest[: len("sha256:") + 16]
