"""Which tags does an image bear? One small function a tag, from what is in the image.

images.toml says which taggers an image adds; it has those of its ancestors too. What a tagger
reads are facts, collected by looking into the image: never the stack's file or a lock.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NewType

from sparkyard import git, versions
from sparkyard.engine import engine
from sparkyard.errors import InspectionError, ReferenceFormatError, UnknownNameError
from sparkyard.facts.facts import Facts, Interpreter, Spark, collect, resolve
from sparkyard.facts.identity import ImageIdentity
from sparkyard.family import projects
from sparkyard.family.images import Family, Image
from sparkyard.git import Checkout
from sparkyard.names import nearest
from sparkyard.plan import plan
from sparkyard.plan.plan import LABEL, Site
from sparkyard.registry.oci import check_tag

ImmutableTag = NewType("ImmutableTag", str)
"""A tag that names one digest for ever: a release, a fingerprint, a commit."""

MovingTag = NewType("MovingTag", str)
"""A tag that names the newest of something: a branch, a stack, versions, a channel."""

LONGEST = 128
"""Characters of a tag, after the OCI distribution specification."""

RESERVED = ("latest", "stable")
"""Channels that every registry's users expect; no branch is taken for them."""

Tagger = Callable[[Facts], str]


@dataclass(frozen=True)
class Origin:
    """Where an image comes from: what no look into its files tells.

    Attributes:
        stack: the name of the stack that it was built for.
        fingerprint: of the inputs that it was built from.
        checkout: the one that it was built from; without it there is neither commit nor branch.
        version: of the release that is being made, if one is.
    """

    stack: str
    fingerprint: str
    checkout: Checkout | None = None
    version: str = ""


@dataclass(frozen=True)
class Tags:
    """The tags of one image, told apart by type.

    Attributes:
        sources: what each tag was computed from.
        version: the one of the immutable tags that names the release; it stands for the index
            around the image, and all others for the image itself.
    """

    immutable: tuple[ImmutableTag, ...]
    moving: tuple[MovingTag, ...]
    sources: Mapping[str, str]
    version: str = ""


@dataclass(frozen=True)
class Tagged:
    """A built image with its tags.

    `current` tells whether it is what the checkout would build now; it bears neither commit nor
    branch when it is not.
    """

    image: Image
    identity: ImageIdentity
    facts: Facts
    tags: Tags
    current: bool


TAGGERS: dict[str, tuple[Tagger, str]] = {}
"""The taggers by the names that images.toml uses, each with what it reads."""


def _tagger(name: str, reads: str) -> Callable[[Tagger], Tagger]:
    def add(function: Tagger) -> Tagger:
        TAGGERS[name] = (function, reads)
        return function

    return add


@_tagger("versions", "Spark's, Hadoop's and Scala's jars, and what Python and Java say")
def _versions(facts: Facts) -> str:
    spark, hadoop = _spark(facts, "version"), _spark(facts, "hadoop")
    scala, python = _minor(_spark(facts, "scala")), _minor(_python(facts).version)
    return f"{spark}-hadoop{hadoop}-scala{scala}-py{python}-java{_java_major(facts)}"


@_tagger("spark", "Spark's version inside its jar")
def _spark_version(facts: Facts) -> str:
    return f"spark-{_spark(facts, 'version')}"


@_tagger("hadoop", "Hadoop's version inside its client's jar")
def _hadoop(facts: Facts) -> str:
    return f"hadoop-{_spark(facts, 'hadoop')}"


@_tagger("scala", "Scala's version inside its library's jar")
def _scala(facts: Facts) -> str:
    return f"scala-{_minor(_spark(facts, 'scala'))}"


@_tagger("python", "what PySpark's interpreter says")
def _python_minor(facts: Facts) -> str:
    return f"python-{_minor(_python(facts).version)}"


@_tagger("java", "what the virtual machine says")
def _java(facts: Facts) -> str:
    return f"java-{_java_major(facts)}"


@_tagger("jupyterhub", "the metadata of the package jupyterhub")
def _jupyterhub(facts: Facts) -> str:
    for package in _python(facts).packages:
        if package.name == "jupyterhub":
            return f"jupyterhub-{package.version}"
    raise _unknown(facts, "python.packages.jupyterhub", "the package jupyterhub is not installed")


