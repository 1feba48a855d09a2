"""Remove the images and caches that Sparkyard has made on this machine."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable

from sparkyard import commands, console, evidence, paths
from sparkyard.builds import turn
from sparkyard.engine import engine
from sparkyard.family import projects
from sparkyard.fetch import store
from sparkyard.plan import plan


def main(argv: list[str]) -> int:
    """Remove images, and with --cache all that makes the next build quick."""
    parser = commands.parser("clean", __doc__)
    parser.add_argument(
        "--old", action="store_true", help="only builds that no moving tag names any more"
    )
    parser.add_argument(
        "--cache",
        action="store_true",
        help="also the engine's whole build cache, the base image and the collected facts; the "
        "evidence of tests and the store of fetched files stay",
    )
    parser.add_argument(
        "--store",
        action="store_true",
        help="also the Debian packages that were fetched for builds; those that the archive has "
        "deleted are lost then",
    )
    chosen = parser.parse_args(argv)
    with turn.taken():  # what a build has made and not named yet must not go under its hands
        _clean(chosen)
    return 0


def _clean(chosen: argparse.Namespace) -> None:
    images = _images(plan.sites(projects.ALL))
    if chosen.old:
        newest = {digest for tag, digest in images.items() if not _build_of(tag)}
        images = {tag: digest for tag, digest in images.items() if digest not in newest}
    if images:
        engine.client("image", "rm", "--force", *images)
    console.note(f"removed {len(images)} image tags")
    if chosen.cache:
        ended = engine.client("buildx", "prune", "--all", "--force")
        console.note((ended.stdout.strip().splitlines() or ["the build cache was empty"])[-1])
        for place in paths.cache().glob("*"):
            if place.name not in (evidence.DIRECTORY, store.NAME, turn.NAME):
                shutil.rmtree(place) if place.is_dir() else place.unlink()
    kept = store.size()
    held = f"{kept.files} fetched files, {console.size(kept.octets)}, in {store.directory()}"
    if chosen.store:
        shutil.rmtree(store.directory(), ignore_errors=True)
        console.note(f"removed {held}")
    elif kept.files:
        console.note(f"kept {held}; --store removes them")


def _images(sites: Iterable[plan.Site]) -> dict[str, str]:
    """Return the digest of each tag in the family's repositories."""
    named = (where.name(image.name) for where in sites for image in where.family.published)
    wanted = {name.rpartition(":")[0] for name in named}
    form = "{{.Repository}}:{{.Tag}} {{.ID}}"
    listed = engine.client("image", "ls", "--no-trunc", "--format", form)
    pairs = [line.split() for line in listed.stdout.splitlines()]
    return {tag: digest for tag, digest in pairs if tag.rpartition(":")[0] in wanted}


def _build_of(tag: str) -> str:
    """Return what follows the stack's or project's name in a tag: nothing for a moving tag."""
    name = tag.rpartition(":")[2]
    names = sorted((*projects.stacks(), *projects.others()), key=len, reverse=True)
    return name.removeprefix(next((known for known in names if name.startswith(known)), ""))
