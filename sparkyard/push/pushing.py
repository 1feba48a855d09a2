"""Which images does a push send, under which tags, and in which order do the tags move?

A notebook's Spark configuration names the executors' image by a tag. So who pushes the notebook
pushes the executors too, and no tag of a notebook moves before the executors that it names can be
pulled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from sparkyard import evidence, git, tags
from sparkyard.engine import engine
from sparkyard.errors import ImageMissingError, ImmutableTagError, ReferenceFormatError
from sparkyard.facts import facts
from sparkyard.family import projects
from sparkyard.family.images import EXECUTOR, Family, Image
from sparkyard.plan import plan
from sparkyard.plan.plan import Site, Step
from sparkyard.push import push
from sparkyard.push.push import Upload
from sparkyard.registry import blobs, oci
from sparkyard.registry.registry import Registry, Sent
from sparkyard.services import local_registry
from sparkyard.tags import Origin, Tags

Tell = Callable[[str], None]

RELEASES = "releases"
"""The repository, under the namespace, that keeps the record of each release and the channels."""

EXECUTORS = "spark.kubernetes.container.image"
"""Where a driver's configuration names the image of its executors (Spark's own property)."""


@dataclass(frozen=True)
class Pushed:
    """An image of a push.

    Attributes:
        digest: of its manifest, under which it was tested.
        repository: the path of its repository in the registry.
        sent: what was sent of it, or would be.
        set: the tags that name it now and did not before, or would.
    """

    image: Image
    reference: str
    digest: str
    repository: str
    tags: Tags
    sent: Sent = field(default_factory=Sent)
    set: tuple[str, ...] = ()

    def ordered(self) -> list[tuple[str, bool]]:
        """Return its tags, each with whether it never moves; the fingerprint's is the first."""
        return [(tag, True) for tag in self.tags.immutable] + [
            (tag, False) for tag in self.tags.moving
        ]


def place(where: Site, *, start: bool = True) -> Registry:
    """Return the registry of a site: the one that is set, else this machine's.

    Args:
        where: the site.
        start: start this machine's registry where it is the one and does not run.

    Raises:
        ReferenceFormatError: the setting is no host, or the namespace none.
        SparkyardError: see `local_registry.ensure`.
    """
    host = where.settings.registry or local_registry.host(where.settings)
    oci.repository(host, _namespace(where), "any")
    if start and not where.settings.registry:
        local_registry.ensure(where)
    return Registry(host, where.settings)


def chosen(family: Family, wanted: Iterable[str]) -> tuple[str, ...]:
    """Return the images of a push: the named ones, their published parents, their executors.

    All published images where none is named; parents and executors first.

    Raises:
        UnknownNameError: there is no such image.
    """
    named = [family.find(name).name for name in wanted]
    named = named or [image.name for image in family.published]
    whole = {image.name: image for name in named for image in family.chain(name)}
    for driven in {image.drives for image in whole.values() if image.drives}:
        whole |= {image.name: image for image in family.chain(driven)}
    names = (image.name for image in family.published if image.name in whole)
    return tuple(sorted(names, key=lambda name: family.role(name) != EXECUTOR))


def built(where: Site, names: Iterable[str]) -> dict[str, Step]:
    """Return the steps of images, by name, once it is known that nothing is to do for them.

    Raises:
        ImageMissingError: one is not built, or older than its inputs.
    """
    wanted = tuple(names)
    steps = {step.image: step for step in plan.make(where, wanted).steps}
    if stale := [steps[name] for name in wanted if steps[name].rebuild]:
        commands = ", ".join(f"`{where.build_command(step.image)}`" for step in stale)
        why = "; ".join(f"{step.image} ({step.because[0]})" for step in stale)
        raise ImageMissingError(
            f"Not built from what is checked out: {why}.",
            f"Build and test: {commands}, then `nox -s tests` and `nox -s parity`; with the "
            "same REGISTRY as the push.",
        )
    return steps


def collect(where: Site, wanted: Iterable[str], *, untested: Tell | None = None) -> list[Pushed]:
    """Return the images of a push with their tags, once it is known that they may be pushed.

    Args:
        where: the site.
        wanted: names of images or of the sessions that build them; all when empty.
        untested: hears what is not proven of them, where that is no obstacle.

    Raises:
        ImageMissingError: one is not built, or older than its inputs.
        EvidenceMissingError: it is not proven that one works.
        SparkyardError: as `tags.tags` and `plan.make`.
    """
    names = chosen(where.family, wanted)
    steps = built(where, names)
    inspected = engine.inspect(steps[name].reference for name in names)
    digests = {name: str(inspected[steps[name].reference]["Id"]) for name in names}
    parts = where.settings.evidence_parts
    gaps = evidence.gaps(digests, where.family, parts, served(where))
    if untested is None:
        evidence.refuse(gaps)
    else:
        for name in dict.fromkeys(gap.image for gap in gaps):
            why = ", ".join(f"{gap.part} {gap.why}" for gap in gaps if gap.image == name)
            untested(f"{name} {evidence.short(digests[name])}: {why}")
    checkout = git.known()
    images = []
    for name in names:
        image, step = where.family[name], steps[name]
        origin = Origin(where.project.name, step.fingerprint, checkout)
        inside = facts.collect(step.reference)
        named = tags.tags(image, where.family, inside, origin)
        path = oci.repository("localhost", _namespace(where), name).path
        images.append(Pushed(image, step.reference, digests[name], path, named))
        if image.drives:
            _check_named(inside.conf.defaults or {}, steps[image.drives])
    return images


