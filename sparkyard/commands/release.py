"""Release the family under the version named after --, on all stacks, all of it or nothing.

All images are pushed by digest and read back, the release's record is written, then the tags move
and the commit is tagged. An interrupted release goes on with the same command; until the record is
written there is no release.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sparkyard import commands, console, git, paths, tags, versions
from sparkyard.errors import GitError
from sparkyard.family import projects
from sparkyard.git import Checkout
from sparkyard.plan import plan
from sparkyard.record.record import Record
from sparkyard.release import bundle, candidates, naming, releases, releasing, signing_key
from sparkyard.release.candidates import Request, StackCandidates
from sparkyard.release.releases import Place, ReleaseFiles
from sparkyard.release.releasing import Desk, Unit

DIRECTORY = paths.BUILD / "releases"
"""Where the files of each release are put for looking at them."""


def main(argv: list[str]) -> int:
    """Release what is built and proven; go on with a release that was interrupted.

    Raises:
        SparkyardError: what stands in the way; nothing was released then, unless it says so.
    """
    chosen = _parse(argv)
    version = tags.check_version(chosen.version)
    sites = plan.sites(chosen.stack or projects.ALL)
    checkout = git.checkout()
    if chosen.push:
        git.require_origin(version)
    place = releases.place(sites[0], start=True)
    place.registry.ping()
    desk = Desk(place, console.note, chosen.take_over)
    if chosen.complete:
        return _finish(chosen, place, releasing.go_on(desk, version, None))
    git.require_branch(checkout)
    git.require_clean(checkout)
    stacks = candidates.built(sites)
    if chosen.dry_run and place.has(version):
        return _dry_run(place, version, (), as_json=chosen.json)
    if place.has(version):
        done = releasing.go_on(desk, version, _digests(stacks))
    else:
        if chosen.push:
            git.agree_with_origin(version, checkout.revision)
        _check(place, version, checkout)
        _prove(stacks, allow_untested=chosen.allow_untested)
        if chosen.dry_run:
            return _dry_run(place, version, stacks, as_json=chosen.json)
        done = _begin(Request(place, version, checkout, stacks), desk)
    return _finish(chosen, place, done)


def _finish(chosen: argparse.Namespace, place: Place, done: ReleaseFiles) -> int:
    """Tag the commit, and show what was released."""
    record, version = done.record, done.record.version
    made = git.tag(version, record.revision, f"Release {version}\n\n{_indexes(record)}\n")
    console.note(f"git tag {version} {'made' if made else 'was there'} at {record.revision[:12]}")
    if chosen.push:
        git.push_tag(version)
    _show(place, record, _export(version, done.files), as_json=chosen.json)
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = commands.parser("release", __doc__)
    parser.add_argument("version", help="the version, after semver.org: 1.4.0, 1.5.0-rc.1")
    commands.add_stack(parser, projects.ALL, several=True)
    parser.add_argument("--push", action="store_true", help="push the git tag to origin, too")
    parser.add_argument(
        "--allow-untested", action="store_true",
        help="release images that nothing was proven of; the record says so for good",
    )  # fmt: skip
    parser.add_argument(
        "--take-over", action="store_true",
        help="take over from another command that publishes here and died",
    )  # fmt: skip
    parser.add_argument(
        "--complete", action="store_true",
        help="complete the tags of a release whose record stands, whatever is checked out or built",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="check everything, send nothing")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser.parse_args(argv)


def _check(place: Place, version: str, checkout: Checkout) -> None:
    """Check that the version is the next one, here and in the registry.

    A git tag of that version at this commit is no hindrance: the same commit may be released to
    several registries.

    Raises:
        VersionError: it is not above the last.
        GitError: its git tag names another commit, or git does not know who makes one.
    """
    git.require_identity()
    there = git.tagged(version)
    if there and there != checkout.revision:
        raise GitError(
            f"The git tag {version} names {there[:12]}, and HEAD is {checkout.revision[:12]}.",
            "Check out the commit that is tagged, or take the next version.",
        )
    versions.check_above(version, (*place.versions(), *(t for t in git.tags() if t != version)))


def _prove(stacks: Sequence[StackCandidates], *, allow_untested: bool) -> None:
    if not allow_untested:
        candidates.require_proven(stacks)
    elif missing := [on.site.with_stack(name) for on in stacks for name in on.untested()]:
        console.note("=" * 72)
        console.note(f"UNTESTED: nothing vouches for {', '.join(missing)}.")
        console.note("The record of this release will say so, for good (--allow-untested).")
        console.note("=" * 72)


def _begin(request: Request, desk: Desk) -> ReleaseFiles:
    key = signing_key.ensure(request.stacks[0].site.settings)
    ready = bundle.make(request, key, desk.tell)
    return releasing.publish(
        desk, ready, lambda: _check(desk.place, request.version, request.checkout)
    )


def _digests(stacks: Sequence[StackCandidates]) -> dict[Unit, str]:
    return {
        (on.site.project.name, name): digest for on in stacks for name, digest in on.digests.items()
    }


def _dry_run(
    place: Place, version: str, stacks: Sequence[StackCandidates], *, as_json: bool
) -> int:
    pushed = [
        f"{place.repository(name)}@{digest}" for (_, name), digest in _digests(stacks).items()
    ]
    record = f"{place.host}/{place.releases}:{version}"
    if as_json:
        print(json.dumps({"version": version, "record": record, "would_push": pushed}, indent=2))
    elif not stacks:
        print(f"{version} is released; would complete what is missing of its tags")
    else:
        print("\n".join(f"would push {reference}" for reference in pushed))
        print(f"would write {record}, then move the tags")
    return 0


def _export(version: str, files: Mapping[str, bytes]) -> Path:
    directory = DIRECTORY / version
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (directory / Path(name).name).write_bytes(data)
    return directory


def _indexes(record: Record) -> str:
    return "\n".join(f"{image.repository}@{image.index}" for image in record.images)


def _show(place: Place, record: Record, directory: Path, *, as_json: bool) -> None:
    images = [
        (stack, image, f"{image.repository}:{naming.of_release(record, stack, image)[0]}")
        for stack in record.stacks
        for image in stack.images
    ]
    if as_json:
        document = {
            "version": record.version,
            "revision": record.revision,
            "record": f"{place.host}/{place.releases}:{record.version}",
            "untested": list(record.untested),
            "images": {
                stack.with_stack(image.name): {
                    "stack": stack.name,
                    "reference": reference,
                    "digest": image.digest,
                    "index": image.index,
                }
                for stack, image, reference in images
            },
        }
        print(json.dumps(document, indent=2))
        return
    console.table(
        ("image", "digest", "size"),
        (
            (reference, image.index, console.size(image.compressed))
            for _, image, reference in images
        ),
    )
    shown = directory.relative_to(paths.ROOT)
    print(f"\nreleased {record.version}: {place.host}/{place.releases}:{record.version}")
    print(f"to look at it: {shown / releases.PAGE}; to check it: nox -s verify -- {record.version}")
