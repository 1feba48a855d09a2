"""What does an image have: Python, Spark, R, a notebook server, a role in a pair?

Capabilities are read from the graph. The layer `python-spark` gives an image "python" and "spark",
the layer `apt-r` gives "apt" and "r", a part gives its own name, and so does the image itself. An
image has what its ancestors have. The tests of a capability are in tests/images/<capability>.
"""

from __future__ import annotations

from sparkyard.errors import UnknownNameError
from sparkyard.family.images import DRIVER, EXECUTOR, LAYERS, Family, Image
from sparkyard.names import nearest

PAIR = "pair"
"""What a driver's image and its executors' image have."""


def added(family: Family, name: str) -> tuple[str, ...]:
    """Return what an image adds to its parent's capabilities."""
    role = family.role(name)
    return (*_contents(family[name]), *((PAIR, role) if role else ()))


def of(family: Family, name: str) -> tuple[str, ...]:
    """Return the capabilities of an image, its ancestors' first, each once."""
    chain = family.chain(name)
    return tuple(dict.fromkeys(has for image in chain for has in added(family, image.name)))


def having(family: Family, capability: str) -> tuple[str, ...]:
    """Return the published images that have a capability.

    Raises:
        UnknownNameError: no image has it, on no stack.
    """
    everywhere = (*family.images, *family.elsewhere)
    known = {has for image in everywhere for has in _contents(image)} | {PAIR, DRIVER, EXECUTOR}
    if capability not in known:
        raise UnknownNameError(f'No image has "{capability}".', nearest(capability, known))
    return tuple(image.name for image in family.published if capability in of(family, image.name))


def _contents(image: Image) -> tuple[str, ...]:
    contents = [image.name]
    for taken in image.takes:
        kind, _, group = taken.partition("-")
        contents += (kind, group) if taken.startswith(LAYERS) else (taken,)
    return tuple(contents)
