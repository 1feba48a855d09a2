"""Which of a stack's changes does a release's page list? Kind by kind, what was done to what."""

from __future__ import annotations

from dataclasses import dataclass

from sparkyard.record.diff import (
    ADDED,
    CHANGED,
    DOWN,
    KINDS,
    REMOVED,
    SAME,
    UP,
    Change,
    StackChanges,
)

_GROUPS = (
    (ADDED, "Added", "+", "good"),
    (REMOVED, "Removed", "\u2212", "bad"),
    (UP, "Up", "\u2191", "good"),
    (DOWN, "Down", "\u2193", "bad"),
    (CHANGED, "Changed", "\u2248", "soft"),
)
_OF_IMAGES = (_GROUPS[0], _GROUPS[1], (CHANGED, "Rebuilt", "\u2248", "soft"))


@dataclass(frozen=True)
class Entry:
    """A line: what changed, and from which version to which; `where` is empty for all images."""

    name: str
    versions: str
    where: str


@dataclass(frozen=True)
class Group:
    """What was done to some things; `tone` is a class of the style sheet."""

    title: str
    sign: str
    tone: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Kind:
    """The changes of one kind of things."""

    title: str
    groups: tuple[Group, ...]

    @property
    def count(self) -> int:
        """How many changes there are."""
        return sum(len(group.entries) for group in self.groups)


def kinds(changes: StackChanges) -> tuple[Kind, ...]:
    """Return the kinds that have changes, images first, then as `diff.KINDS` orders them."""
    both = tuple(image.name for image in changes.images if image.what not in (ADDED, REMOVED))
    listed = [Kind("Images", _images(changes))]
    for kind, title in KINDS.items():
        of_kind = changes.of_kind(kind)
        groups = (
            Group(
                heading,
                sign,
                tone,
                tuple(_entry(change, both) for change in of_kind if change.what == what),
            )
            for what, heading, sign, tone in _GROUPS
        )
        listed.append(Kind(title[:1].upper() + title[1:], tuple(g for g in groups if g.entries)))
    return tuple(kind for kind in listed if kind.count)


def _entry(change: Change, images: tuple[str, ...]) -> Entry:
    versions = " \u2192 ".join(version for version in (change.before, change.after) if version)
    others = [name for name in images if name not in change.images]
    if not others:
        where = ""
    elif len(others) < len(change.images):
        where = f"not in {', '.join(others)}"
    else:
        where = f"in {', '.join(change.images)}"
    return Entry(change.name, versions, where)


def _images(changes: StackChanges) -> tuple[Group, ...]:
    groups = (
        Group(
            heading,
            sign,
            tone,
            tuple(
                Entry(image.name, "", "")
                for image in changes.images
                if image.what == what and what != SAME
            ),
        )
        for what, heading, sign, tone in _OF_IMAGES
    )
    return tuple(group for group in groups if group.entries)
