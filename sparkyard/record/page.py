"""How does a release look to a person? One HTML page from its record, which needs nothing else.

The page fetches nothing: its policy forbids it, and the only script in it is named by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sparkyard.console import size
from sparkyard.record import page_changes, page_layers, page_timeline
from sparkyard.record.page_tree import BOX_HEIGHT, tree
from sparkyard.record.text import duration, moment, short, signed
from sparkyard.record.versions import versions

if TYPE_CHECKING:
    from jinja2 import Environment

    from sparkyard.record.diff import Changes
    from sparkyard.record.record import ParityRow, Record

TEMPLATES = Path(__file__).with_name("templates")
ROLES: Mapping[str, str] = {"": "", "driver": "driver", "executor": "executors"}
MOST = 20
"""Changes of one sort that a page shows before it folds the rest."""

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


def render(record: Record, previous: Record | None, changes: Changes | None) -> str:
    """Return a release's page: HTML that stands alone.

    Args:
        record: the release.
        previous: the release before it, where there is one.
        changes: what changed between the two, from diff.changes.
    """
    css, script = (
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("release.css", "release.js")
    )
    sizes = compare_sizes(record, previous)
    build = record.build
    return (
        _environment()
        .get_template("release.html")
        .render(
            name=title(record),
            record=record,
            previous=previous,
            css=_plain(css),
            script=_plain(script),
            policy=policy(script),
            facts=versions(record),
            roles=ROLES,
            tree=tree(record),
            box_height=BOX_HEIGHT,
            shared=page_layers.shared(record),
            sizes=sizes,
            scale=max((max(each.now or 0, each.was or 0) for each in sizes), default=0) or 1,
            changes=None if changes is None else page_changes.kinds(changes),
            most=MOST,
            parity=parity_groups(record),
            parity_summary=parity_summary(record),
            parts=tuple(dict.fromkeys(run.part for i in record.images for run in i.tests)),
            timeline=page_timeline.timeline(build) if build and build.steps else None,
            source_link=record.source if record.source.startswith(("https://", "http://")) else "",
        )
    )


def policy(script: str) -> str:
    """Return the page's Content-Security-Policy: no fetch at all, and no script but this one."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def title(record: Record) -> str:
    """Return what a release is called before its version: the namespace of its images."""
    paths = {image.repository.rpartition("/")[0].rpartition("/")[2] for image in record.images}
    return paths.pop().capitalize() if len(paths) == 1 and "" not in paths else "Release"


def compare_sizes(record: Record, previous: Record | None) -> tuple[Size, ...]:
    """Return the sizes of the images of a release, and of those that are no longer in it."""
    before = {image.name: image.compressed for image in previous.images} if previous else {}
    now = {image.name: image.compressed for image in record.images}
    names = dict.fromkeys([*now, *before])
    return tuple(Size(name, now.get(name), before.get(name)) for name in names)


def parity_groups(record: Record) -> tuple[Rows, ...]:
    """Return the rows of the parity report by what they came to, what fails first."""
    groups = (
        Rows(title, bad, same, tuple(row for row in record.parity if row.verdict == verdict))
        for verdict, title, bad, same in _VERDICTS
    )
    return tuple(group for group in groups if group.rows)


def parity_summary(record: Record) -> str:
    """Return one sentence on the parity report."""
    must = [row for row in record.parity if row.must]
    good = sum(row.verdict == "agrees" for row in must)
    may = [row for row in record.parity if not row.must]
    differ = sum(row.verdict != "agrees" for row in may)
    return (
        f"{good} of the {len(must)} rows that must agree do; of the {len(may)} that may differ, "
        f"{differ} do."
    )


def _plain(text: str) -> str:
    """Return our own style sheet or script as what a template takes unescaped."""
    from markupsafe import Markup  # noqa: PLC0415

    return Markup(text)  # noqa: S704 - a file of ours, no value of a record


@cache
def _environment() -> Environment:
    # It takes a while to import, and only what writes a page needs it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"size": size, "duration": duration, "moment": moment, "short": short}
    return environment
