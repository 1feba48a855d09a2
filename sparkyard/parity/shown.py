"""How does a report of parity read: as a table, as JSON, and as the error that it ends in?"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import rich.table
from rich import box
from rich.console import Console
from rich.text import Text

from sparkyard import paths
from sparkyard.errors import ParityError
from sparkyard.facts import layers
from sparkyard.parity import may_differ
from sparkyard.parity.parity import Report
from sparkyard.parity.rows import Row, Verdict, listed
from sparkyard.parity.rule import DRIVER, EXECUTORS, MUST, NOTHING, Table

if TYPE_CHECKING:
    from sparkyard.parity.live import LiveRow
    from sparkyard.parity.live_result import Found

FAILING, ALL = "failing", "all"
"""Which rows are shown, where it is not what differs."""

NAMED = 6
"""Failing rows of one group that are told one by one; more are gathered by where they are."""

TOLD = 5
"""Failing rows that the error names; the table has all."""

PIPED_WIDTH = 200
"""Columns when no terminal says how wide it is: room for a row on one line, mostly."""

WIDE = 140
"""Columns from which where a fact was read stands in a column of its own."""

LONG_HASH = re.compile(r"\b[0-9a-f]{40,64}\b")

MARKS = {
    Verdict.AGREES: ("ok", "green"),
    Verdict.ALLOWED: ("may", "dim"),
    Verdict.DIFFERS: ("FAIL", "bold red"),
    Verdict.UNKNOWN: ("FAIL", "bold red"),
}


def failure(driver: str, executors: str, report: Report) -> ParityError:
    """Return the error that a report with failures ends in: what differs, and where to look."""
    rows = gathered(report.failures)
    # One of each group first: another Java is many other files, too.
    groups = {row.group or row.name: row for row in reversed(rows)}
    first = [row for row in rows if row in groups.values()][:TOLD]
    first += [row for row in rows if row not in first][: TOLD - len(first)]
    named = [f"{row.name} ({_short(row.driver)} / {_short(row.executors)})" for row in first]
    more = len(rows) - len(named)
    told = "; ".join(named) + (f"; and {more} more" if more else "")
    count = len(report.failures)
    sides = {row.look_at for row in report.failures}
    words = report.table.words
    blamed = " and ".join(
        f"{image} (the {word})"
        for side, word, image in zip((DRIVER, EXECUTORS), words, (driver, executors), strict=True)
        if side in sides
    )
    return ParityError(
        f"The {words[0]} {driver} and the {words[1]} {executors} differ in {count} "
        f"{'fact' if count == 1 else 'facts'} that must be equal: {told}.",
        f"Look at {blamed} first. {report.table.remedy}",
    )


def as_json(
    driver: str, executors: str, report: Report, shared: layers.LayerComparison
) -> dict[str, object]:
    """Return the whole report with nothing abbreviated, ready for `json.dumps`.

    The keys "driver" and "executors" are of the first and the second image of any table.
    """
    return {
        "driver": driver,
        "executors": executors,
        "are": report.table.words,
        "holds": report.holds,
        "summary": report.summary,
        "layers": {
            "shared": [dataclasses.asdict(layer) for layer in shared.shared],
            "only_driver": [dataclasses.asdict(layer) for layer in shared.only_driver],
            "only_executors": [dataclasses.asdict(layer) for layer in shared.only_executors],
        },
        "rows": [_row_json(row) for row in report.rows],
    }


def live_json(
    context: str, namespace: str, found: Found, rows: Sequence[LiveRow]
) -> dict[str, object]:
    """Return the report of pods, ready for `json.dumps`."""
    report = Report(tuple(each.row for each in rows))
    return {
        "context": context,
        "namespace": namespace,
        "driver": {"pod": found.driver.subject, "images": list(found.driver_images)},
        "executors": {"pods": sorted(found.executors), "images": list(found.executor_images)},
        "holds": report.holds,
        "summary": report.summary,
        "rows": [{**_row_json(each.row), "pods": list(each.pods)} for each in rows],
    }


def live_lines(where: str, found: Found) -> list[str]:
    """Return what stands above the table of pods."""
    return [
        f"cluster    {where}",
        f"driver     {found.driver.subject}: {', '.join(found.driver_images)}",
        f"executors  {', '.join(sorted(found.executors))}: {', '.join(found.executor_images)}",
    ]


def _row_json(row: Row) -> dict[str, object]:
    return {
        **dataclasses.asdict(row),
        "policy": row.policy.value,
        "verdict": row.verdict.value,
        "fails": row.fails,
    }


def show(
    driver: str,
    executors: str,
    report: Report,
    shared: layers.LayerComparison,
    which: str = "",
) -> None:
    """Print the table: what fails first, then what may differ, then how many rows agree.

    Args:
        driver: the first image.
        executors: the second.
        report: what was found.
        shared: the layers of both.
        which: FAILING for those rows alone, ALL for those that agree, too.
    """
    first, second = report.table.words
    lines = [f"{first:<9}  {driver}", f"{second:<9}  {executors}", _layers_line(report, shared)]
    show_rows(lines, report, which)


def show_rows(lines: Sequence[str], report: Report, which: str = "") -> None:
    """Print lines and the table below them; see `show`."""
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH, color_system=None)
    print("\n".join(lines))
    if report.own_lines:
        print(f"own rules  {report.own_lines} of {may_differ.OWN.relative_to(paths.ROOT)}")
    chosen = gathered(report.failures)
    if which != FAILING:
        chosen += [row for row in report.rows if row.verdict is Verdict.ALLOWED]
        chosen += [row for row in report.rows if row.verdict is Verdict.AGREES and which == ALL]
    if chosen:
        console.print(_table(chosen, console, report.table))
    print(report.summary + ("" if which else " (-v: those that agree, too)"))
    sys.stdout.flush()


def _table(rows: Iterable[Row], console: Console, rules: Table) -> rich.table.Table:
    wide = console.width >= WIDE
    table = rich.table.Table(
        box=box.SIMPLE if console.is_terminal else None, pad_edge=False, padding=(0, 1)
    )
    table.add_column("", no_wrap=True)
    limit = console.width // 5  # what the three leave is for the reason
    table.add_column("fact", max_width=limit, overflow="fold")
    for word in rules.words:
        table.add_column(word, max_width=limit, overflow="fold")
    table.add_column("rule and reason")
    if wide:
        table.add_column("read from")
        table.add_column("layers", no_wrap=True)
    for row in rows:
        mark, style = MARKS[row.verdict]
        one, other = _short(row.driver), _short(row.executors)
        proven = "proven" if row.proven_by_layers else ""
        reason = f"{'must' if row.policy is MUST else 'may differ'}: {row.why}"
        if not wide:
            reason += f" [{row.read_from}{'; proven by layers' if proven else ''}]"
        cells = [
            Text(mark, style),
            Text(row.name, style if row.fails else ""),
            Text(one),
            Text(other if other != one or row.fails else "="),
            Text(reason, "dim"),
        ]
        table.add_row(*cells, *([Text(row.read_from, "dim"), Text(proven)] if wide else []))
    return table


def _layers_line(report: Report, shared: layers.LayerComparison) -> str:
    proven = sum(row.proven_by_layers for row in report.rows)
    first, second = report.table.words
    return (
        f"layers     {len(shared.shared)} of {len(shared.executors)} in the {second} are in the "
        f"{first}, too ({_bytes(shared.shared)}); {len(shared.only_executors)} are not "
        f"({_bytes(shared.only_executors)}); they prove {proven} rows before a look inside"
    )


def _bytes(some: tuple[layers.Layer, ...]) -> str:
    unpacked, compressed = layers.size_of(some), layers.compressed_size_of(some)
    text = "size not known" if unpacked is None else f"{unpacked / 1e6:.1f} MB"
    return text if compressed is None else f"{text}, {compressed / 1e6:.1f} MB compressed"


def _short(text: str) -> str:
    """Return a value with its hashes cut to the 12 digits that engines show."""
    return LONG_HASH.sub(lambda match: match.group()[:12], text)


def gathered(rows: Sequence[Row]) -> list[Row]:
    """Return failing rows: each by itself where a group has few, else by what they have in common.

    A row of many says how many there are and the first names. Versions come first: another Python,
    Java or Spark is many other files and packages, too.
    """
    groups: dict[str, list[Row]] = {}
    for number, row in enumerate(sorted(rows, key=lambda row: not row.name.endswith(" version"))):
        groups.setdefault(row.group or str(number), []).append(row)
    return [row for members in groups.values() for row in _few(members)]


def _few(rows: list[Row]) -> list[Row]:
    if len(rows) <= NAMED:
        return rows
    for depth in (8, 6, 5, 4, 3, 2, 0):
        places: dict[tuple[str, bool, bool], list[Row]] = {}
        for row in rows:
            place = "/".join(row.name.split("/")[:depth])
            one_sided = row.driver in NOTHING, row.executors in NOTHING
            places.setdefault((place, *one_sided), []).append(row)
        if len(places) <= NAMED:
            break
    return [
        members[0] if len(members) == 1 else _together(place, members)
        for (place, *_), members in places.items()
    ]


def _together(place: str, rows: list[Row]) -> Row:
    first = rows[0]
    named = f"{first.group} in {place[place.index('/') :]}" if "/" in place else first.group
    names = [row.name.rpartition(" ")[2] for row in rows]

    def told(values: list[str]) -> str:
        there = sum(value not in NOTHING for value in values)
        return f"{there}: {listed(names)}" if there else values[0]

    return dataclasses.replace(
        first,
        name=named,
        driver=told([row.driver for row in rows]),
        executors=told([row.executors for row in rows]),
    )
