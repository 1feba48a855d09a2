"""Print the tags of the built images, computed by looking into them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from sparkyard import commands, console, evidence, tags
from sparkyard.plan import plan
from sparkyard.plan.plan import INPUTS_LABEL, Site
from sparkyard.tags import Tagged

_LABELS = ("org.opencontainers.image.", f"{plan.LABEL}.")


def main(argv: list[str]) -> int:
    """Print the tags, the labels and the evidence of each built image; nothing is tagged.

    Raises:
        InspectionError: a fact that a tag needs is not known.
        UnknownNameError: there is no image of that name.
        VersionError: the version is none.
    """
    parser = commands.parser("tags", __doc__)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="images (default: all)")
    parser.add_argument("--version", default="", help="as if they were released under it")
    commands.add_stack(parser, several=True)
    parser.add_argument("--json", action="store_true", help="print a JSON document")
    chosen = parser.parse_args(argv)
    if chosen.version:
        tags.check_version(chosen.version)  # before all that takes longer
    documents, lines = [], []
    absent: dict[str, str] = {}
    for where, names in plan.having(plan.sites(chosen.stack), chosen.images):
        tagged = tags.of_site(where, names, chosen.version)
        documents += [as_json(one) for one in tagged]
        parts = where.settings.evidence_parts
        lines += [(one, evidence.needed(where.family, one.image.name, parts)) for one in tagged]
        absent |= _not_built(where, names, {one.image.name for one in tagged})
    if chosen.json:
        print(json.dumps({"images": documents, "not_built": absent}, indent=2))
        return 0
    for one, needed in lines:
        _show(one, needed)
    for name, command in absent.items():
        console.note(f"{name} is not built: {command}")
    return 0


def _not_built(where: Site, names: Iterable[str], built: Collection[str]) -> dict[str, str]:
    """Return the command that builds each image which was asked for and is not there."""
    asked = {where.family.find(name).name for name in names}
    return {
        where.with_stack(image.name): where.build_command(image.name)
        for image in where.family.published
        if image.name not in built and (not asked or image.name in asked)
    }


def as_json(tagged: Tagged) -> dict[str, object]:
    """Return all that is printed of one image, ready for `json.dumps`."""
    return {
        "image": tagged.image.name,
        "reference": tagged.identity.reference,
        "digest": tagged.identity.digest,
        "current": tagged.current,
        "tags": [{"tag": tag, "kind": kind, "from": source} for tag, kind, source in _rows(tagged)],
        "labels": labels(tagged),
        "evidence": {
            known.part: {"good": known.good, **_counts(known), "at": known.at}
            for known in evidence.of(tagged.identity.digest)
        },
    }


def labels(tagged: Tagged) -> dict[str, str]:
    """Return an image's labels without the long list of its inputs, which the plan shows."""
    return {
        name: value
        for name, value in sorted(tagged.identity.labels.items())
        if name.startswith(_LABELS) and name != INPUTS_LABEL
    }


def _rows(tagged: Tagged) -> list[tuple[str, str, str]]:
    kinds = (("immutable", tagged.tags.immutable), ("moving", tagged.tags.moving))
    return [(tag, kind, tagged.tags.sources[tag]) for kind, some in kinds for tag in some]


def _show(tagged: Tagged, needed: tuple[str, ...]) -> None:
    print(f"{tagged.identity.reference}\n{tagged.identity.digest}")
    if not tagged.current:
        print("The checkout would build another image now: this one bears no commit and no branch.")
    console.table(("tag", "kind", "computed from"), _rows(tagged))
    print()
    console.table(("label", "value"), labels(tagged).items())
    print()
    known = {one.part: one for one in evidence.of(tagged.identity.digest)}
    rows = []
    for part in dict.fromkeys((*needed, *known)):
        one = known.get(part)
        if one is None:
            rows.append((part, "not proven", "", evidence.COMMANDS[part]))
            continue
        counts = ", ".join(f"{count} {name}" for name, count in _counts(one).items())
        rows.append((part, "proven" if one.good else "failed", counts, one.at))
    console.table(("evidence", "", "", ""), rows)
    print()


def _counts(known: evidence.Evidence) -> dict[str, int]:
    return {"passed": known.passed, "failed": known.failed, "skipped": known.skipped}
