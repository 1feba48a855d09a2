"""Write what each image is made of, as SPDX and CycloneDX, and the share of files covered."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sparkyard import commands, console, paths
from sparkyard.command import run
from sparkyard.facts import facts
from sparkyard.facts.identity import ImageIdentity
from sparkyard.plan import plan
from sparkyard.release import collect
from sparkyard.sbom import sbom
from sparkyard.sbom.components import KINDS
from sparkyard.sbom.sbom import Sbom

SHOWN = 20
"""Paths that the table is followed by; --json prints all that were noted."""


def main(argv: list[str]) -> int:
    """Write both documents of each image, print what they account for, and return 0.

    Raises:
        VerificationError: a document that was made is not valid.
        SparkyardError: an image is not there or cannot be looked into.
    """
    options = _parse(argv)
    written = []
    named = {reference: _stem(reference) for reference in options.image}
    for reference, stem in (named or _family(options.stack)).items():
        identity = facts.resolve(reference)
        made = sbom.of_image(identity, options.created or created_of(identity))
        packages = collect.packages(facts.collect(identity.digest))
        sbom.check(made.spdx, made.cyclonedx, made.digest, packages)
        written.append((reference, made, _write(options.output, stem, made)))
    if options.json:
        print(json.dumps([_as_json(*each) for each in written], indent=2))
    else:
        _show(written)
    return 0


def created_of(identity: ImageIdentity) -> str:
    """Return when an image was made, as its label or else its configuration says, RFC 3339."""
    labelled = identity.labels.get("org.opencontainers.image.created")
    form = ["--format", "{{.Created}}"]
    return labelled or run(["docker", "image", "inspect", *form, identity.digest]).stdout.strip()


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = commands.parser("sbom", __doc__)
    parser.add_argument("image", nargs="*", help="default: the family's published images")
    parser.add_argument(
        "--output", type=Path, default=paths.BUILD / "sbom", metavar="DIRECTORY",
        help="where the documents are written (default: build/sbom)",
    )  # fmt: skip
    parser.add_argument("--created", default="", help="the documents' time (default: the image's)")
    commands.add_stack(parser, several=True)
    parser.add_argument("--json", action="store_true", help="print the counts for machines")
    return parser.parse_args(argv)


def _family(stack: str) -> dict[str, str]:
    """Return the references of the family's images, each with what its documents are called."""
    return {
        where.name(image.name): where.with_stack(image.name)
        for where in plan.sites(stack)
        for image in where.family.published
    }


def _stem(reference: str) -> str:
    return reference.rsplit("/", 1)[-1].partition("@")[0].partition(":")[0]


def _write(directory: Path, stem: str, made: Sbom) -> list[str]:
    directory.mkdir(parents=True, exist_ok=True)
    files = {f"{stem}.spdx.json": made.spdx, f"{stem}.cdx.json": made.cyclonedx}
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return [str(directory / name) for name in files]


def _as_json(reference: str, made: Sbom, files: list[str]) -> dict[str, object]:
    covered = made.coverage
    return {
        "image": reference,
        "digest": made.digest,
        "files": files,
        "packages": made.kinds(),
        "coverage": {
            "share": covered.share,
            "files": covered.files,
            "covered": covered.covered,
            "bytes": covered.bytes_total,
            "bytes_covered": covered.bytes_covered,
            "rules": dict(covered.rules),
            "unaccounted": list(covered.unaccounted),
        },
    }


def _show(written: list[tuple[str, Sbom, list[str]]]) -> None:
    rows = []
    for reference, made, _ in written:
        kinds, covered = made.kinds(), made.coverage
        share = f"{covered.covered} of {covered.files}"
        counts = [str(kinds[kind]) for kind in KINDS]
        rows.append([reference, *counts, share, f"{covered.share:.3%}"])
    console.table(["image", *KINDS, "files", "share"], rows)
    for reference, made, files in written:
        left = made.coverage.files - made.coverage.covered
        if left:
            print(f"\n{reference}: {left} files that no component accounts for")
            print("\n".join(f"  {path}" for path in made.coverage.unaccounted[:SHOWN]))
            if left > SHOWN:
                print(f"  ... and {left - SHOWN} more")
        print("\n".join(f"wrote {name}" for name in files))
