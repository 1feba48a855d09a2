"""Records of releases that tests draw pages of: one of a real family, and what tests make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sparkyard.record import io as record_io
from sparkyard.record.record import Packages, Record, RecordedImage

FILE = Path(__file__).with_name("family.json")


def family() -> Record:
    """Return a first release of the family."""
    return record_io.read(FILE)


def first() -> Record:
    """Return a first release of which nothing is known but its images."""
    record = family()
    images = tuple(replace(image, tests=(), sbom=None) for image in record.images)
    return replace(record, previous="", parity=(), build=None, images=images)


def pair(count: int = 3) -> tuple[Record, Record]:
    """Return a release and the one before: packages changed, and one layer is bigger now.

    Args:
        count: how many Python and Debian packages changed.
    """
    record = replace(family(), previous="1.3.2")
    images = tuple(_earlier(image, count) for image in record.images)
    return replace(record, version="1.3.2", images=images), record


def hostile(text: str) -> tuple[Record, Record]:
    """Return two releases that have a text wherever a person or an image could have put it."""
    before, record = pair()
    rows = tuple(replace(row, driver=text, executors=text, why=text) for row in record.parity)
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
    build = record.build and replace(
        record.build, steps=tuple(replace(step, name=text) for step in record.build.steps)
    )
    return before, replace(
        record, branch=text, source=text, untested=(text,), images=images, parity=rows, build=build
    )


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
