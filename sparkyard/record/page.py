"""How does a release look to a person? One HTML page from its record, which needs nothing else.

The page fetches nothing: its policy forbids it, and the only script in it is named by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sparkyard.console import size
from sparkyard.record import diff, page_stack
from sparkyard.record.page_tree import BOX_HEIGHT
from sparkyard.record.text import duration, moment, short

if TYPE_CHECKING:
    from jinja2 import Environment

    from sparkyard.record.page_stack import StackPage
    from sparkyard.record.record import Record

TEMPLATES = Path(__file__).with_name("templates")
MOST = 20
"""Changes of one sort that a page shows before it folds the rest."""


def render(record: Record, previous: Record | None) -> str:
    """Return a release's page: HTML that stands alone.

    Args:
        record: the release.
        previous: the release before it, where there is one.
    """
    css, script = (
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("release.css", "release.js")
    )
    shown = stack_pages(record, previous)
    bars = [octets or 0 for of in shown for bar in of.sizes for octets in (bar.now, bar.was)]
    return (
        _environment()
        .get_template("release.html")
        .render(
            name=title(record),
            record=record,
            previous=previous,
            stacks=shown,
            several=len(shown) > 1,
            gone=gone(record, previous),
            version_names=dict.fromkeys(name for of in shown for name, _ in of.versions),
            parts=dict.fromkeys(part for of in shown for part in of.parts),
            css=_plain(css),
            script=_plain(script),
            policy=policy(script),
            box_height=BOX_HEIGHT,
            scale=max(bars, default=0) or 1,
            most=MOST,
            source_link=record.source if record.source.startswith(("https://", "http://")) else "",
        )
    )


def stack_pages(record: Record, previous: Record | None) -> tuple[StackPage, ...]:
    """Return what is shown of each stack of a release."""
    if previous is None:
        return tuple(page_stack.of_stack(stack, None, None) for stack in record.stacks)
    changes = {changed.after: changed for changed in diff.changes(previous, record).stacks}
    return tuple(
        page_stack.of_stack(stack, was, changes[stack.name])
        for was, stack in diff.matched(previous, record)
        if stack
    )


def gone(record: Record, previous: Record | None) -> tuple[str, ...]:
    """Return the names of the stacks that are no longer released."""
    pairs = diff.matched(previous, record) if previous else ()
    return tuple(was.name for was, stack in pairs if was and not stack)


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
