"""Records of releases that tests draw pages of: one of a real family, and what tests make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sparkyard.record import io as record_io
from sparkyard.record.record import Packages, ParityRow, Record, RecordedImage, RecordedStack

FILE = Path(__file__).with_name("family.json")
"""A document of schema 1, which a Sparkyard of one stack wrote."""


def family() -> Record:
    """Return a first release of the family."""
    return record_io.read(FILE)


def with_stack(record: Record, **parts: Any) -> Record:
    """Return a release of one stack with other parts of that stack."""
    return replace(record, stacks=(replace(record.stacks[0], **parts),))


def first() -> Record:
    """Return a first release of which nothing is known but its images."""
    record = family()
    images = tuple(replace(image, tests=(), sbom=None) for image in record.images)
    return with_stack(replace(record, previous=""), pairs=(), build=None, images=images)


def pair(count: int = 3) -> tuple[Record, Record]:
    """Return a release and the one before: packages changed, and one layer is bigger now.

    Args:
        count: how many Python and Debian packages changed.
    """
    record = replace(family(), previous="1.3.2")
    images = tuple(_earlier(image, count) for image in record.images)
    return with_stack(replace(record, version="1.3.2"), images=images), record


def two_stacks() -> tuple[Record, Record]:
    """Return a release of one stack, of schema 1, and one of two that came after it."""
    before, record = pair()
    return before, replace(record, stacks=(*record.stacks, second(record.stacks[0])))


def second(stack: RecordedStack, name: str = "spark-4") -> RecordedStack:
    """Return a stack like another one, of another name, with images of its own."""
    images = tuple(
        replace(
            image,
            digest=_other(image.digest),
            index=_other(image.index),
            fingerprint=image.fingerprint[::-1],
            immutable=tuple(f"{tag}-{name}" for tag in image.immutable),
            moving=tuple(f"{tag}-{name}" for tag in image.moving),
        )
        for image in stack.images
    )
    pairs = tuple(
        replace(each, rows=tuple(_of_second(row) for row in each.rows)) for each in stack.pairs
    )
    return replace(stack, name=name, default=False, images=images, pairs=pairs)


def _of_second(row: ParityRow) -> ParityRow:
    version = {"Spark version": "4.1.0", "Scala version": "2.13.17"}.get(row.name, row.driver)
    return replace(row, driver=version, executors=version)


def _other(digest: str) -> str:
    return f"sha256:{digest.removeprefix('sha256:')[::-1]}"


def hostile(text: str) -> tuple[Record, Record]:
    """Return two releases that have a text wherever a person or an image could have put it."""
    before, record = pair()
    images = tuple(
        replace(
            image,
            summary=text,
            repository=text,
            layers=tuple(replace(e, holds=text, created_by=text) for e in image.layers),
            packages=replace(image.packages, python={text: text, **image.packages.python}),
        )
        for image in record.images
    )
    (stack,) = record.stacks
    pairs = tuple(
        replace(
            each,
            rows=tuple(replace(row, driver=text, executors=text, why=text) for row in each.rows),
        )
        for each in stack.pairs
    )
    build = stack.build and replace(
        stack.build, steps=tuple(replace(step, name=text) for step in stack.build.steps)
    )
    record = replace(record, branch=text, source=text)
    return before, with_stack(record, untested=(text,), images=images, pairs=pairs, build=build)


def _earlier(image: RecordedImage, count: int) -> RecordedImage:
    had = image.packages
    packages = Packages(
        _older(had.debian, count), {**_older(had.python, count), "gone": "1.0"}, had.jars, had.r
    )
    layers = tuple(
        replace(layer, digest=f"sha256:{'ab' * 32}", compressed=layer.compressed * 9 // 10)
        if layer.holds == "python-dataframes"
        else layer
        for layer in image.layers
    )
    return replace(
        image,
        digest=f"sha256:{'cd' * 32}",
        layers=layers,
        packages=packages,
        compressed=sum(layer.compressed for layer in layers),
    )


def _older(versions: Mapping[str, str], count: int) -> dict[str, str]:
    changed = dict(versions)
    for name in sorted(changed)[:count]:
        changed[name] = "0.0.1"
    return changed
