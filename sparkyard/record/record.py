"""What is written down of a release? One typed document, from which all else about it is drawn.

The record is JSON after docs/schemas/release.json. Its Markdown, its HTML page and its diff to
another release are pure functions of records. The unit of all that is drawn is the stack: a
release of one stack and one of several differ in nothing but their number.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

SCHEMA = 2
DRIVER, EXECUTORS = "driver", "executors"


@dataclass(frozen=True)
class RecordedLayer:
    """A layer of an image: sizes in bytes, as a registry sends it and unpacked.

    `created_by` is the instruction that made it, `holds` one word for it that a person knows
    ("Spark", "jars-s3a").
    """

    digest: str
    diff_id: str
    compressed: int
    unpacked: int
    created_by: str
    holds: str


@dataclass(frozen=True)
class Packages:
    """What is in an image, version by name; a jar's name is its file's without the version."""

    debian: Mapping[str, str]
    python: Mapping[str, str]
    jars: Mapping[str, str]
    r: Mapping[str, str]


@dataclass(frozen=True)
class RecordedTests:
    """A run of tests that vouches for a digest: counts, seconds, and when (RFC 3339, UTC)."""

    part: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    at: str
    revision: str


@dataclass(frozen=True)
class BuildStep:
    """A step of the build, with seconds since the build began; `cached` took no time."""

    name: str
    began: float
    ended: float
    cached: bool


@dataclass(frozen=True)
class RecordedSbom:
    """The two documents of an image's content and the share of its files that they account for."""

    spdx: str
    cyclonedx: str
    packages: int
    files: int
    covered: int


@dataclass(frozen=True)
class RecordedImage:
    """An image of a release.

    Attributes:
        repository: host and path, without tag.
        digest: of the manifest: what was tested.
        index: digest of the index around it that the release's tags name.
        immutable: tags that never move, moving: tags that do.
        compressed: bytes that a registry sends for the whole image.
    """

    name: str
    summary: str
    parent: str
    repository: str
    digest: str
    index: str
    fingerprint: str
    immutable: tuple[str, ...]
    moving: tuple[str, ...]
    compressed: int
    unpacked: int
    layers: tuple[RecordedLayer, ...]
    packages: Packages
    tests: tuple[RecordedTests, ...]
    sbom: RecordedSbom | None


@dataclass(frozen=True)
class ParityRow:
    """A row of the parity report of a driver's and the executors' image."""

    name: str
    driver: str
    executors: str
    verdict: str
    must: bool
    why: str


@dataclass(frozen=True)
class RecordedPair:
    """A driver's image, the executors' image that it drives, and the rows of their parity report.

    There are no rows where no report vouches for the two.
    """

    driver: str
    executors: str
    rows: tuple[ParityRow, ...]


@dataclass(frozen=True)
class RecordedBuild:
    """The build that made the images: its steps, and seconds in all; no steps when not timed."""

    began: str
    seconds: float
    steps: tuple[BuildStep, ...]


@dataclass(frozen=True)
class RecordedStack:
    """What a release has of one stack.

    Attributes:
        default: whether its images bear the bare tags, too: 1.4.0 beside 1.4.0-spark-3.5.
        untested: names of the images for whose digests evidence was waived (--allow-untested).
        build: the build that made most of the images; None where none was timed.
    """

    name: str
    default: bool
    untested: tuple[str, ...]
    images: tuple[RecordedImage, ...]
    pairs: tuple[RecordedPair, ...]
    build: RecordedBuild | None

    def image(self, name: str) -> RecordedImage | None:
        """Return the image of that name, None where the stack has none."""
        return next((image for image in self.images if image.name == name), None)

    def role(self, name: str) -> str:
        """Return "driver" or "executors" for an image of a pair, and "" for any other."""
        if any(pair.driver == name for pair in self.pairs):
            return DRIVER
        return EXECUTORS if any(pair.executors == name for pair in self.pairs) else ""

    def with_stack(self, name: str) -> str:
        """Return a name as it is told from those of other stacks: the default stack's is bare."""
        return name if self.default else f"{name}-{self.name}"


@dataclass(frozen=True)
class Record:
    """A release.

    Attributes:
        revision: the commit; branch: the branch it was released from; source: where it is kept.
        created: the commit's date, RFC 3339 in UTC, released: when the record was drawn up.
        previous: the version released before; empty for the first.
        stacks: the default one first.
    """

    schema: int
    version: str
    revision: str
    branch: str
    source: str
    created: str
    released: str
    previous: str
    stacks: tuple[RecordedStack, ...]

    @property
    def images(self) -> tuple[RecordedImage, ...]:
        """The images of all stacks."""
        return tuple(image for stack in self.stacks for image in stack.images)

    @property
    def untested(self) -> tuple[str, ...]:
        """The untested images of all stacks, told apart by stack."""
        return tuple(stack.with_stack(name) for stack in self.stacks for name in stack.untested)

    def stack(self, name: str) -> RecordedStack | None:
        """Return the stack of that name, None where the release has none."""
        return next((stack for stack in self.stacks if stack.name == name), None)

    def as_document(self) -> dict[str, object]:
        """Return the record as the document that the schema describes."""
        return dataclasses.asdict(self)
