"""A release so small that it can be read: two images of two tiny layers each, one of them in all.

All of it is made here, so that a test can change any byte of it on its way.
"""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sparkyard.record import record
from sparkyard.record.record import (
    Packages,
    Record,
    RecordedImage,
    RecordedLayer,
    RecordedPair,
    RecordedSbom,
    RecordedStack,
)
from sparkyard.registry import oci
from sparkyard.registry.oci import Content
from sparkyard.release import signature
from sparkyard.release.signing_key import SigningKey
from sparkyard.sbom import cyclonedx as sbom_cyclonedx
from sparkyard.sbom import spdx as sbom_spdx
from sparkyard.sbom.components import Component, Coverage, Subject
from sparkyard.tags import of_stack

VERSION = "1.4.0"
NAMES = ("spark-executors", "pyspark-notebook")
STACK, OTHER_STACK = "spark-3.5", "spark-x"
KIND = "application/vnd.sparkyard.release.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
TIME = "2025-03-01T12:00:00Z"
TYPES = {
    "release.json": "application/json",
    "release.md": "text/markdown",
    "release.html": "text/html",
}


def digest(what: str) -> str:
    """Return a digest that stands for something."""
    return oci.digest_of(what.encode())


def image(**parts: Any) -> RecordedImage:
    """Return an image's record with these parts."""
    made = RecordedImage(
        name="spark-executors",
        summary="what executors run in",
        parent="base",
        repository="registry.example.com/sparkyard/spark-executors",
        digest=digest("manifest"),
        index=digest("index"),
        fingerprint="0123456789ab",
        immutable=(),
        moving=(),
        compressed=0,
        unpacked=0,
        layers=(),
        packages=Packages({"tini": "0.19.0"}, {}, {}, {}),
        tests=(),
        sbom=None,
    )
    return replace(made, **parts)


def make_stack(*images: RecordedImage, name: str = STACK) -> RecordedStack:
    """Return what is recorded of a stack; one of another name than `STACK` is not the default."""
    pairs = (RecordedPair(NAMES[1], NAMES[0], ()),)
    return RecordedStack(name, name == STACK, (), images, pairs, None)


def make_record(*images: RecordedImage, **parts: Any) -> Record:
    """Return a record of these images on one stack."""
    made = Record(
        schema=record.SCHEMA,
        version=VERSION,
        revision="0" * 40,
        branch="main",
        source="https://example.com/sparkyard.git",
        created=TIME,
        released=TIME,
        previous="",
        stacks=(make_stack(*images),),
    )
    return replace(made, **parts)


@dataclass(frozen=True)
class Image:
    """An image with all that belongs to it, ready for a registry."""

    recorded: RecordedImage
    index: Content
    manifest: Content
    config: Content
    layers: tuple[Content, ...]
    tags: tuple[str, ...]
    """Those that name the release."""

    @property
    def path(self) -> str:
        """Its repository's path."""
        return self.recorded.repository.partition("/")[2]


def make_image(name: str, place: str, stack: str = STACK) -> Image:
    """Return a tiny image of a stack, named for a repository under `place`."""
    fingerprint = digest(stack)[7:19]
    tags = of_stack([VERSION], stack, STACK)
    archives = {"base": b"base" * 5000, "Spark": f"{name}{stack}".encode() * 3000}
    layers = [Content(LAYER, gzip.compress(data, mtime=0)) for data in archives.values()]
    config = Content(
        oci.CONFIG,
        oci.canonical(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Labels": {"io.sparkyard.fingerprint": fingerprint}},
                "rootfs": {
                    "type": "layers",
                    "diff_ids": [oci.digest_of(data) for data in archives.values()],
                },
            }
        ),
    )
    manifest = Content(
        oci.MANIFEST,
        oci.canonical(
            {
                "schemaVersion": 2,
                "mediaType": oci.MANIFEST,
                "config": config.descriptor.as_json(),
                "layers": [layer.descriptor.as_json() for layer in layers],
            }
        ),
    )
    index = oci.index(manifest.descriptor, {"org.opencontainers.image.version": tags[0]})
    recorded = image(
        name=name,
        repository=f"{place}/{name}",
        digest=manifest.digest,
        index=index.digest,
        fingerprint=fingerprint,
        immutable=(f"{stack}-{fingerprint}", *tags),
        layers=tuple(
            RecordedLayer(
                layer.digest, oci.digest_of(data), len(layer.data), len(data), "COPY", holds
            )
            for layer, (holds, data) in zip(layers, archives.items(), strict=True)
        ),
        compressed=sum(len(layer.data) for layer in layers),
        unpacked=sum(len(data) for data in archives.values()),
    )
    return Image(recorded, index, manifest, config, tuple(layers), tags)


