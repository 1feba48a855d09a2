"""What does a release's page show of one stack? What is drawn and counted, ready for a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkyard.console import size
from sparkyard.record import page_changes, page_layers, page_timeline, page_tree
from sparkyard.record.text import signed
from sparkyard.record.versions import versions

if TYPE_CHECKING:
    from sparkyard.record.diff import StackChanges
    from sparkyard.record.page_changes import Kind
    from sparkyard.record.page_layers import Shared
    from sparkyard.record.page_timeline import Timeline
    from sparkyard.record.page_tree import Tree
    from sparkyard.record.record import ParityRow, RecordedPair, RecordedStack

_VERDICTS = (
    ("differs", "Differ, and must agree", True, False),
    ("not known", "Not known", True, False),
    ("differs, allowed", "Differ, where they may", False, False),
    ("agrees", "Agree", False, True),
)


@dataclass(frozen=True)
class Size:
    """An image's compressed bytes now and before; None where it is not in that release."""

    name: str
    now: int | None
    was: int | None

    @property
    def delta(self) -> int | None:
        """Bytes more than before; None where there is nothing to compare."""
        return None if self.now is None or self.was is None else self.now - self.was

    @property
    def told(self) -> str:
        """The difference in words."""
        if self.was is None:
            return ""
        if self.delta is None:
            return "no longer released"
        if self.delta == 0:
            return "as before"
        share = f" ({self.delta / self.was:+.1%})".replace("-", "\u2212") if self.was else ""
        return signed(self.delta, size(abs(self.delta))) + share.replace("%", "\u202f%")


@dataclass(frozen=True)
class Rows:
    """Rows of the parity report that came to the same; `same` where both sides have one value."""

    title: str
    bad: bool
    same: bool
    rows: tuple[ParityRow, ...]

    @property
    def open(self) -> bool:
        """Whether a person should see them at once."""
        return not self.same


@dataclass(frozen=True)
class Report:
    """The parity report of a pair: one sentence on it, and its rows in groups."""

    pair: RecordedPair
    summary: str
    groups: tuple[Rows, ...]


@dataclass(frozen=True)
class StackPage:
    """What is shown of a stack.

    Attributes:
        was: the stack in the release before; None where that has no such stack.
        changes: what changed since then; None where there is nothing to compare with.
        parts: the parts of the tests that ran for any of its images.
        timeline: of its build; None where that was not timed.
    """

    stack: RecordedStack
    was: RecordedStack | None
    versions: tuple[tuple[str, str], ...]
    tree: Tree
    shared: Shared
    sizes: tuple[Size, ...]
    changes: tuple[Kind, ...] | None
    reports: tuple[Report, ...]
    parts: tuple[str, ...]
    timeline: Timeline | None


def of_stack(
    stack: RecordedStack, was: RecordedStack | None, changes: StackChanges | None
) -> StackPage:
    """Return what is shown of a stack.

    Args:
        stack: as it is released.
        was: as it was in the release before, where that has it.
        changes: what changed between the two.
    """
    build = stack.build
    return StackPage(
        stack=stack,
        was=was,
        versions=versions(stack),
        tree=page_tree.tree(stack),
        shared=page_layers.shared(stack),
        sizes=compare_sizes(stack, was),
        changes=page_changes.kinds(changes) if was and changes else None,
        reports=tuple(
            Report(pair, parity_summary(pair), parity_groups(pair))
            for pair in stack.pairs
            if pair.rows
        ),
        parts=tuple(dict.fromkeys(run.part for image in stack.images for run in image.tests)),
        timeline=page_timeline.timeline(build) if build and build.steps else None,
    )


def compare_sizes(stack: RecordedStack, was: RecordedStack | None) -> tuple[Size, ...]:
    """Return the sizes of the images of a stack, and of those that are no longer in it."""
    before = {image.name: image.compressed for image in was.images} if was else {}
    now = {image.name: image.compressed for image in stack.images}
    names = dict.fromkeys([*now, *before])
    return tuple(Size(name, now.get(name), before.get(name)) for name in names)


def parity_groups(pair: RecordedPair) -> tuple[Rows, ...]:
    """Return the rows of a parity report by what they came to, what fails first."""
    groups = (
        Rows(title, bad, same, tuple(row for row in pair.rows if row.verdict == verdict))
        for verdict, title, bad, same in _VERDICTS
    )
    return tuple(group for group in groups if group.rows)


def parity_summary(pair: RecordedPair) -> str:
    """Return one sentence on a parity report."""
    must = [row for row in pair.rows if row.must]
    good = sum(row.verdict == "agrees" for row in must)
    may = [row for row in pair.rows if not row.must]
    differ = sum(row.verdict != "agrees" for row in may)
    return (
        f"{good} of the {len(must)} rows that must agree do; of the {len(may)} that may differ, "
        f"{differ} do."
    )
