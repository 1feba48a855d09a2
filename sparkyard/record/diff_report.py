"""How do people read what changed between two releases? As tables, or as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from sparkyard import console
from sparkyard.record.diff import KINDS, SAME, Change, Changes, ImageChanges, ParityChange, Sizes
from sparkyard.record.record import ParityRow


def show(changes: Changes) -> None:
    """Print the tables."""
    print(_headline(changes))
    for line in _summary(changes):
        print(line)
    console.table(
        ("image", "", "digest", "compressed", "unpacked", "layers kept", "layers new"),
        (_image_row(image) for image in changes.images),
    )
    for kind, title in KINDS.items():
        if found := changes.of_kind(kind):
            print(f"\n{title}: {_counts(found)}")
            console.table(
                ("", "before", "after", "", "in"), (_row(change, changes) for change in found)
            )
    if changes.parity:
        print("\nparity")
        console.table(("row", "before", "after"), map(_parity_row, changes.parity))


def markdown(changes: Changes, level: int = 2) -> str:
    """Return the changes as Markdown, with headings of that level; ends in a line's end."""
    heading = "#" * level
    lines = [f"{heading} Changes since {changes.before}", ""]
    lines += [f"- {_escaped(line)}" for line in _summary(changes)]
    titles = ("image", "", "compressed", "unpacked", "layers kept", "layers new")
    rows = [(row[0], row[1], *row[3:]) for row in map(_image_row, changes.images)]
    lines += ["", *_table(titles, rows)]
    for kind, title in KINDS.items():
        if found := changes.of_kind(kind):
            lines += ["", f"{heading}# {title[0].upper()}{title[1:]}", "", f"{_counts(found)}.", ""]
            rows = [_row(change, changes) for change in found]
            lines += _table(("", "before", "after", "", "in"), rows)
    if changes.parity:
        lines += ["", f"{heading}# Parity", ""]
        lines += _table(("row", "before", "after"), map(_parity_row, changes.parity))
    return "\n".join(lines) + "\n"


def _headline(changes: Changes) -> str:
    return f"{changes.before} -> {changes.after}"


def _summary(changes: Changes) -> list[str]:
    same = sum(image.what == SAME for image in changes.images)
    layers = changes.layers
    lines = [
        f"commit {changes.revision_before[:12]} -> {changes.revision_after[:12]}",
        f"size {_size(changes.sizes)}, each layer counted once",
        f"layers: {layers.shared} kept ({console.size(layers.shared_bytes)}), "
        f"{layers.new} new ({console.size(layers.new_bytes)}), "
        f"{layers.gone} gone ({console.size(layers.gone_bytes)})",
    ]
    if changes.stack_before != changes.stack_after:
        lines.insert(0, f"stack {changes.stack_before} -> {changes.stack_after}")
    if changes.images and same == len(changes.images):
        lines.append("no image changed")
    elif not changes.packages:
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


def _counts(found: Iterable[Change]) -> str:
    counts: dict[str, int] = {}
    for change in found:
        counts[change.what] = counts.get(change.what, 0) + 1
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _row(change: Change, changes: Changes) -> tuple[str, ...]:
    compared = [
        image.name for image in changes.images if image.digest_before and image.digest_after
    ]
    everywhere = len(compared) > 1 and set(change.images) == set(compared)
    images = "all images" if everywhere else ", ".join(change.images)
    return change.name, change.before, change.after, change.what, images


def _parity_row(change: ParityChange) -> tuple[str, str, str]:
    return change.name, _told(change.before), _told(change.after)


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
