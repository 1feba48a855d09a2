"""What is released where nothing real is at stake? A small family of made-up images.

Four images share layers as the real ones do: some are in all, some in the driver's and the
executors', some move from one image to another between two versions. All content follows from a
seed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sparkyard.push.push import Upload
from sparkyard.record.record import (
    SCHEMA,
    Packages,
    Record,
    RecordedImage,
    RecordedPair,
    RecordedStack,
)
from sparkyard.registry import oci
from sparkyard.registry.blobs import Layout
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.release import releases
from sparkyard.release.releases import Place
from sparkyard.release.releasing import Ready

STACK = "spark-0"
BRANCH = "main"
NAMES = ("pyspark-notebook", "all-spark-notebook", "datascience-notebook", "spark-executors")
PAIR = ("datascience-notebook", "spark-executors")
ROLES = dict(zip(PAIR, ("driver", "executor"), strict=True))
LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"

_SIZE = 400_000
"""Bytes of a layer on average: small enough for hundreds of releases, and long enough on its way
that a kill falls into it."""


@dataclass(frozen=True)
class MadeImage:
    """A made-up image: its manifest, and the bytes of all that the manifest names, by digest."""

    name: str
    manifest: Content
    blobs: Mapping[str, bytes]


@dataclass(frozen=True)
class MadeRelease:
    """The images of one version; `number` counts versions from 1."""

    number: int
    images: tuple[MadeImage, ...]

    @property
    def version(self) -> str:
        """The version under which it is released."""
        return f"1.{self.number}.0"

    def index(self, image: MadeImage) -> Content:
        """Return the index around an image that the release's tags name."""
        annotations = {"org.opencontainers.image.version": self.version}
        return oci.index(image.manifest.descriptor, annotations)

    @property
    def revision(self) -> str:
        """The commit that it is of."""
        return oci.digest_of(self.version.encode())[7:47]


def make(seed: int, number: int) -> MadeRelease:
    """Return the images of a version."""
    shared = _content(seed, "base", number // 5)
    python = _content(seed, "python", number // 2)
    jars = _content(seed, "jars", number // 3)
    # In each version another image has it: what one repository got, another one needs.
    wanders = _content(seed, "wandering", number // 4)
    owner = NAMES[number % len(NAMES)]
    images = []
    for name in NAMES:
        layers = [shared, python, _content(seed, name, number)]
        layers += [jars] if name in ROLES else []
        layers += [wanders] if name == owner else []
        images.append(_image(name, layers, f"{name} {seed} {number}"))
    return MadeRelease(number, tuple(images))


def ready(made: MadeRelease, place: Place, layout: Path, released: str) -> Ready:
    """Write the images' blobs to an OCI layout, and return their release.

    Args:
        made: the images.
        place: where they are to be released.
        layout: a directory, which is made.
        released: when, RFC 3339 in UTC.
    """
    store = layout / "blobs" / "sha256"
    store.mkdir(parents=True, exist_ok=True)
    recorded, uploads, files = [], [], {}
    for image in made.images:
        for data in (image.manifest.data, *image.blobs.values()):
            (store / oci.digest_of(data)[7:]).write_bytes(data)
        index = made.index(image)
        recorded.append(_recorded(made, image, place, index))
        path = recorded[-1].repository.partition("/")[2]
        uploads.append(Upload(path, image.manifest.digest, Layout(layout), index))
        listed = _content(made.number, f"{image.name} packages", made.number)[:50_000]
        files[f"{image.name}.spdx.json"] = Content("application/spdx+json", listed)
    before = place.versions()
    record = replace(
        _record(made, tuple(recorded), released), previous=before[-1] if before else ""
    )
    text = json.dumps(record.as_document(), indent=1, sort_keys=True)
    signed = f"signature of {oci.digest_of(text.encode())}"
    return Ready(
        record,
        {
            releases.RECORD: Content("application/json", text.encode()),
            releases.SIGNATURE: Content("application/vnd.dsse.envelope.v1+json", signed.encode()),
            **files,
        },
        tuple(uploads),
    )


def _content(seed: int, what: str, version: int) -> bytes:
    chance = random.Random(f"{seed} {what} {version}")  # noqa: S311 - content, no secret
    return chance.randbytes(chance.randrange(_SIZE // 2, _SIZE * 3 // 2))


def _image(name: str, layers: list[bytes], config: str) -> MadeImage:
    settings = Content(oci.CONFIG, oci.canonical({"architecture": "amd64", "made": config}))
    described = [Descriptor(LAYER, oci.digest_of(data), len(data)) for data in layers]
    document = {
        "schemaVersion": 2,
        "mediaType": oci.MANIFEST,
        "config": settings.descriptor.as_json(),
        "layers": [each.as_json() for each in described],
    }
    blobs = {each.digest: data for each, data in zip(described, layers, strict=True)}
    manifest = Content(oci.MANIFEST, oci.canonical(document))
    return MadeImage(name, manifest, {settings.digest: settings.data, **blobs})


def _recorded(made: MadeRelease, image: MadeImage, place: Place, index: Content) -> RecordedImage:
    fingerprint = image.manifest.digest[7:19]
    return RecordedImage(
        name=image.name,
        summary="made up",
        parent="",
        repository=str(place.repository(image.name)),
        digest=image.manifest.digest,
        index=index.digest,
        fingerprint=fingerprint,
        immutable=(f"{STACK}-{fingerprint}", made.revision[:12], made.version),
        moving=(STACK, BRANCH),
        compressed=sum(map(len, image.blobs.values())),
        unpacked=0,
        layers=(),
        packages=Packages({}, {}, {}, {}),
        tests=(),
        sbom=None,
    )


def _record(made: MadeRelease, images: tuple[RecordedImage, ...], released: str) -> Record:
    return Record(
        schema=SCHEMA,
        version=made.version,
        revision=made.revision,
        branch=BRANCH,
        source="",
        created=released,
        released=released,
        previous="",
        stacks=(RecordedStack(STACK, True, (), images, (RecordedPair(*PAIR, ()),), None),),
    )
