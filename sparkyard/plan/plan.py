"""Which images would a build make anew, and because of which input?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sparkyard import settings
from sparkyard.engine import engine
from sparkyard.family import images, projects
from sparkyard.family.images import Family
from sparkyard.family.projects import Project
from sparkyard.locks import current
from sparkyard.plan import base_image, inputs
from sparkyard.plan.base_image import BaseImage
from sparkyard.plan.inputs import Inputs
from sparkyard.plan.targets import Targets
from sparkyard.settings import Settings

LABEL = "io.sparkyard"
INPUTS_LABEL = f"{LABEL}.inputs"
UNKNOWN_BASE = BaseImage("target:debian", "not made yet")


@dataclass(frozen=True)
class Step:
    """What is to happen to one image.

    Attributes:
        reference: the tag that names this content and no other.
        moving: the tag that names the newest build of the stack.
        rebuild: whether there is anything to do.
        because: the inputs that changed since the image that `moving` names was built, or the
            one fact that makes a build necessary; empty when there is nothing to do.
    """

    image: str
    reference: str
    moving: str
    fingerprint: str
    rebuild: bool
    because: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The steps for the images that were asked for, parents first."""

    project: Project
    targets: Targets
    steps: tuple[Step, ...]

    @property
    def rebuilds(self) -> tuple[Step, ...]:
        """The steps that have something to do."""
        return tuple(step for step in self.steps if step.rebuild)

    def all_anew(self) -> Plan:
        """Return the plan in which every image is made again."""
        return replace(
            self,
            steps=tuple(
                step if step.rebuild else replace(step, rebuild=True, because=("it was asked for",))
                for step in self.steps
            ),
        )

    def as_document(self) -> dict[str, object]:
        """Return the plan ready for `json.dumps`."""
        return {"stack": self.project.name, "images": [asdict(step) for step in self.steps]}


@dataclass(frozen=True)
class Site:
    """What a plan is made for, read from files: the family, the settings, and the project.

    That is a stack's, or one that no stack owns.
    """

    family: Family
    project: Project
    settings: Settings

    @property
    def repository(self) -> str:
        """The registry and namespace before each image's name."""
        namespace = self.settings.namespace or self.family.namespace
        return "/".join(part for part in (self.settings.registry, namespace) if part)

    def name(self, image: str, tag: str = "") -> str:
        """Return the reference of an image, by default with the stack's moving tag."""
        return f"{self.repository}/{image}:{tag or self.project.name}"

    @property
    def is_default(self) -> bool:
        """Whether names go without the stack's: the default one's do, and what no stack owns."""
        return self.project.name == self.family.default_stack or not self.project.is_stack

    def with_stack(self, name: str) -> str:
        """Return a name as it is told from those of other stacks: the default stack's is bare."""
        return name if self.is_default else f"{name}-{self.project.name}"

    def build_command(self, image: str) -> str:
        """Return the command that builds an image here."""
        of_stack = "" if self.is_default else f" -- --stack {self.project.name}"
        return f"nox -s {self.family[image].session}{of_stack}"


def site(stack_name: str = "", *, locked: bool = False) -> Site:
    """Read the files that describe what can be built; `stack_name` defaults to images.toml's.

    Args:
        stack_name: the stack.
        locked: let no build renew a lock, whatever the setting says.
    """
    family = images.load()
    return _site(family, stack_name or family.default_stack, _settings(locked=locked))


def sites(stack_name: str = "", *, locked: bool = False) -> tuple[Site, ...]:
    """Return the site of each stack that a name means, then those of projects that no stack owns.

    "all" means all stacks, the default one first; the name of such a project means it alone.

    Args: as of `site`.
    """
    family, read = images.load(), _settings(locked=locked)
    names = [stack_name or family.default_stack]
    if stack_name == projects.ALL:
        names = [family.default_stack, *projects.stacks()]
    if stack_name not in family.projects:
        names += family.projects
    return tuple(_site(family, name, read) for name in dict.fromkeys(names))


