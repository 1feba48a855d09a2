"""Which layers do a stack's images share? Columns to scale: each layer at one place in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparkyard.record.record import RecordedLayer, RecordedStack

COLOURS = 11
"""Colours that the page has for layers, 1 to 11; 0 is for layers too small to tell by colour."""
TOLD_APART = 0.002
"""Share of the picture's width from which a layer has a colour: about 2 pixels of 1100."""

_CHARACTER = 7.0
_PADDING = 12.0
_NARROW = (
    ("any", 330),
    ("from-600", 540),
    ("from-900", 820),
    ("from-1300", 1150),
)
"""The page's widths as its style sheet tells them apart, and the picture's pixels in each."""


@dataclass(frozen=True)
class Column:
    """A layer in the picture: where it begins and how wide it is, as shares of the whole width.

    Attributes:
        images: names of the images that have it.
        number_shown, name_shown: the class of the least page width at which that text fits into it;
            empty where it never does.
    """

    number: int
    layer: RecordedLayer
    images: tuple[str, ...]
    begin: float
    width: float
    colour: int
    number_shown: str
    name_shown: str

    @property
    def told_apart(self) -> bool:
        """Whether it is wide enough to be seen."""
        return self.width >= TOLD_APART


@dataclass(frozen=True)
class More:
    """The bytes that a node with a driver's image still needs for its executors."""

    driver: str
    executors: str
    bytes: int


@dataclass(frozen=True)
class Shared:
    """The picture: all layers of a stack once, and what sharing saves, in bytes compressed.

    Attributes:
        stored: the bytes of all layers, each once.
        alone: the bytes of all images, if nothing were shared.
        for_executors: of each pair of which the release has both.
    """

    columns: tuple[Column, ...]
    stored: int
    alone: int
    for_executors: tuple[More, ...]

    def of_image(self, name: str) -> tuple[Column, ...]:
        """Return the columns that an image has."""
        return tuple(column for column in self.columns if name in column.images)


def shared(stack: RecordedStack) -> Shared:
    """Return the picture of a stack's layers.

    Layers that the same images have stand together, those of the most images first, so that what
    is shared is one block in all of them.
    """
    layers: dict[str, RecordedLayer] = {}
    having: dict[str, list[str]] = {}
    for image in stack.images:
        for layer in image.layers:
            layers.setdefault(layer.digest, layer)
            names = having.setdefault(layer.digest, [])
            if image.name not in names:
                names.append(image.name)
    sets = list(dict.fromkeys(tuple(names) for names in having.values()))
    sets.sort(key=len, reverse=True)
    ordered = sorted(layers.values(), key=lambda layer: sets.index(tuple(having[layer.digest])))
    stored = sum(layer.compressed for layer in ordered)
    colours = _colours(ordered, stored)
    columns = []
    before = 0
    for number, layer in enumerate(ordered, start=1):
        width = layer.compressed / stored if stored else 0.0
        columns.append(
            Column(
                number,
                layer,
                tuple(having[layer.digest]),
                before / stored if stored else 0.0,
                width,
                colours[layer.digest],
                _fits(str(number), width),
                _fits(f"{number} {layer.holds}", width),
            )
        )
        before += layer.compressed
    alone = sum(column.layer.compressed * len(column.images) for column in columns)
    return Shared(tuple(columns), stored, alone, _for_executors(stack))


def _colours(layers: Sequence[RecordedLayer], stored: int) -> dict[str, int]:
    """Return a colour for each layer, in the picture's order: neighbours never have the same."""
    colours = {}
    given = 0
    for layer in layers:
        if not stored or layer.compressed / stored < TOLD_APART:
            colours[layer.digest] = 0
        else:
            colours[layer.digest] = given % COLOURS + 1
            given += 1
    return colours


def _fits(text: str, width: float) -> str:
    needed = len(text) * _CHARACTER + _PADDING
    return next((name for name, pixels in _NARROW if width * pixels >= needed), "")


def _for_executors(stack: RecordedStack) -> tuple[More, ...]:
    more = []
    for pair in stack.pairs:
        driver, executors = stack.image(pair.driver), stack.image(pair.executors)
        if driver and executors:
            known = {layer.digest for layer in driver.layers}
            new = {layer.digest: layer.compressed for layer in executors.layers}
            lacking = sum(size for digest, size in new.items() if digest not in known)
            more.append(More(driver.name, executors.name, lacking))
    return tuple(more)