def served(where: Site) -> dict[str, str]:
    """Return the digests of the built images that hubs of a site start, by NAME:STACK."""
    names = dict.fromkeys(image.serves for image in where.family.images if image.serves)
    both = [(name, stack) for name in names for stack in projects.stacks()]
    references = {where.name(name, stack): f"{name}:{stack}" for name, stack in both}
    inspected = engine.inspect(references) if references else {}
    return {references[name]: str(found["Id"]) for name, found in inspected.items()}


def check_no_channel(registry: Registry, namespace: str, moving: Iterable[str]) -> None:
    """Check that no tag that a push moves is a channel: that names a release, and moves with it.

    Raises:
        ReferenceFormatError: one is.
    """
    channels = set(registry.tags(f"{namespace}/{RELEASES}"))
    channels |= {f"{name}-{of}" for name in channels for of in projects.stacks()}
    if both := sorted(channels & set(moving)):
        raise ReferenceFormatError(
            f'The tag "{both[0]}" is a channel in {registry.host}/{namespace}: it names a release, '
            "and no push may move it.",
            "Push from a branch with another name.",
        )


def send(registry: Registry, images: Sequence[Pushed], tell: Tell) -> list[Pushed]:
    """Push images, then set their tags; return them with what was sent and set.

    Raises:
        ImmutableTagError: a tag is taken by another digest; found out before anything is sent.
        TagMovedError: somebody else moves one of them at the same time.
        SparkyardError: see `push.upload`.
    """
    before = look(registry, images)
    for namespace in {image.repository.rpartition("/")[0] for image in images}:
        check_no_channel(registry, namespace, (t for image in images for t in image.tags.moving))
    sent = _Shares()
    push.upload(registry, uploads(images), tell=tell, account=sent.add)
    done: dict[str, list[str]] = {image.repository: [] for image in images}
    for image, tag, immutable in steps(images):
        was = before[image.repository, tag]
        if was != image.digest and push.set_tag(
            registry, image.repository, tag, image.digest, immutable=immutable, expected=was
        ):
            done[image.repository].append(tag)
    return [
        replace(image, sent=sent.of(image.repository), set=tuple(done[image.repository]))
        for image in images
    ]


def rehearse(registry: Registry, images: Sequence[Pushed]) -> list[Pushed]:
    """Return the images with what `send` would send and set now. Raises as `send`."""
    before = look(registry, images)
    sent = _Shares()
    push.survey(registry, uploads(images), account=sent.add)
    return [
        replace(
            image,
            sent=sent.of(image.repository),
            set=tuple(t for t, _ in image.ordered() if before[image.repository, t] != image.digest),
        )
        for image in images
    ]


def look(registry: Registry, images: Sequence[Pushed]) -> dict[tuple[str, str], str]:
    """Return what each tag names now, by repository and tag; raises as `check`."""
    before = _named(registry, images)
    check(registry, images, before)
    return before


def steps(images: Sequence[Pushed]) -> list[tuple[Pushed, str, bool]]:
    """Return the tags in the order in which they are set, each with whether it never moves.

    First all that never move, a fingerprint's before others: what they name they name for ever.
    Then those that move, in the images' order: in that of `chosen` executors come before notebooks.
    """
    fixed = [(image, tag, True) for image in images for tag, never in image.ordered() if never]
    moving = [
        (image, tag, False) for image in images for tag, never in image.ordered() if not never
    ]
    fixed.sort(key=lambda step: step[1] != step[0].tags.immutable[0])
    return fixed + moving


def check(
    registry: Registry, images: Sequence[Pushed], before: Mapping[tuple[str, str], str]
) -> None:
    """Raise ImmutableTagError where a tag that never moves names something else."""
    for image in images:
        for tag in image.tags.immutable:
            now = before[image.repository, tag]
            if now and now != image.digest:
                raise ImmutableTagError(
                    f"{registry.host}/{image.repository}:{tag} never moves, and names {now}; "
                    f"it was to name {image.digest}.",
                    "Nothing was sent. The same inputs gave another image: see `nox -s reproduce`; "
                    "or commit, build and test again.",
                )


def uploads(images: Sequence[Pushed]) -> list[Upload]:
    """Return what goes into which repository."""
    content = blobs.of_engine([image.reference for image in images])
    return [Upload(image.repository, image.digest, content) for image in images]


def _check_named(defaults: Mapping[str, str], executors: Step) -> None:
    """Check that Spark's configuration in the notebook names the executors that are pushed too."""
    named = defaults.get(EXECUTORS, "")
    if named != executors.reference:
        raise ImageMissingError(
            f"The notebook's Spark configuration has {EXECUTORS} = {named or 'nothing'}; the "
            f"executors of this push are {executors.reference}.",
            "Build both again: `make jupyterhub`, `nox -s executors`.",
        )


def _named(registry: Registry, images: Sequence[Pushed]) -> dict[tuple[str, str], str]:
    """Return what each of the images' tags names now, empty where it does not exist."""
    registry.ping()
    names = [(image.repository, tag) for image in images for tag, _ in image.ordered()]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda name: registry.resolve(*name), names)
        return {name: now.digest if now else "" for name, now in zip(names, answers, strict=True)}


def _namespace(where: Site) -> str:
    return where.settings.namespace or where.family.namespace


class _Shares:
    """What was sent, by repository."""

    def __init__(self) -> None:
        self._by_path: dict[str, Sent] = {}

    def add(self, path: str, share: Sent) -> None:
        self._by_path[path] = self.of(path) + share

    def of(self, path: str) -> Sent:
        return self._by_path.get(path, Sent())
