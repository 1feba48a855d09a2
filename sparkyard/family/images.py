"""Which images are there, what does each stand on, and in which order are they built?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sparkyard import paths, toml_file
from sparkyard.errors import ImageGraphError, MalformedFileError, UnknownNameError
from sparkyard.names import nearest

ROOT_PARENT = "debian"
"""The parent of the images that stand on the distribution itself."""

_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")  # a repository's name, after the OCI spec
_KEYS = ("summary", "session", "role", "parent", "takes", "tags", "contexts")
_ROLES = ("", "driver", "executor")


@dataclass(frozen=True)
class Image:
    """One entry of images.toml.

    Attributes:
        session: the session that builds it; empty for a part of other images.
        role: "driver" or "executor" for the pair that must agree, else empty.
        takes: the shared layers that it takes in.
        tags: the taggers that it adds to its ancestors'; see tags.py.
        contexts: directories of the checkout that its Dockerfile reads, by the name used there.
    """

    name: str
    summary: str
    parent: str
    session: str = ""
    role: str = ""
    takes: tuple[str, ...] = ()
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
        above = () if image.parent == ROOT_PARENT else self.chain(image.parent)
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
    """Return the family that images.toml describes.

    Raises:
        MalformedFileError: the file is not TOML, or an entry lacks what it must have.
        ImageGraphError: a parent does not exist, or images stand on each other in a circle.
    """
    document = toml_file.read(file)
    entries = toml_file.table(document, "images", file)
    images = {name: _image(name, entry, file) for name, entry in entries.items()}
    return Family(
        images=_in_order(images, file),
        default_stack=toml_file.text(document, "default_stack", str(file)),
        namespace=toml_file.text(document, "namespace", str(file)),
    )


def _image(name: str, entry: object, file: Path) -> Image:
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
    contexts = entry.get("contexts", {})
    if not isinstance(contexts, dict) or not all(isinstance(v, str) for v in contexts.values()):
        raise MalformedFileError(
            f"{where}: contexts is not a table of directories.",
            'Write it as: contexts = { name = "directory" }',
        )
    role = entry.get("role", "")
    if role not in _ROLES:
        raise UnknownNameError(f'{where} has the role "{role}".', nearest(str(role), _ROLES[1:]))
    return Image(
        name=name,
        summary=toml_file.text(entry, "summary", where),
        parent=toml_file.text(entry, "parent", where),
        session=str(entry.get("session", "")),
        role=role,
        takes=toml_file.texts(entry, "takes", where),
        tags=toml_file.texts(entry, "tags", where),
        contexts=contexts,
    )


def _in_order(images: Mapping[str, Image], file: Path) -> tuple[Image, ...]:
    """Return the images with every parent before its children, otherwise as they are written."""
    for image in images.values():
        if image.parent not in (ROOT_PARENT, *images):
            raise ImageGraphError(
                f'{file}: the parent of [images.{image.name}] is "{image.parent}", no image.',
                nearest(image.parent, (ROOT_PARENT, *images)),
            )
    ordered: list[Image] = []
    placed = {ROOT_PARENT}
    while len(ordered) < len(images):
        ready = [i for i in images.values() if i.parent in placed and i.name not in placed]
        if not ready:
            circle = _circle(images, (name for name in images if name not in placed))
            raise ImageGraphError(
                f"{file}: images stand on each other in a circle: {' -> '.join(circle)}.",
                f'Give one of them another parent; the root is parent = "{ROOT_PARENT}".',
            )
        ordered += ready
        placed |= {image.name for image in ready}
    return tuple(ordered)


def _circle(images: Mapping[str, Image], unplaced: Iterable[str]) -> list[str]:
    """Return the names on the circle that the first unplaced image leads into, closed."""
    path = [next(iter(unplaced))]
    while images[path[-1]].parent not in path:
        path.append(images[path[-1]].parent)
    start = path.index(images[path[-1]].parent)
    return [*path[start:], path[start]]
