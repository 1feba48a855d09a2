"""How is the record of a release read that was made before a release could have several stacks?

Its one stack was the default one, and its images said themselves which side of the pair they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparkyard.decode import decode
from sparkyard.record import record
from sparkyard.record.record import (
    ParityRow,
    Record,
    RecordedBuild,
    RecordedImage,
    RecordedPair,
    RecordedStack,
)

SCHEMA = 1


@dataclass(frozen=True)
class _Document:
    """A document of that schema, without the images' roles."""

    version: str
    stack: str
    revision: str
    branch: str
    source: str
    created: str
    released: str
    previous: str
    untested: tuple[str, ...]
    images: tuple[RecordedImage, ...]
    parity: tuple[ParityRow, ...]
    build: RecordedBuild | None


@dataclass(frozen=True)
class _Role:
    """An image's side in the pair."""

    name: str
    role: str


@dataclass(frozen=True)
class _Roles:
    """The same document, read for the images' roles alone."""

    images: tuple[_Role, ...]


def record_from(document: Any) -> Record:
    """Return the record that a document of schema 1 is, as one of the present schema.

    Raises:
        NotOfThatTypeError: it lacks a part, or has one of another kind.
    """
    old = decode(_Document, document, "record")
    names = {image.role: image.name for image in decode(_Roles, document, "record").images}
    driver, executors = names.get("driver", ""), names.get("executor", "")
    paired = old.parity or (driver and executors)
    stack = RecordedStack(
        name=old.stack,
        default=True,
        untested=old.untested,
        images=old.images,
        pairs=(RecordedPair(driver, executors, old.parity),) if paired else (),
        build=old.build,
    )
    return Record(
        schema=record.SCHEMA,
        version=old.version,
        revision=old.revision,
        branch=old.branch,
        source=old.source,
        created=old.created,
        released=old.released,
        previous=old.previous,
        stacks=(stack,),
    )
