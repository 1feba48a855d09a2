"""How does a plan become images: all of its tags or none, and none of inputs that changed."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sparkyard import console, paths
from sparkyard.builds import bake, progress, supply, timeline
from sparkyard.builds.failure import explain
from sparkyard.command import run
from sparkyard.engine import engine
from sparkyard.errors import BuildFailedError, EngineMissingError
from sparkyard.plan import base_image, inputs, plan
from sparkyard.plan.plan import Plan, Site
from sparkyard.plan.targets import UV
from sparkyard.record.record import RecordedBuild
from sparkyard.settings import ca_bundle

LOG = paths.BUILD / "build.log"


@dataclass(frozen=True)
class Built:
    """What a build did: the plan it carried out and how long that took, in seconds."""

    plan: Plan
    seconds: float


def build(where: Site, wanted: tuple[str, ...], *, no_cache: bool = False) -> Built:
    """Build the named images and what they stand on, as far as they are not up to date.

    The caller has its turn (turn.py), and has had it since before it read `where`.
    Images get their tags only after all of them are built. An interrupted or failed build leaves
    what it finished in the engine's cache, from which the same command goes on.

    Args:
        where: what is built, for which site.
        wanted: names of images or of their sessions; all published when empty.
        no_cache: make everything anew, also what is up to date.

    Raises:
        BuildFailedError: an input was changed during the build; no image got a name.
        SparkyardError: what stopped the build; see failure.py.
    """
    started = time.monotonic()
    try:
        planned = plan.make(where, wanted)
    except EngineMissingError:
        # What cannot be had is known in seconds, and an engine takes a minute to install.
        images = plan.published(where.family, wanted)
        supply.provide(where, images, bootstrap=not base_image.pinned(where.project))
        engine.ensure()
        planned = plan.make(where, wanted)
    if planned.rebuilds or no_cache:
        ca_bundle(where.settings)  # refuses a bundle that cannot be used before anything is made
        engine.ensure()
        base = supply.base(where, (step.image for step in planned.steps))
        planned = plan.make(where, wanted, base)
        if no_cache:
            planned = planned.all_anew()
    made = None
    if planned.rebuilds:  # once the base is known, there may be nothing left to do
        _place_uv()
        bake.write_mirrors(where.settings)
        file = bake.write(bake.definition(planned, where, base))
        with _no_new_names(step.reference for step in planned.rebuilds):
            made = _bake(file, no_cache=no_cache)
            _require_same_inputs(planned, plan.make(plan.site(where.project.name), wanted, base))
        _tag(planned)
    if made:
        inspected = engine.inspect(step.reference for step in planned.rebuilds)
        timeline.keep(made, (image["Id"] for image in inspected.values()))
    return Built(planned, time.monotonic() - started)


def _bake(file: Path, *, no_cache: bool) -> RecordedBuild:
    """Build what a definition says, and return which step of it ran when."""
    argv = ["docker", "buildx", "bake", "--file", str(file)]
    argv += ["--no-cache"] if no_cache else []
    # Else the engine also exports each layer, which is built for others alone, as a nameless image.
    os.environ["BUILDX_NO_DEFAULT_LOAD"] = "1"
    ended = progress.run(argv, LOG, terminal=sys.stderr.isatty() and not os.environ.get("CI"))
    if ended.exit_code != 0:
        raise explain(LOG.read_text(errors="replace"))
    return ended.build


def _require_same_inputs(planned: Plan, now: Plan) -> None:
    """Refuse images that may be of other inputs than those that name them."""
    pairs = [(planned.targets.inputs(s.image), now.targets.inputs(s.image)) for s in now.steps]
    if names := sorted({name for before, after in pairs for name in inputs.changed(before, after)}):
        raise BuildFailedError(
            f"{console.some(names)} changed while images were built: none got its name.",
            "Run the same command again: what was built is kept.",
        )


def _tag(planned: Plan) -> None:
    """Let the moving tags name the new images, after every image was found in the engine."""
    references = [step.reference for step in planned.steps]
    missing = set(references) - engine.inspect(references).keys()
    if missing:
        raise BuildFailedError(
            f"The build ended well, but the engine does not have {', '.join(sorted(missing))}.",
            "Run the same command again; if it stays so, look at the engine's log.",
        )
    before = engine.inspect(step.moving for step in planned.steps)
    try:
        for step in planned.steps:
            run(["docker", "tag", step.reference, step.moving])
    except BaseException:
        # All or none: Ctrl-C reaches `docker tag` as well.
        for step in planned.steps:
            if step.moving in before:
                run(["docker", "tag", before[step.moving]["Id"], step.moving], check=False)
            else:
                run(["docker", "image", "rm", step.moving], check=False)
        raise


@contextmanager
def _no_new_names(references: Iterable[str]) -> Iterator[None]:
    """If the block fails, take away those of the images' names that were not there before.

    The engine names an image before it unpacks it, and one image while others still fail.
    """
    wanted = set(references)
    new = wanted - engine.inspect(wanted).keys()
    try:
        yield
    except BaseException:
        run(["docker", "image", "rm", *sorted(new)], check=False)
        raise


def _place_uv() -> None:
    """Put the locked uv where builds mount it from: it installs packages and is in no image."""
    source = Path(sys.executable).with_name("uv")
    target = UV / "uv"
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.stat().st_size != source.stat().st_size:
        shutil.copy2(source, target)
