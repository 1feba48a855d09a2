"""Which images are there, what does each stand on, and in which order are they built?

An image's Dockerfile says what it stands on and reads; images.toml says the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sparkyard import paths, toml_file
from sparkyard.errors import ImageGraphError, MalformedFileError, UnknownNameError
from sparkyard.family import dockerfile
from sparkyard.family.dockerfile import Dockerfile
from sparkyard.names import nearest

ROOT_PARENT = "debian"
"""The parent of the images that stand on the distribution itself."""

_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")  # a repository's name, after the OCI spec
_KEYS = ("summary", "session", "role", "tags")
LAYERS = ("python-", "jars-", "apt-")
"""What the names of shared layers begin with: a group of a stack's packages follows."""
_PROVIDED = ("uv", "packages", "debs")
"""Directories that every build gives to those who read them; see plan/targets.py."""
_ROLES = ("", "driver", "executor")


@dataclass(frozen=True)
class Image:
    """One entry of images.toml, and what its Dockerfile says.

    Attributes:
        parent: the image that it stands on; "" for a part that stands on nothing.
        session: the session that builds it; empty for a part of other images.
        role: "driver" or "executor" for the pair that must agree, else empty.
        takes: the shared layers and parts that it takes in.
        needs: all images and layers that must be there before it is built.
        tags: the taggers that it adds to its ancestors'; see tags.py.
        contexts: directories of the checkout that its Dockerfile reads, by the name used there.
    """

    name: str
    summary: str
    parent: str
    session: str = ""
    role: str = ""
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    contexts: Mapping[str, str] = field(default_factory=dict)

    @property
    def published(self) -> bool:
        """Whether it is tagged, tested and pushed: others are parts."""
        return bool(self.session)


@dataclass(frozen=True)
class Family:
    """All images, each after its parent."""

    images: tuple[Image, ...]
    default_stack: str
    namespace: str

    def __getitem__(self, name: str) -> Image:
        for image in self.images:
            if image.name == name:
                return image
        raise UnknownNameError(
            f'There is no image "{name}" in images/images.toml.',
            nearest(name, (image.name for image in self.images)),
        )

    def find(self, name: str) -> Image:
        """Return the published image of that name, or the one which the session `name` builds."""
        for image in self.published:
            if name in (image.name, image.session):
                return image
        choices = [choice for image in self.published for choice in (image.name, image.session)]
        raise UnknownNameError(f'There is no image "{name}".', nearest(name, choices))

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

    def with_role(self, role: str) -> Image:
        """Return the image that has that role in the pair."""
        for image in self.images:
            if image.role == role:
                return image
        raise ImageGraphError(
            f"No image in images/images.toml has the role {role}.", f'Add role = "{role}" to one.'
        )


def load(file: Path = paths.IMAGE_LIST) -> Family:
    """Return the family that images.toml and the Dockerfiles beside it describe.

    Raises:
        MalformedFileError: a file is not TOML or no Dockerfile, or an entry lacks something.
        ImageGraphError: a Dockerfile names what does not exist, or images need each other in a
            circle.
    """
    document = toml_file.read(file)
    entries = toml_file.table(document, "images", file)
    contexts = document.get("contexts", {})
    if not isinstance(contexts, dict) or not all(isinstance(v, str) for v in contexts.values()):
        raise MalformedFileError(
            f"{file}: [contexts] is not a table of directories.", 'Write: name = "directory"'
        )
    images = {
        name: _image(name, entry, contexts, set(entries), file) for name, entry in entries.items()
    }
    return Family(
        images=_in_order(images, file),
        default_stack=toml_file.text(document, "default_stack", str(file)),
        namespace=toml_file.text(document, "namespace", str(file)),
    )


def _image(
    name: str, entry: object, contexts: Mapping[str, str], images: Collection[str], file: Path
) -> Image:
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
    role = entry.get("role", "")
    if role not in _ROLES:
        raise UnknownNameError(f'{where} has the role "{role}".', nearest(str(role), _ROLES[1:]))
    summary = toml_file.text(entry, "summary", where)
    tags = toml_file.texts(entry, "tags", where)
    own = file.parent / name / "Dockerfile"
    said = dockerfile.read(own)
    return Image(
        name=name,
        summary=summary,
        parent=said.parent,
        session=str(entry.get("session", "")),
        role=role,
        takes=said.takes,
        needs=_needs(said, own, contexts, images),
        tags=tags,
        contexts={read: contexts[read] for read in said.reads if read in contexts},
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
