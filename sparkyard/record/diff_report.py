"""How do people read what changed between two releases? As tables, or as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from sparkyard import console
from sparkyard.record.diff import (
    ADDED,
    CHANGED,
    KINDS,
    REMOVED,
    SAME,
    Change,
    Changes,
    ImageChanges,
    ParityChange,
    Sizes,
    StackChanges,
)
from sparkyard.record.record import ParityRow


def show(changes: Changes) -> None:
    """Print the tables."""
    print(f"{changes.before} -> {changes.after}")
    print(_commits(changes))
    for stack in changes.stacks:
        print(f"\n{_named(stack)}")
        for line in _summary(stack):
            print(line)
        console.table(
            ("image", "", "digest", "compressed", "unpacked", "layers kept", "layers new"),
            map(_image_row, stack.images),
        )
        for kind, title in KINDS.items():
            if changed := stack.of_kind(kind):
                print(f"\n{title}: {_counts(changed)}")
                rows = (_row(change, stack) for change in changed)
                console.table(("", "before", "after", "", "in"), rows)
        if stack.parity:
            print("\nparity")
            console.table(("row", "before", "after"), _parity_rows(stack.parity))


def markdown(changes: Changes, level: int = 2) -> str:
    """Return the changes as Markdown, with headings of that level; ends in a line's end."""
    heading = "#" * level
    lines = [f"{heading} Changes since {changes.before}", "", f"- {_commits(changes)}"]
    for stack in changes.stacks:
        lines += ["", f"{heading}# {_escaped(_named(stack))}", ""]
        lines += [f"- {_escaped(line)}" for line in _summary(stack)]
        titles = ("image", "", "compressed", "unpacked", "layers kept", "layers new")
        rows = [(row[0], row[1], *row[3:]) for row in map(_image_row, stack.images)]
        lines += ["", *_table(titles, rows)]
        for kind, title in KINDS.items():
            if changed := stack.of_kind(kind):
                lines += ["", f"{heading}## {title[0].upper()}{title[1:]}", ""]
                lines += [f"{_counts(changed)}.", ""]
                rows = [_row(change, stack) for change in changed]
                lines += _table(("", "before", "after", "", "in"), rows)
        if stack.parity:
            lines += ["", f"{heading}## Parity", ""]
            lines += _table(("row", "before", "after"), _parity_rows(stack.parity))
    return "\n".join(lines) + "\n"


def _commits(changes: Changes) -> str:
    return f"commit {changes.revision_before[:12]} -> {changes.revision_after[:12]}"


def _named(stack: StackChanges) -> str:
    if stack.what in (ADDED, REMOVED):
        return f"stack {stack.name}, {stack.what}"
    return "stack " + " -> ".join(dict.fromkeys((stack.before, stack.after)))


def _summary(stack: StackChanges) -> list[str]:
    layers = stack.layers
    lines = [
        f"size {_size(stack.sizes)}, each layer counted once",
        f"layers: {layers.shared} kept ({console.size(layers.shared_bytes)}), "
        f"{layers.new} new ({console.size(layers.new_bytes)}), "
        f"{layers.gone} gone ({console.size(layers.gone_bytes)})",
    ]
    if stack.what == SAME:
        lines.append("no image changed")
    elif stack.what == CHANGED and not stack.packages:
        lines.append("no package changed")
    return lines


def _image_row(image: ImageChanges) -> tuple[str, ...]:
    sizes = image.sizes
    return (
        image.name,
        image.what,
        " -> ".join(
            digest.removeprefix("sha256:")[:12]
            for digest in dict.fromkeys((image.digest_before, image.digest_after))
            if digest
        ),
        _grown(sizes.compressed_before, sizes.compressed_after),
        _grown(sizes.unpacked_before, sizes.unpacked_after),
        f"{image.layers.shared} ({console.size(image.layers.shared_bytes)})",
        f"{image.layers.new} ({console.size(image.layers.new_bytes)})",
    )


def _size(sizes: Sizes) -> str:
    return (
        f"{_grown(sizes.compressed_before, sizes.compressed_after)} compressed, "
        f"{_grown(sizes.unpacked_before, sizes.unpacked_after)} unpacked"
    )


def _grown(before: int, after: int) -> str:
    """Return a size with how much it changed."""
    if before == after:
        return console.size(after)
    sign = "+" if after > before else "-"
    return f"{console.size(after)} ({sign}{console.size(abs(after - before))})"


def _counts(changed: Iterable[Change]) -> str:
    counts: dict[str, int] = {}
    for change in changed:
        counts[change.what] = counts.get(change.what, 0) + 1
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _row(change: Change, stack: StackChanges) -> tuple[str, ...]:
    compared = [image.name for image in stack.images if image.digest_before and image.digest_after]
    everywhere = len(compared) > 1 and set(change.images) == set(compared)
    images = "all images" if everywhere else ", ".join(change.images)
    return change.name, change.before, change.after, change.what, images


def _parity_rows(changed: Iterable[ParityChange]) -> list[tuple[str, str, str]]:
    """Return a line a row; with several pairs each says of which driver it is."""
    changed = tuple(changed)
    several = len({(row.driver, row.executors) for row in changed}) > 1
    return [
        (
            f"{row.driver}: {row.name}" if several else row.name,
            _told(row.before),
            _told(row.after),
        )
        for row in changed
    ]


def _told(row: ParityRow | None) -> str:
    if row is None:
        return "-"
    both = row.driver if row.driver == row.executors else f"{row.driver} / {row.executors}"
    return f"{both}: {row.verdict}"


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    titles = tuple(titles)
    return [
        f"| {' | '.join(titles)} |",
        f"|{'---|' * len(titles)}",
        *(f"| {' | '.join(map(_escaped, row))} |" for row in rows),
    ]


def _escaped(text: str) -> str:
    """Return a text in which Markdown sees neither a cell's end nor marks nor HTML."""
    for mark in "\\`*_|<>[]":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
