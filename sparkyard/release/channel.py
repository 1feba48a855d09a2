"""Which release does a channel name, and which did it name before?

A channel is one tag in the repository of releases: an OCI index whose first entry is the record
that the channel names now, and whose others are what it named before, the newest first. One write
moves it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sparkyard import versions
from sparkyard.errors import ReferenceFormatError, ReleaseHistoryError, VerificationError
from sparkyard.family import projects
from sparkyard.registry import oci
from sparkyard.registry.oci import Content, Descriptor

LABEL = "io.sparkyard.channel"
LATEST = "latest"
"""The channel that every release moves, pre-releases apart."""

RELEASED, PROMOTED, ROLLED_BACK = "released", "promoted", "rolled back"

KEPT = 500
"""Moves that a channel remembers: 150 kB of the 4 MiB that registries take for an index."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True)
class Move:
    """A move of the channel: `record` is the release's manifest, `at` a time (RFC 3339, UTC)."""

    version: str
    action: str
    at: str
    record: Descriptor


@dataclass(frozen=True)
class Channel:
    """A channel's moves, the newest first; none where it does not exist yet."""

    name: str
    moves: tuple[Move, ...] = ()

    @property
    def version(self) -> str:
        """The version that it names now, empty where it names none."""
        return self.moves[0].version if self.moves else ""

    def moved(self, move: Move) -> Channel:
        """Return the channel after a move."""
        return Channel(self.name, (move, *self.moves)[:KEPT])

    def before(self) -> str:
        """Return the version that a rollback leads to.

        Releases and promotions are put on a pile, and each rollback takes one off it: so two
        rollbacks lead two releases back, not to and fro.

        Raises:
            ReleaseHistoryError: there is none.
        """
        pile: list[str] = []
        for move in reversed(self.moves):
            if move.action != ROLLED_BACK:
                pile.append(move.version)
            elif pile:
                pile.pop()
        if len(pile) < 2:
            known = f"has only ever named {self.version}" if self.moves else "does not exist"
            raise ReleaseHistoryError(
                f'The channel "{self.name}" {known}: there is nothing to return to.',
                f"Let it name a release: nox -s promote -- VERSION {self.name}",
            )
        return pile[-2]

    def as_index(self) -> Content:
        """Return the index that a registry keeps for the channel."""
        entries = [
            Descriptor(
                move.record.media_type,
                move.record.digest,
                move.record.size,
                {
                    "org.opencontainers.image.version": move.version,
                    f"{LABEL}.action": move.action,
                    f"{LABEL}.at": move.at,
                },
            ).as_json()
            for move in self.moves
        ]
        document = {
            "schemaVersion": 2,
            "mediaType": oci.INDEX,
            "manifests": entries,
            "annotations": {LABEL: self.name, "org.opencontainers.image.version": self.version},
        }
        return Content(oci.INDEX, oci.canonical(document))


def parse(name: str, content: Content) -> Channel:
    """Return the channel that an index describes.

    Raises:
        VerificationError: it describes none.
    """
    try:
        moves = tuple(
            Move(
                entry.annotations["org.opencontainers.image.version"],
                entry.annotations[f"{LABEL}.action"],
                entry.annotations[f"{LABEL}.at"],
                Descriptor(entry.media_type, entry.digest, entry.size),
            )
            for entry in map(Descriptor.parse, content.document()["manifests"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise VerificationError(
            f'What the tag "{name}" names in the repository of releases is no channel ({error}).',
            "Find out who wrote it; nox -s promote writes a new one once it is deleted there.",
        ) from error
    return Channel(name, moves)


def check_name(name: str, *, taken: bool = False) -> str:
    """Return a channel's name.

    Args:
        name: the name.
        taken: images have a tag of that name, which says something else.

    Raises:
        ReferenceFormatError: it could not be told from a version or another tag, or is no word.
    """
    if taken:
        raise ReferenceFormatError(
            f'"{name}" cannot be a channel: images have a tag of that name, which says something '
            "else of them.",
            "Take another word: stable, next, staging.",
        )
    for stack in projects.stacks():
        if name.startswith(stack) or name.endswith(f"-{stack}"):
            raise ReferenceFormatError(
                f'"{name}" cannot be a channel: a tag that begins or ends with {stack} is one of '
                "that stack.",
                "Take a word without a stack's name; a channel is on all stacks of a release.",
            )
    if versions.is_version(name) or not _NAME.fullmatch(name):
        raise ReferenceFormatError(
            f'"{name}" cannot be a channel.',
            "Name it by a word of lower-case letters, digits and -: stable, next, staging.",
        )
    return name
