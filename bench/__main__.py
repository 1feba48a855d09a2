"""What does `nox -s bench` run: which parts has it, and where do the figures go?"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from bench import builds, push, table
from bench.table import Measure
from sparkyard import commands, console, paths
from sparkyard.commands import bench as session
from sparkyard.engine import engine
from sparkyard.errors import UnknownNameError
from sparkyard.names import nearest


def _on_kubernetes() -> list[Measure]:
    # Only here: the client of Kubernetes is slow to import, and the other parts need no cluster.
    from bench.kubernetes import measures  # noqa: PLC0415

    return measures.measure()


PARTS = {"builds": builds.measure, "push": push.measure, "kubernetes": _on_kubernetes}
DEFAULT = ("push", "builds")
"""In this order: pushes while the family's layers are all there."""


def main(argv: list[str]) -> int:
    """Measure, print the table, and write it down with the machine's facts."""
    parser = commands.parser("bench", session.__doc__)
    parser.add_argument(
        "part",
        nargs="*",
        help=f"only these of {', '.join(PARTS)}; pushes and kubernetes need the family built "
        f"(default: {' and '.join(DEFAULT)})",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document")
    chosen = parser.parse_args(argv)
    for part in chosen.part:
        if part not in PARTS:
            raise UnknownNameError(f'There is no part "{part}" of the bench.', nearest(part, PARTS))
    engine.ensure()
    facts = table.machine()
    wanted = chosen.part or DEFAULT
    measures = [measure for part in wanted for measure in PARTS[part]()]
    file = table.write(measures, facts, paths.ROOT / "bench" / "results")
    if chosen.json:
        print(json.dumps({"machine": facts, "measures": [asdict(row) for row in measures]}))
    else:
        console.table(("measure", "value", "aim", ""), map(table.cells, measures))
    console.note(f"written to {file.relative_to(paths.ROOT)} and .json")
    return 0


if __name__ == "__main__":
    sys.exit(console.exit_code(main, sys.argv[1:]))
