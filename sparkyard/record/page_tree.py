"""Where do the images of a stack stand in the family's picture? Boxes and lines, in pixels."""

from __future__ import annotations

from dataclasses import dataclass

from sparkyard.record.record import RecordedImage, RecordedStack

BOX_HEIGHT = 62
GAP = 18
LEVEL = 108
"""Pixels from one row of boxes to the next; a line's label stands between them."""

_CHARACTER = 8.3
_LEAST_WIDTH, _MOST_WIDTH = 150, 300


@dataclass(frozen=True)
class Box:
    """An image, or the parent of images that is not published itself: `image` is None then."""

    name: str
    shown: str
    image: RecordedImage | None
    x: float
    y: float


@dataclass(frozen=True)
class Line:
    """From a parent's lower edge to its child's upper one; `added` bytes, None where not known."""

    x1: float
    y1: float
    x2: float
    y2: float
    added: int | None


@dataclass(frozen=True)
class Tree:
    """The picture and its size."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float
    box_width: float


def tree(stack: RecordedStack) -> Tree:
    """Return the family of a release on a stack, parents above their children."""
    images = {image.name: image for image in stack.images}
    names = list(dict.fromkeys(n for image in stack.images for n in (image.parent, image.name)))
    children = {name: [i.name for i in stack.images if i.parent == name] for name in names}
    longest = max((len(name) for name in names), default=0)
    width = min(max(longest * _CHARACTER + 22, _LEAST_WIDTH), _MOST_WIDTH)
    places: dict[str, tuple[float, float]] = {}
    leaves = 0

    def place(name: str, depth: int) -> float:
        nonlocal leaves
        below = [place(child, depth + 1) for child in children[name] if child not in places]
        if below:
            middle = (below[0] + below[-1]) / 2
        else:
            middle = leaves * (width + GAP) + width / 2
            leaves += 1
        places[name] = (middle - width / 2, depth * LEVEL)
        return middle

    for name in names:
        if name not in images:
            place(name, 0)
    # What stands on itself, by way of others, has no root: a record that is read may be anything.
    for name in names:
        if name not in places:
            places[name] = (leaves * (width + GAP), 0)
            leaves += 1
    shown = int((_MOST_WIDTH - 22) / _CHARACTER)
    boxes = tuple(
        Box(
            name,
            name if len(name) <= shown else f"{name[: shown - 1]}\u2026",
            images.get(name),
            *places[name],
        )
        for name in names
    )
    lines = tuple(
        Line(
            places[image.parent][0] + width / 2,
            places[image.parent][1] + BOX_HEIGHT,
            places[image.name][0] + width / 2,
            places[image.name][1],
            _added(image, images.get(image.parent)),
        )
        for image in stack.images
    )
    right = max((box.x for box in boxes), default=0.0) + width
    bottom = max((box.y for box in boxes), default=0.0) + BOX_HEIGHT
    return Tree(boxes, lines, right, bottom, width)


def _added(image: RecordedImage, parent: RecordedImage | None) -> int | None:
    if parent is None:
        return None
    known = {layer.digest for layer in parent.layers}
    return sum({x.digest: x.compressed for x in image.layers if x.digest not in known}.values())
