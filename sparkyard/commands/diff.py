"""Print what changed between two releases, stack by stack: packages, layers, sizes, parity."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sparkyard import commands, versions
from sparkyard.errors import UnknownNameError, VersionError
from sparkyard.family import projects
from sparkyard.names import nearest
from sparkyard.plan import plan
from sparkyard.record import diff
from sparkyard.record import io as record_io
from sparkyard.record.record import Record


def main(argv: list[str]) -> int:
    """Print what changed, as tables or for machines; return 0 whether something did or not.

    Raises:
        UnknownNameError: neither release has the image or the stack that was asked for.
        SparkyardError: a release cannot be had, or is none.
    """
    chosen = _parse(argv)
    before, after = (_record(named) for named in (chosen.before, chosen.after))
    changes = diff.changes(before, after)
    only = "" if chosen.stack == projects.ALL else chosen.stack
    stacks = [name for of in changes.stacks for name in (of.before, of.after) if name]
    images = [image.name for of in changes.stacks for image in of.images]
    for what, name, names in (("stack", only, stacks), ("image", chosen.image, images)):
        if name and name not in names:
            raise UnknownNameError(
                f'Neither {changes.before} nor {changes.after} has the {what} "{name}".',
                nearest(name, names),
            )
    changes = changes.only(stack=only, image=chosen.image)
    if chosen.json:
        print(json.dumps(changes.as_document(), indent=2))
        return 0
    # Tables are slow to import, and the JSON does without.
    from sparkyard.record import diff_report  # noqa: PLC0415

    if chosen.markdown:
        print(diff_report.markdown(changes), end="")
    else:
        diff_report.show(changes)
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = commands.parser(
        "diff",
        __doc__,
        epilog="A release is its version, or a file release.json.",
    )
    parser.add_argument("before", metavar="BEFORE", help="the earlier release")
    parser.add_argument("after", metavar="AFTER", help="the later release")
    parser.add_argument("--image", default="", help="only what concerns this image")
    commands.add_stack(parser, projects.ALL, several=True)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print a JSON document")
    how.add_argument("--markdown", action="store_true", help="print Markdown")
    return parser.parse_args(argv)


def _record(named: str) -> Record:
    if not versions.is_version(named) and Path(named).is_file():
        return record_io.read(Path(named))
    try:
        version = str(versions.parse(named))
    except VersionError as error:
        raise VersionError(
            f"{error.what[:-1]}, and no file of that name is there.",
            f"{error.remedy} Or name a file release.json.",
        ) from error
    from sparkyard.release import releases  # noqa: PLC0415 - files need no registry

    return releases.load(plan.site(), version)