def having(known: Sequence[Site], wanted: Sequence[str]) -> list[tuple[Site, tuple[str, ...]]]:
    """Return the sites that have some of the named images, each with the names that it has.

    Without a name, all sites are returned.

    Raises:
        UnknownNameError: a name is on none of them.
    """
    for name in wanted:
        if not any(name in where.family for where in known):
            known[0].family.find(name)
    chosen = [(where, tuple(n for n in wanted if n in where.family)) for where in known]
    return [(where, names) for where, names in chosen if names or not wanted]


def _settings(*, locked: bool) -> Settings:
    read = settings.load()
    return replace(read, locked=read.locked or locked)


def _site(family: Family, name: str, read: Settings) -> Site:
    return Site(family.on(name), projects.load(name), read)


def make(where: Site, wanted: tuple[str, ...], base: BaseImage | None = None) -> Plan:
    """Return the plan for the named images and the published ones that they stand on.

    Args:
        where: what is built, for which site.
        wanted: names of images or of the sessions that build them; all published when empty.
        base: the base that a build just provided; what the last one used when not given.

    Raises:
        StaleLockError: a lock or an export does not belong to its declaration.
        UnknownNameError: an image, a stack or a layer does not exist.
    """
    current.check(where.project, where.family)
    base = base or base_image.known(where.project, where.settings) or UNKNOWN_BASE
    # The notebooks' Spark configuration names the executors' image by its fingerprint, which must
    # be known before either is built.
    parts = (where.family, where.project, base)
    plain = Targets(*parts, {}, where.settings)
    driven = {pair.executors for pair in where.family.pairs}
    executors = {
        name: where.name(name, _tag(where, inputs.fingerprint(plain.inputs(name))))
        for name in driven
    }
    targets = Targets(*parts, executors, where.settings)
    names = published(where.family, wanted)
    fingerprints = {name: inputs.fingerprint(targets.inputs(name)) for name in names}
    references = {name: where.name(name, _tag(where, fingerprints[name])) for name in names}
    moving = {name: where.name(name) for name in names}
    present = engine.inspect([*references.values(), *moving.values()])
    steps = []
    for name in names:
        because = _because(references[name], moving[name], targets.inputs(name), present)
        steps.append(
            Step(name, references[name], moving[name], fingerprints[name], bool(because), because)
        )
    return Plan(where.project, targets, tuple(steps))


def other_half(where: Site, planned: Plan, base: BaseImage | None = None) -> Step | None:
    """Return what is still to be done for the image that makes a pair with one of the plan's.

    Returns:
        None where nothing is, or where the plan has both or none of each pair.
    """
    here = {step.image for step in planned.steps}
    halves = (set(pair) - here for pair in where.family.pairs)
    for other in sorted({name for half in halves if len(half) == 1 for name in half}):
        for step in make(where, (other,), base).steps:
            if step.image == other and step.rebuild:
                return step
    return None


def _tag(where: Site, fingerprint: str) -> str:
    return f"{where.project.name}-{fingerprint}"


def published(family: Family, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the named images and the published ones that they stand on; all without a name."""
    if not wanted:
        return tuple(image.name for image in family.published)
    needed = {above.name for name in wanted for above in family.chain(family.find(name).name)}
    return tuple(image.name for image in family.published if image.name in needed)


def _because(
    reference: str, moving: str, now: Inputs, present: Mapping[str, Mapping[str, Any]]
) -> tuple[str, ...]:
    newest = present.get(moving)
    if reference in present:
        same = newest is not None and newest["Id"] == present[reference]["Id"]
        return () if same else (f"{moving} is not the newest build",)
    if newest is None:
        return ("it was never built here",)
    labels = newest.get("Config", {}).get("Labels") or {}
    before = json.loads(labels.get(INPUTS_LABEL) or "{}")
    return inputs.changed(before, now) or (f"{reference} is gone",)
