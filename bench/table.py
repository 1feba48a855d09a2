"""How are measures written down, and what was the machine?"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sparkyard import console, paths
from sparkyard.command import run
from sparkyard.engine import engine


@dataclass(frozen=True)
class Measure:
    """One line of the bench table: `value` in `unit`, and what it is aimed to be at most."""

    name: str
    value: float
    unit: str
    aim: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the aim is reached; empty without one."""
        return "" if self.aim is None else ("reached" if self.value <= self.aim else "missed")


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    information, buildx = engine.describe()
    revision = run(["git", "rev-parse", "--short", "HEAD"], cwd=paths.ROOT, check=False).stdout
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "revision": revision.strip(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(information["MemTotal"]) / 2**30, 1),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "engine": information["ServerVersion"],
        "buildx": buildx.split()[1] if len(buildx.split()) > 1 else buildx.strip(),
    }


def write(measures: list[Measure], facts: dict[str, Any], directory: Path) -> Path:
    """Write the results as JSON and as Markdown, and return the Markdown file."""
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{facts['date']}-{facts['revision']}"
    rows = [{**asdict(row), "verdict": row.verdict} for row in measures]
    document = {"machine": facts, "measures": rows}
    (directory / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    lines = ["| measure | value | aim | |", "|---|---:|---:|---|"]
    lines += [f"| {' | '.join(cells(row))} |" for row in measures]
    about = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts.items())
    file = directory / f"{name}.md"
    file.write_text("\n".join([f"Measured by `nox -s bench`: {about}.", "", *lines, ""]))
    return file


def cells(row: Measure) -> tuple[str, str, str, str]:
    """Return a measure as the cells of a table."""
    aim = "" if row.aim is None else f"<= {_number(row.aim, row.unit)}"
    return row.name, _number(row.value, row.unit), aim, row.verdict


def _number(value: float, unit: str) -> str:
    if unit == "B":
        return console.size(value)
    return f"{value:.0f} %" if unit == "%" and value >= 10 else f"{value:.2f} {unit}"
