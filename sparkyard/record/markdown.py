"""How does a release read on a forge? Its record as Markdown, with the commands to copy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sparkyard.console import size
from sparkyard.record import page
from sparkyard.record.text import duration, moment

if TYPE_CHECKING:
    from sparkyard.record.page_changes import Entry
    from sparkyard.record.page_stack import StackPage
    from sparkyard.record.record import Record

MOST = 30
"""Changes of one sort that are shown before the rest is folded."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_TICKS = re.compile(r"`+")


def render(record: Record, previous: Record | None) -> str:
    """Return a release's page as Markdown, in the dialect of GitHub and GitLab.

    Args:
        record: the release.
        previous: the release before it, where there is one.
    """
    shown = page.stack_pages(record, previous)
    sections = (
        _head(record, shown),
        _untested(record),
        *_of_stacks("## Images", shown, _pull),
        *_of_stacks("## Sizes", shown, partial(_sizes, previous)),
        *_of_stacks("## Parity of driver and executors", shown, _parity),
        *_of_stacks("## Tests", shown, _tests),
        *_of_stacks("## SBOMs", shown, _sboms),
        *_of_stacks("## Build", shown, _build),
        ["## Verify", "", *fence(f"nox -s verify -- {record.version}")],
        *_changes(record, previous, shown),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _of_stacks(
    heading: str, shown: Sequence[StackPage], part: Callable[[StackPage], list[str]]
) -> Iterator[list[str]]:
    """Give a section: its heading, and a part of each stack, by name if there are several."""
    yield [heading]
    for of_stack in shown:
        yield [f"### {text(of_stack.stack.name)}"] if len(shown) > 1 else []
        yield part(of_stack)


def _head(record: Record, shown: Sequence[StackPage]) -> list[str]:
    lines = [f"# {text(page.title(record))} {text(record.version)}", ""]
    if len(shown) == 1:
        inside = ", ".join(f"{name} {version}" for name, version in shown[0].versions)
        lines += [f"Stack {text(shown[0].stack.name)}{': ' + text(inside) if inside else ''}."]
    else:
        names = dict.fromkeys(name for of_stack in shown for name, _ in of_stack.versions)
        titles = ["", *(text(of_stack.stack.name) for of_stack in shown)]
        rows = [
            [text(name), *(text(dict(of_stack.versions).get(name, "")) for of_stack in shown)]
            for name in names
        ]
        lines += [*table(titles, rows), ""]
    branch = f" on {text(record.branch)}" if record.branch else ""
    commit = f"from commit {code(record.revision[:12])}{branch}"
    return [*lines, f"Released {text(moment(record.released))} {commit}."]


def _untested(record: Record) -> list[str]:
    if not record.untested:
        return []
    names = ", ".join(text(name) for name in record.untested)
    return [f"> **Warning: released without tests.** No evidence was asked for {names}."]


def _pull(shown: StackPage) -> list[str]:
    lines: list[str] = []
    for image in shown.stack.images:
        role = shown.stack.role(image.name)
        lines += [
            *([""] if lines else []),
            f"**{text(image.name)}**{f' ({role})' if role else ''}: {text(image.summary)}",
            "",
            *fence(f"docker pull {image.repository}@{image.digest}"),
        ]
    return lines


def _sizes(previous: Record | None, shown: StackPage) -> list[str]:
    unpacked = {image.name: size(image.unpacked) for image in shown.stack.images}
    rows = [
        (
            text(image.name),
            "" if image.now is None else size(image.now),
            unpacked.get(image.name, ""),
            image.told or ("new" if previous else ""),
        )
        for image in shown.sizes
    ]
    titles = ["Image", "Sent", "Unpacked", f"Against {previous.version}" if previous else ""]
    wanted = 4 if previous else 3
    stored, alone = size(shown.shared.stored), size(shown.shared.alone)
    return [
        *table([text(title) for title in titles[:wanted]], [row[:wanted] for row in rows]),
        "",
        f"All layers once are {stored}; unshared they would be {alone}.",
    ]


def _parity(shown: StackPage) -> list[str]:
    if not shown.reports:
        return ["No parity report belongs to this release."]
    lines: list[str] = []
    for report in shown.reports:
        pair = report.pair
        named = (
            f"{text(pair.driver)} and {text(pair.executors)}: " if len(shown.reports) > 1 else ""
        )
        lines += [*([""] if lines else []), f"{named}{report.summary}"]
        rows = [
            (text(row.name), text(row.driver), text(row.executors), text(row.verdict))
            for row in pair.rows
            if row.verdict != "agrees"
        ]
        lines += ["", *table(("What", "Driver", "Executors", "Verdict"), rows)] if rows else []
    return lines


def _tests(shown: StackPage) -> list[str]:
    rows = [
        (text(image.name), text(run.part), str(run.passed), str(run.failed), str(run.skipped),
         duration(run.seconds))
        for image in shown.stack.images
        for run in image.tests
    ]  # fmt: skip
    if not rows:
        return ["No run of tests vouches for these images."]
    return table(("Image", "Part", "Passed", "Failed", "Skipped", "Took"), rows)


def _sboms(shown: StackPage) -> list[str]:
    rows = [
        (
            text(image.name),
            f"{sbom.covered / sbom.files:.1%}" if sbom.files else "no files",
            str(sbom.packages),
            f"{code(sbom.spdx)} {code(sbom.cyclonedx)}",
        )
        for image in shown.stack.images
        if (sbom := image.sbom)
    ]
    if not rows:
        return ["No bill of materials was made for this release."]
    return table(("Image", "Files covered", "Packages", "Documents"), rows)


def _build(shown: StackPage) -> list[str]:
    build = shown.stack.build
    if build is None or not build.steps:
        return ["The build of these images was not timed."]
    cached = sum(step.cached for step in build.steps)
    ran = len(build.steps) - cached
    return [f"It took {duration(build.seconds)}: {ran} steps ran, {cached} came from the cache."]


def _changes(
    record: Record, previous: Record | None, shown: Sequence[StackPage]
) -> Iterator[list[str]]:
    if previous is None:
        yield ["## What changed"]
        yield [
            f"The record of {text(record.previous)} was not at hand."
            if record.previous
            else "This is the first release: everything in it is new."
        ]
        return
    several = len(shown) > 1
    heading = f"## What changed since {text(previous.version)}"
    yield from _of_stacks(heading, shown, partial(_changes_of, "####" if several else "###"))
    yield [f"The stack {text(name)} is no longer released." for name in page.gone(record, previous)]


def _changes_of(heading: str, shown: StackPage) -> list[str]:
    if shown.changes is None:
        return ["The release before has no such stack: everything in it is new."]
    lines: list[str] = []
    for kind in shown.changes:
        lines += [*([""] if lines else []), f"{heading} {kind.title} ({kind.count})"]
        for group in kind.groups:
            entries = [_entry(entry) for entry in group.entries]
            lines += ["", f"{group.title}:", "", *entries[:MOST]]
            if rest := entries[MOST:]:
                summary = f"<details><summary>{len(rest)} more</summary>"
                lines += ["", summary, "", *rest, "", "</details>"]
    return lines or ["No package, jar or image differs."]


def _entry(entry: Entry) -> str:
    where = f" {text(entry.where)}" if entry.where else ""
    return f"- {text(entry.name)} {text(entry.versions)}".rstrip() + where


def text(value: str) -> str:
    """Return a value as text that no forge takes for markup, a mention or HTML."""
    # A forge finds mentions after it has read the markup, so that no backslash helps there.
    return _SPECIAL.sub(r"\\\1", " ".join(value.split())).replace("@", "@\u2060")


def code(value: str) -> str:
    """Return a value as a code span, whatever is in it."""
    value = " ".join(value.split()).replace("|", "\\|")
    longest = max((len(ticks) for ticks in _TICKS.findall(value)), default=0)
    mark = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{mark}{pad}{value}{pad}{mark}"


def fence(command: str) -> list[str]:
    """Return a command in a block of its own, from which a forge lets people copy it."""
    command = " ".join(command.split())
    longest = max((len(ticks) for ticks in _TICKS.findall(command)), default=0)
    mark = "`" * max(3, longest + 1)
    return [f"{mark}sh", command, mark]


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, of cells that are Markdown already."""
    lines = [titles, ["---"] * len(titles), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
