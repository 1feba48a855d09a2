"""Push the images named after --, all without a name, once their evidence is there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from sparkyard import commands, console
from sparkyard.commands import Session
from sparkyard.plan import plan
from sparkyard.push import pushing
from sparkyard.push.pushing import Pushed

_SHORT = 12
"""Digits of a digest in the table; --json has them all."""


_ALL = Session("push", "push")


def main(argv: list[str], session: Session = _ALL) -> int:
    """Push the session's image and those that are named; without any, push all.

    Raises:
        ImageMissingError: one is not built from what is checked out.
        EvidenceMissingError: one did not pass its tests, or parity.
        ImmutableTagError: a tag that never moves is taken.
        SparkyardError: the registry could not be asked, or refuses.
    """
    parser = commands.parser(session.name, __doc__)
    parser.add_argument(
        "images", nargs="*", metavar="IMAGE", help="an image, or the session that builds it"
    )
    commands.add_stack(parser, several=True)
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be sent and tagged, and do nothing"
    )
    parser.add_argument(
        "--allow-untested", action="store_true", help="push what no test vouches for"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document")
    chosen = parser.parse_args(argv)
    wanted = tuple(filter(None, (session.image, *chosen.images)))
    asked = plan.having(plan.sites(chosen.stack), wanted)
    registry = pushing.place(asked[0][0], start=False)
    untested = _warn if chosen.allow_untested else None
    groups = [pushing.collect(where, names, untested=untested) for where, names in asked]
    if not chosen.dry_run:
        registry = pushing.place(asked[0][0])
        for group in groups:  # nothing is sent before it is known that all may be
            pushing.look(registry, group)
    done: list[Pushed] = []
    for group in groups:
        if chosen.dry_run:
            done += pushing.rehearse(registry, group)
        else:
            done += pushing.send(registry, group, console.note)
    if chosen.json:
        document = {"registry": registry.host, "images": [_as_json(pushed) for pushed in done]}
        print(json.dumps(document, indent=2))
        return 0
    _show(registry.host, done, rehearsed=chosen.dry_run)
    return 0


def _warn(gap: str) -> None:
    console.note(f"WARNING: pushing what is not proven: {gap}")


def _show(host: str, done: Sequence[Pushed], *, rehearsed: bool) -> None:
    # Without a table, which takes long to draw, where there is nothing to say of an image.
    if not any(pushed.set or pushed.sent.blobs or pushed.sent.mounted for pushed in done):
        for pushed in done:
            print(f"{host}/{pushed.repository}@{pushed.digest} is there, with its tags")
        return
    console.note("nothing is changed:" if rehearsed else f"at {host} now:")
    would = "would be " if rehearsed else ""
    console.table(
        ("image", "digest", f"{would}sent", f"{would}mounted", "was there", f"{would}tagged"),
        (
            (
                pushed.repository,
                pushed.digest.removeprefix("sha256:")[:_SHORT],
                console.size(pushed.sent.bytes),
                console.size(pushed.sent.mounted_bytes),
                console.size(pushed.sent.there_bytes),
                "\n".join(pushed.set),
            )
            for pushed in done
        ),
    )


def _as_json(pushed: Pushed) -> dict[str, object]:
    return {
        "image": pushed.image.name,
        "repository": pushed.repository,
        "digest": pushed.digest,
        "immutable": list(pushed.tags.immutable),
        "moving": list(pushed.tags.moving),
        "set": list(pushed.set),
        "sent": asdict(pushed.sent),
    }
