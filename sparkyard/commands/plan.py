"""Print which images would be rebuilt, and because of which input; build nothing."""

from __future__ import annotations

from sparkyard import commands, console
from sparkyard.plan import plan

_NAMED = 4
"""Inputs named in the table's line of an image; --json has them all."""


def main(argv: list[str]) -> int:
    """Print the plan as a table or as JSON; nothing is built."""
    parser = commands.parser("plan", __doc__)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="images (default: all)")
    commands.add_stack(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON document")
    chosen = parser.parse_args(argv)
    made = plan.make(plan.site(chosen.stack), tuple(chosen.images))
    if chosen.json:
        print(made.as_json())
        return 0
    rows = []
    for step in made.steps:
        more = len(step.because) - _NAMED
        because = ", ".join(step.because[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        rows.append((step.image, "rebuild" if step.rebuild else "up to date", because))
    console.table(("image", "plan", "because of"), rows)
    return 0
