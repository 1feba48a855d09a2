"""How does a release read on a forge? Its record as Markdown, with the commands to copy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sparkyard.console import size
from sparkyard.record import page, page_changes, page_layers
from sparkyard.record.text import duration, moment
from sparkyard.record.versions import versions

if TYPE_CHECKING:
    from sparkyard.record.diff import Changes
    from sparkyard.record.record import Record, RecordedImage

MOST = 30
"""Changes of one sort that are shown before the rest is folded."""

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_TICKS = re.compile(r"`+")


def render(record: Record, previous: Record | None, changes: Changes | None) -> str:
    """Return a release's page as Markdown, in the dialect of GitHub and GitLab.

    Args:
        record: the release.
        previous: the release before it, where there is one.
        changes: what changed between the two, from diff.changes.
    """
    sections = (
        _head(record),
        _untested(record),
        _pull(record.images),
        _sizes(record, previous),
        _parity(record),
        _tests(record),
        _sboms(record),
        _build(record),
        _verify(record),
        _changes(record, previous, changes),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _head(record: Record) -> list[str]:
    inside = ", ".join(f"{name} {version}" for name, version in versions(record))
    branch = f" on {text(record.branch)}" if record.branch else ""
    commit = f"from commit {code(record.revision[:12])}{branch}"
    return [
        f"# {text(page.title(record))} {text(record.version)}",
        "",
        f"Stack {text(record.stack)}{': ' + text(inside) if inside else ''}.",
        f"Released {text(moment(record.released))} {commit}.",
    ]


def _untested(record: Record) -> list[str]:
    if not record.untested:
        return []
    names = ", ".join(text(name) for name in record.untested)
    return [f"> **Warning: released without tests.** No evidence was asked for {names}."]


def _pull(images: Iterable[RecordedImage]) -> list[str]:
    lines = ["## Images"]
    for image in images:
        role = f" ({page.ROLES[image.role]})" if image.role else ""
        lines += [
            "",
            f"**{text(image.name)}**{role}: {text(image.summary)}",
            "",
            *fence(f"docker pull {image.repository}@{image.digest}"),
        ]
    return lines


def _sizes(record: Record, previous: Record | None) -> list[str]:
    shared = page_layers.shared(record)
    unpacked = {image.name: size(image.unpacked) for image in record.images}
    rows = [
        (
            text(each.name),
            "" if each.now is None else size(each.now),
            unpacked.get(each.name, ""),
            each.told or ("new" if previous else ""),
        )
        for each in page.compare_sizes(record, previous)
    ]
    titles = ["Image", "Sent", "Unpacked", f"Against {previous.version}" if previous else ""]
    wanted = 4 if previous else 3
    return [
        "## Sizes",
        "",
        *table([text(title) for title in titles[:wanted]], [row[:wanted] for row in rows]),
        "",
        f"All layers once are {size(shared.stored)}; unshared they would be {size(shared.alone)}.",
    ]


def _parity(record: Record) -> list[str]:
    lines = ["## Parity of driver and executors", ""]
    if not record.parity:
        return [*lines, "No parity report belongs to this release."]
    lines.append(page.parity_summary(record))
    rows = [
        (text(row.name), text(row.driver), text(row.executors), text(row.verdict))
        for row in record.parity
        if row.verdict != "agrees"
    ]
    return lines + (["", *table(("What", "Driver", "Executors", "Verdict"), rows)] if rows else [])


def _tests(record: Record) -> list[str]:
    rows = [
        (text(image.name), text(run.part), str(run.passed), str(run.failed), str(run.skipped),
         duration(run.seconds))
        for image in record.images
        for run in image.tests
    ]  # fmt: skip
    if not rows:
        return ["## Tests", "", "No run of tests vouches for these images."]
    titles = ("Image", "Part", "Passed", "Failed", "Skipped", "Took")
    return ["## Tests", "", *table(titles, rows)]


def _sboms(record: Record) -> list[str]:
    rows = [
        (
            text(image.name),
            f"{sbom.covered / sbom.files:.1%}" if sbom.files else "no files",
            str(sbom.packages),
            f"{code(sbom.spdx)} {code(sbom.cyclonedx)}",
        )
        for image in record.images
        if (sbom := image.sbom)
    ]
    if not rows:
        return ["## SBOMs", "", "No bill of materials was made for this release."]
    return ["## SBOMs", "", *table(("Image", "Files covered", "Packages", "Documents"), rows)]


def _build(record: Record) -> list[str]:
    if record.build is None or not record.build.steps:
        return ["## Build", "", "The build of these images was not timed."]
    cached = sum(step.cached for step in record.build.steps)
    ran = len(record.build.steps) - cached
    took = duration(record.build.seconds)
    return ["## Build", "", f"It took {took}: {ran} steps ran, {cached} came from the cache."]


def _verify(record: Record) -> list[str]:
    return ["## Verify", "", *fence(f"nox -s verify -- {record.version}")]


def _changes(record: Record, previous: Record | None, changes: Changes | None) -> list[str]:
    if previous is None or changes is None:
        told = (
            f"The record of {text(record.previous)} was not at hand."
            if record.previous
            else "This is the first release: everything in it is new."
        )
        return ["## What changed", "", told]
    lines = [f"## What changed since {text(previous.version)}"]
    kinds = page_changes.kinds(changes)
    if not kinds:
        return [*lines, "", "No package, jar or image differs."]
    for kind in kinds:
        lines += ["", f"### {kind.title} ({kind.count})"]
        for group in kind.groups:
            entries = [_entry(entry) for entry in group.entries]
            lines += ["", f"{group.title}:", "", *entries[:MOST]]
            if rest := entries[MOST:]:
                summary = f"<details><summary>{len(rest)} more</summary>"
                lines += ["", summary, "", *rest, "", "</details>"]
    return lines


def _entry(entry: page_changes.Entry) -> str:
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
