"""Which images are there, what does each stand on, and in which order are they built?

An image's Dockerfile says what it stands on and reads; images.toml says the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sparkyard import paths
from sparkyard.errors import ImageGraphError, MalformedFileError, UnknownNameError
from sparkyard.family import projects
from sparkyard.files import toml_file
from sparkyard.names import nearest

if TYPE_CHECKING:
    from sparkyard.family.dockerfile import Dockerfile

ROOT_PARENT = "debian"
"""The parent of the images that stand on the distribution itself."""

_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")  # a repository's name, after the OCI spec
_KEYS = ("summary", "session", "stacks", "project", "drives", "serves", "tags")
DRIVER, EXECUTOR = "driver", "executor"
PYTHON, JARS, APT = LAYERS = ("python-", "jars-", "apt-")
"""What the names of shared layers begin with: a group of a project's packages follows."""
PACKAGES = "packages"
"""The directory with the locks of Debian packages, for an image that installs its project's own."""
_PROVIDED = ("uv", PACKAGES, "debs")
"""Directories that every build gives to those who read them; see plan/targets.py."""


@dataclass(frozen=True)
class Image:
    """One entry of images.toml, and what its Dockerfile says.

    Attributes:
        parent: the image that it stands on; "" for a part that stands on nothing.
        session: the session that builds it; empty for a part of other images.
        stacks: those that it is built on; all when empty.
        project: of one that no stack owns, its project; see projects.py.
        drives: the executors' image that must agree with this one, a driver's; else empty.
        serves: the single-user server's image that must agree with this one, a hub's; else empty.
        takes: the shared layers and parts that it takes in.
        needs: all images and layers that must be there before it is built.
        given: the directories that it reads of those that every build provides.
        tags: the taggers that it adds to its ancestors'; see tags.py.
        contexts: directories of the checkout that its Dockerfile reads, by the name used there.
    """

    name: str
    summary: str
    parent: str
    session: str = ""
    stacks: tuple[str, ...] = ()
    project: str = ""
    drives: str = ""
    serves: str = ""
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    contexts: Mapping[str, str] = field(default_factory=dict)

    @property
    def published(self) -> bool:
        """Whether it is tagged, tested and pushed: others are parts."""
        return bool(self.session)

    def is_on(self, name: str) -> bool:
        """Tell whether it is built for a stack, or for a project that no stack owns.

        A part is of whatever is built of it.
        """
        if self.published and (self.project or name in projects.others()):
            return name == self.project
        return not self.stacks or name in self.stacks


DRIVES, SERVES = EDGES = ("drives", "serves")
"""Kinds of edges between images: what is at both ends must agree. Each is a key of images.toml."""


class Edge(NamedTuple):
    """An edge of a kind, from the image whose entry says it to the one that is named there."""

    kind: str
    first: str
    second: str


class Pair(NamedTuple):
    """The names of a driver's image and of the executors' image that must agree with it."""

    driver: str
    executors: str


