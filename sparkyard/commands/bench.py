"""`nox -s bench`: measure builds and images, and write bench/results/."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from sparkyard import bench, console, engine, paths


def main(argv: list[str]) -> int:
    """Measure, print the table, and write it down with the machine's facts."""
    parser = argparse.ArgumentParser(
        prog="nox -s bench --",
        description="Measure builds and image sizes as ratios in one run. Takes some minutes, and "
        "empties the engine's build cache for the cold build.",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document")
    chosen = parser.parse_args(argv)
    engine.ensure()
    facts = bench.machine()
    measures = bench.measure()
    file = bench.write(measures, facts, paths.ROOT / "bench" / "results")
    if chosen.json:
        print(json.dumps({"machine": facts, "measures": [asdict(row) for row in measures]}))
    else:
        console.table(("measure", "value", "aim", ""), map(bench.cells, measures))
    console.note(f"written to {file.relative_to(paths.ROOT)} and .json")
    return 0
