"""Print which images would be rebuilt, and because of which input; build nothing."""

from __future__ import annotations

import json

from sparkyard import commands, console
from sparkyard.plan import plan

_NAMED = 4
"""Inputs named in the table's line of an image; --json has them all."""


def main(argv: list[str]) -> int:
    """Print the plan as a table or as JSON; nothing is built."""
    parser = commands.parser("plan", __doc__)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="images (default: all)")
    commands.add_stack(parser, several=True)
    parser.add_argument("--json", action="store_true", help="print a JSON document")
    chosen = parser.parse_args(argv)
    asked = plan.having(plan.sites(chosen.stack), chosen.images)
    plans = [plan.make(where, names) for where, names in asked]
    if chosen.json:
        print(json.dumps({"stacks": [made.as_document() for made in plans]}, indent=2))
        return 0
    rows = []
    for made in plans:
        for step in made.steps:
            more = len(step.because) - _NAMED
            because = ", ".join(step.because[:_NAMED]) + (f" and {more} more" if more > 0 else "")
            todo = "rebuild" if step.rebuild else "up to date"
            rows.append((step.image, made.project.name, todo, because))
    console.table(("image", "stack", "plan", "because of"), rows)
    return 0