@_tagger("r", "the metadata of R's package base")
def _r(facts: Facts) -> str:
    version = (facts.r or {}).get("base")
    if not version:
        raise _unknown(facts, "r", "R's package base is not installed")
    return f"r-{version}"


def tags(image: Image, family: Family, facts: Facts, origin: Origin) -> Tags:
    """Return all tags of an image.

    Args:
        image: one of the family.
        family: says which taggers it has.
        facts: of the built image.
        origin: where it comes from.

    Raises:
        InspectionError: a fact that a tag needs is not known.
        UnknownNameError: images.toml names a tagger that does not exist.
        ReferenceFormatError: no registry takes a tag, or it would both move and not.
        VersionError: the version is none.
    """
    checkout, version = origin.checkout, origin.version
    immutable: dict[str, str] = {}
    moving: dict[str, str] = {}
    for name in family.tags(image.name):
        if name not in TAGGERS:
            raise UnknownNameError(
                f'images/images.toml gives {image.name} the tags "{name}", which nothing computes.',
                nearest(name, TAGGERS),
            )
        tagger, reads = TAGGERS[name]
        moving[tagger(facts)] = reads
    if checkout:
        commit = checkout.revision[:12]
        if checkout.dirty:
            moving[f"{commit}-dirty"] = "the commit, and that the tree has changes besides"
        else:
            immutable[commit] = "the commit"
        if checkout.branch:
            moving[branch_tag(checkout.branch)] = f"the branch {checkout.branch}"
    if version:
        immutable[check_version(version)] = "the release's version"
    stack = origin.stack
    immutable = {
        f"{stack}-{origin.fingerprint}": "the label with the fingerprint of its inputs",
        **_borne(immutable, stack, family),
    }
    moving = {
        stack: "the label with the name of its stack or project",
        **_borne(moving, stack, family),
    }
    if both := immutable.keys() & moving.keys():
        raise ReferenceFormatError(
            f"{image.name} would bear {', '.join(sorted(both))} as a tag that moves and as one "
            "that never does.",
            "Take another version.",
        )
    return Tags(
        tuple(ImmutableTag(check_tag(tag)) for tag in immutable),
        tuple(MovingTag(check_tag(tag)) for tag in moving),
        {**immutable, **moving},
        version,
    )


def of_stack(names: Collection[str], stack: str, default: str) -> tuple[str, ...]:
    """Return the tags that a stack bears for some names.

    Every stack has a name with its own behind it, the default one the bare name, too. No bare name
    ends with a stack's, so no two stacks can ever claim one tag. An image that no stack owns is
    one of its kind, and bears bare names alone.
    """
    if stack in projects.others():
        return tuple(names)
    own = [f"{name}-{stack}" for name in names]
    return (*names, *own) if stack == default else tuple(own)


def check_version(version: str) -> str:
    """Return a release's version as a tag.

    Raises:
        VersionError: it is none.
        ReferenceFormatError: it is what another version is called on a stack.
    """
    tag = str(versions.parse(version))
    if stack := _ends_with_stack(tag):
        raise ReferenceFormatError(
            f"{version} would be taken for {tag.removesuffix(f'-{stack}')} on the stack {stack}.",
            "Take a version without a stack's name; a release is of all stacks.",
        )
    return tag


def branch_tag(branch: str) -> str:
    """Return a branch's name as a tag.

    What cannot stand in a tag becomes a -, and a name that says something else as a tag (a
    version, a commit, a channel, a stack, the version of a part) goes behind the word branch. One
    that ends with a stack's name, or is too long, gets a mark.
    """
    tag = re.sub(r"[^A-Za-z0-9._-]", "-", branch).lstrip(".-")
    if not re.search(r"[A-Za-z0-9]", tag) or _says_something_else(tag):
        tag = f"branch-{tag}".rstrip("-_.")
    room = LONGEST - max(len(f"-{name}") for name in projects.stacks())
    if tag == "branch" or len(tag) > room or _ends_with_stack(tag):
        mark = hashlib.sha256(branch.encode()).hexdigest()[:8]
        tag = f"{tag[: room - len(mark) - 1]}-{mark}"
    return tag