@dataclass(frozen=True)
class Family:
    """All images, or those of one stack or project, each after its parent.

    Attributes:
        project: the name of the stack's or other project whose images they are; empty for all.
        elsewhere: the images of others alone.
    """

    images: tuple[Image, ...]
    default_stack: str
    namespace: str
    project: str = ""
    elsewhere: tuple[Image, ...] = ()

    def on(self, name: str) -> Family:
        """Return the images that are built for a stack, or a project that no stack owns."""
        here = tuple(image for image in self.images if image.is_on(name))
        there = tuple(image for image in self.images if not image.is_on(name))
        return replace(self, images=here, project=name, elsewhere=there)

    def __getitem__(self, name: str) -> Image:
        for image in self.images:
            if image.name == name:
                return image
        self._refuse_other_stack(name)
        raise UnknownNameError(
            f'There is no image "{name}" in images/images.toml.',
            nearest(name, (image.name for image in self.images)),
        )

    def find(self, name: str) -> Image:
        """Return the published image of that name, or the one which the session `name` builds."""
        for image in self.published:
            if name in (image.name, image.session):
                return image
        self._refuse_other_stack(name)
        choices = [choice for image in self.published for choice in (image.name, image.session)]
        raise UnknownNameError(f'There is no image "{name}".', nearest(name, choices))

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a published image of that name, or one that the session builds."""
        return any(name in (image.name, image.session) for image in self.published)

    def _refuse_other_stack(self, name: str) -> None:
        for image in self.elsewhere:
            if name in (image.name, image.session):
                where = image.project or next(iter(image.stacks), self.default_stack)
                add = f", or add {self.project} to its stacks in images/images.toml"
                raise UnknownNameError(
                    f"{image.name} is not built on the stack {self.project}.",
                    f"Take --stack {where}{add if image.stacks else ''}.",
                )

    @property
    def projects(self) -> tuple[str, ...]:
        """The projects that no stack owns and that have images to build."""
        return tuple(dict.fromkeys(image.project for image in self.published if image.project))

    @property
    def published(self) -> tuple[Image, ...]:
        """The images that are tagged, tested and pushed."""
        return tuple(image for image in self.images if image.published)

    def chain(self, name: str) -> tuple[Image, ...]:
        """Return the image and all that it stands on, the oldest ancestor first."""
        image = self[name]
        above = () if image.parent in ("", ROOT_PARENT) else self.chain(image.parent)
        return (*above, image)

    def takes(self, name: str) -> tuple[str, ...]:
        """Return the shared layers in the image, its ancestors' first."""
        return tuple(taken for image in self.chain(name) for taken in image.takes)

    def tags(self, name: str) -> tuple[str, ...]:
        """Return the taggers of the image, its ancestors' first, each once."""
        return tuple(dict.fromkeys(tag for image in self.chain(name) for tag in image.tags))

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges that begin at one of the images. The other end may be another family's."""
        return tuple(
            Edge(kind, image.name, named)
            for image in self.images
            for kind in EDGES
            if (named := getattr(image, kind))
        )

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The drivers' images, each with the executors' image that it drives."""
        return tuple(Pair(*edge[1:]) for edge in self.edges if edge.kind == DRIVES)

    @property
    def pair(self) -> Pair:
        """The first of the pairs: the one that is meant where none is named.

        Raises:
            ImageGraphError: there is none.
        """
        if not self.pairs:
            raise ImageGraphError(
                "No image in images/images.toml drives another.",
                'Write drives = "spark-executors" in the entry of the driver\'s image.',
            )
        return self.pairs[0]

    def role(self, name: str) -> str:
        """Return "driver" or "executor" for an image of a pair, and "" for any other."""
        if self[name].drives:
            return DRIVER
        return EXECUTOR if any(pair.executors == name for pair in self.pairs) else ""


def load(file: Path = paths.IMAGE_LIST) -> Family:
    """Return the family that images.toml and the Dockerfiles beside it describe.

    Raises:
        MalformedFileError: a file is not TOML or no Dockerfile, or an entry lacks something.
        ImageGraphError: a Dockerfile names what does not exist, or images need each other in a
            circle.
    """
    # Only here: `make help` lists the images where no tools are installed yet.
    from sparkyard.family import dockerfile  # noqa: PLC0415

    family = listed(file)
    contexts = toml_file.read(file).get("contexts", {})
    if not isinstance(contexts, dict) or not all(isinstance(v, str) for v in contexts.values()):
        raise MalformedFileError(
            f"{file}: [contexts] is not a table of directories.", 'Write: name = "directory"'
        )
    names = {image.name for image in family.images}
    images = {}
    for image in family.images:
        own = file.parent / image.name / "Dockerfile"
        said = dockerfile.read(own)
        images[image.name] = replace(
            image,
            parent=said.parent,
            takes=said.takes,
            needs=_needs(said, own, contexts, names),
            given=tuple(read for read in said.reads if read in _PROVIDED),
            contexts={read: contexts[read] for read in said.reads if read in contexts},
        )
    ordered = _in_order(images, file)
    _check_stacks(images, file)
    return replace(family, images=ordered)


def listed(file: Path = paths.IMAGE_LIST) -> Family:
    """Return the family as images.toml alone has it, without what the Dockerfiles say.

    Raises:
        MalformedFileError: the file is not TOML, or an entry lacks something.
        ImageGraphError: an image drives what does not exist.
    """
    document = toml_file.read(file)
    entries = toml_file.table(document, "images", file)
    return Family(
        images=tuple(_image(name, entry, set(entries), file) for name, entry in entries.items()),
        default_stack=toml_file.text(document, "default_stack", str(file)),
        namespace=toml_file.text(document, "namespace", str(file)),
    )


def _image(name: str, entry: object, images: Collection[str], file: Path) -> Image:
    where = f"{file}: [images.{name}]"
    if not isinstance(entry, dict):
        raise MalformedFileError(f"{where} is not a table.", f"Write [images.{name}].")
    if not _NAME.fullmatch(name):
        raise MalformedFileError(
            f'{where}: "{name}" cannot be a repository\'s name.',
            "Use lower-case letters, digits and single . _ - between them.",
        )
    for key in entry:
        if key not in _KEYS:
            raise UnknownNameError(f'{where} has an unknown key "{key}".', nearest(key, _KEYS))
    for kind in EDGES:
        named = entry.get(kind, "")
        if named not in ("", *set(images) - {name}):
            raise ImageGraphError(
                f'{where} {kind} "{named}", which is no other image.', nearest(str(named), images)
            )
    return Image(
        name=name,
        summary=toml_file.text(entry, "summary", where),
        parent="",
        session=str(entry.get("session", "")),
        stacks=_stacks(entry, where),
        project=_project(entry, where),
        drives=str(entry.get(DRIVES, "")),
        serves=str(entry.get(SERVES, "")),
        tags=toml_file.texts(entry, "tags", where),
    )


def _stacks(entry: dict[str, Any], where: str) -> tuple[str, ...]:
    if "stacks" not in entry:
        return ()
    named = toml_file.texts(entry, "stacks", where)
    if not named:
        raise ImageGraphError(
            f"{where} is built on no stack: its stacks are empty.",
            "Name the stacks that it is built on, or leave stacks out: then it is on all.",
        )
    for name in named:
        if name not in projects.stacks():
            raise UnknownNameError(
                f'{where} is built on the stack "{name}", which does not exist.',
                nearest(name, projects.stacks()),
            )
    return named


def _project(entry: Mapping[str, object], where: str) -> str:
    name = entry.get("project", "")
    if name not in ("", *projects.others()):
        raise UnknownNameError(
            f'{where} is of the project "{name}", which does not exist: package-dependencies/ has '
            "no such directory with a project.toml.",
            nearest(str(name), projects.others()),
        )
    for other in ("stacks", "drives"):
        if name and other in entry:
            raise ImageGraphError(
                f"{where} has both project and {other}: what a project has, no stack owns.",
                "Leave one of the two out.",
            )
    return str(name)


def _check_stacks(images: Mapping[str, Image], file: Path) -> None:
    """Check that what an image needs or drives is built on each stack that it is built on."""
    for image in images.values():
        others = [images[name] for name in (*image.needs, image.drives) if name in images]
        for other in others:
            for name in (image.project,) if image.project else image.stacks or projects.stacks():
                if not other.is_on(name):
                    raise ImageGraphError(
                        f"{file}: {image.name} is built on {name}, and {other.name}, which goes "
                        "with it, is not.",
                        f"Let both name the same stacks, or {image.name} fewer.",
                    )


def _needs(
    said: Dockerfile, file: Path, contexts: Mapping[str, str], images: Collection[str]
) -> tuple[str, ...]:
    """Return the images and layers that a Dockerfile names."""
    named = [said.parent, *said.takes, *(read for read in said.reads if read not in contexts)]
    needs = tuple(name for name in named if name not in ("", *_PROVIDED))
    for name in needs:
        if name not in (ROOT_PARENT, *images) and not name.startswith(LAYERS):
            raise ImageGraphError(
                f'{file} names "{name}", which is no image, no layer and no directory of '
                "images.toml's [contexts].",
                nearest(name, (ROOT_PARENT, *images, *contexts, *_PROVIDED)),
            )
    return needs


def _in_order(images: Mapping[str, Image], file: Path) -> tuple[Image, ...]:
    """Return the images, each after all that it needs, otherwise as they are written."""
    ordered: list[Image] = []
    left = dict(images)
    while left:
        ready = [image for image in left.values() if not left.keys() & set(image.needs)]
        if not ready:
            raise ImageGraphError(
                f"{file}: images stand on each other in a circle: {' -> '.join(_circle(left))}.",
                f"Let the Dockerfile of one of them begin otherwise; the root is {ROOT_PARENT}.",
            )
        ordered += ready
        for image in ready:
            del left[image.name]
    return tuple(ordered)


def _circle(unplaced: Mapping[str, Image]) -> list[str]:
    """Return the names on the circle that the first unplaced image leads into, closed."""
    path = [next(iter(unplaced))]
    while (
        after := next(name for name in unplaced[path[-1]].needs if name in unplaced)
    ) not in path:
        path.append(after)
    return [*path[path.index(after) :], after]