@dataclass(frozen=True)
class SmallRelease:
    """A signed release, as `ReleaseFiles` of sparkyard/release/releases.py is."""

    images: tuple[Image, ...]
    record: Record
    files: Mapping[str, bytes]
    key: SigningKey

    @property
    def contents(self) -> dict[str, Content]:
        """The files with their media types."""
        other = "application/octet-stream"
        return {name: Content(TYPES.get(name, other), data) for name, data in self.files.items()}

    @property
    def manifest(self) -> Content:
        """The artifact's manifest."""
        return oci.artifact(KIND, self.contents, {})

    def with_file(self, name: str, data: bytes | None) -> SmallRelease:
        """Return it with another file, or without one, and with the old signature."""
        files = {each: kept for each, kept in self.files.items() if each != name}
        return replace(self, files=files if data is None else {**files, name: data})


def sboms(name: str, image_digest: str) -> dict[str, bytes]:
    """Return the two documents of an image that has one package, by file name."""
    component = Component("debian", "deb-tini", "tini", "0.19.0", "pkg:deb/debian/tini@0.19.0")
    written = {
        kind: module.write(
            Subject(name, image_digest, f"pkg:oci/{name}@{image_digest.replace(':', '%3A')}"),
            [component],
            Coverage(1, 1, 1, 1, ()),
            created=datetime.fromisoformat(TIME),
            identity=str(uuid.uuid5(uuid.NAMESPACE_URL, image_digest)),
            tool="sparkyard-1",
        )
        for kind, module in (("spdx", sbom_spdx), ("cdx", sbom_cyclonedx))
    }
    return {f"{name}.{kind}.json": data for kind, data in written.items()}


def make(
    place: str,
    key: SigningKey,
    documents: Mapping[str, bytes] | None = None,
    stacks: Sequence[str] = (STACK,),
    **parts: Any,
) -> SmallRelease:
    """Return a signed release of two images on each stack.

    Args:
        place: registry and namespace.
        key: signs it.
        documents: SBOMs by file name in place of the right ones.
        stacks: names of stacks.
        parts: of the record, in place of the usual ones.
    """
    images: list[Image] = []
    bills: dict[str, bytes] = {}
    recorded_stacks = []
    for stack in stacks:
        recorded = []
        for name in NAMES:
            image = make_image(name, place, stack)
            own = sboms(name if stack == STACK else f"{name}-{stack}", image.manifest.digest)
            own |= {file: data for file, data in (documents or {}).items() if file in own}
            spdx, cyclonedx = (oci.digest_of(data) for data in own.values())
            bills |= own
            images.append(image)
            recorded.append(replace(image.recorded, sbom=RecordedSbom(spdx, cyclonedx, 1, 1, 1)))
        recorded_stacks.append(make_stack(*recorded, name=stack))
    made = make_record(stacks=tuple(recorded_stacks), **parts)
    files = {
        "release.json": as_json(made),
        "release.md": b"# Release 1.4.0\n",
        "release.html": b"<!doctype html><title>Release 1.4.0</title>\n",
        **bills,
    }
    return sign(SmallRelease(tuple(images), made, files, key))


def as_schema_1(made: Record) -> bytes:
    """Return a record of one stack as the file that a Sparkyard of one stack wrote."""
    document = json.loads(as_json(made))
    (stack,) = document.pop("stacks")
    (pair,) = stack["pairs"]
    roles = {pair["driver"]: "driver", pair["executors"]: "executor"}
    images = [{**image, "role": roles.get(image["name"], "")} for image in stack["images"]]
    parts = {"stack": stack["name"], "untested": stack["untested"], "build": stack["build"]}
    old = {**document, **parts, "schema": 1, "images": images, "parity": pair["rows"]}
    return json.dumps(old, indent=1, sort_keys=True).encode()


def as_json(made: Record) -> bytes:
    """Return a record as its file."""
    return json.dumps(made.as_document(), indent=1, sort_keys=True).encode()


def sign(release: SmallRelease, **parts: Any) -> SmallRelease:
    """Return it signed anew; `parts` stand in the statement in place of the usual ones."""
    unsigned = release.with_file(signature.FILE, None)
    stated = signature.statement(release.record, unsigned.contents)
    envelope = signature.sign({**stated, **parts}, release.key)
    return unsigned.with_file(signature.FILE, envelope)