def _borne(sources: Mapping[str, str], stack: str, family: Family) -> dict[str, str]:
    """Return the tags that a stack bears for some names, each with what it was computed from."""
    tags_ = of_stack(sources, stack, family.default_stack)
    return {tag: sources.get(tag) or sources[tag.removesuffix(f"-{stack}")] for tag in tags_}


def _ends_with_stack(tag: str) -> str:
    """Return the stack whose name a tag ends with; empty for none."""
    return next((name for name in projects.stacks() if tag.endswith(f"-{name}")), "")


def of_site(where: Site, wanted: Iterable[str] = (), version: str = "") -> tuple[Tagged, ...]:
    """Return the built images of a site with their tags; those that were not built are left out.

    Args:
        where: the family and the stack.
        wanted: names of images or of the sessions that build them, exactly these; all that are
            published when empty.
        version: of the release that is being made.

    Raises:
        SparkyardError: as `tags` and `plan.make`.
    """
    names = [where.family.find(name).name for name in wanted]
    chosen = tuple(i for i in where.family.published if not names or i.name in names)
    planned = {step.image: step for step in plan.make(where, tuple(i.name for i in chosen)).steps}
    built = engine.inspect(where.name(image.name) for image in chosen)
    checkout = git.known()  # tags can be looked at without git; a release asks for itself
    found = []
    for image in chosen:
        if where.name(image.name) not in built:
            continue
        identity = resolve(where.name(image.name))
        facts = collect(identity.digest)
        fingerprint = _label(identity, "fingerprint")
        current = fingerprint == planned[image.name].fingerprint
        origin = Origin(
            _label(identity, "stack"), fingerprint, checkout if current else None, version
        )
        computed = tags(image, where.family, facts, origin)
        found.append(Tagged(image, identity, facts, computed, current))
    return tuple(found)


def _says_something_else(tag: str) -> bool:
    parts = "|".join(map(re.escape, TAGGERS))
    others = projects.others()
    return bool(
        tag in (*RESERVED, *others)
        or tag.startswith((*projects.stacks(), *(f"{name}-" for name in others), "branch-"))
        or re.fullmatch(r"[0-9a-f]{12}(-dirty)?|v?[0-9]+(\.[0-9]+)*(-.*)?", tag)
        or re.match(rf"({parts})-[0-9]", tag)
    )


def _label(identity: ImageIdentity, name: str) -> str:
    value = identity.labels.get(f"{LABEL}.{name}")
    if not value:
        raise InspectionError(
            f"{identity.reference} has no label {LABEL}.{name}: Sparkyard did not build it.",
            "Build it again: the sessions that do are in `nox --list`.",
        )
    return value


def _spark(facts: Facts, part: str) -> str:
    spark: Spark | None = facts.spark
    value = getattr(spark, part) if spark else None
    if not value:
        raise _unknown(facts, f"spark.{part}", "no Spark was found" if not spark else "")
    return str(value)


def _python(facts: Facts) -> Interpreter:
    sides = [each for each in map(facts.interpreter, ("driver", "worker")) if each]
    if not sides:
        raise _unknown(facts, "python.driver", "no interpreter was found")
    if len({side.version for side in sides}) > 1:
        raise _unknown(
            facts,
            "python",
            f"PySpark's driver would run {sides[0].version} and its workers {sides[1].version}",
        )
    return sides[0]


def _java_major(facts: Facts) -> str:
    if facts.java is None:
        raise _unknown(facts, "java", "no Java was found")
    found = re.match(r"(?:1\.)?([0-9]+)", facts.java.version)  # Java 8 calls itself 1.8
    if not found:
        raise _unknown(facts, "java.version", f'Java calls itself "{facts.java.version}"')
    return found.group(1)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _unknown(facts: Facts, name: str, otherwise: str) -> InspectionError:
    parents = [name.rsplit(".", count)[0] for count in range(name.count(".") + 1)]
    why = next((facts.missing[each] for each in parents if each in facts.missing), otherwise)
    return InspectionError(
        f"{facts.subject or 'The image'} cannot be tagged: {name} is not known"
        f"{f' ({why})' if why else ''}.",
        "Look into the image; if it is to have no such tag, take the tagger out of images.toml.",
    )
