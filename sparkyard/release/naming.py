"""By which tags of its images is a release found, or a channel that names it?"""

from __future__ import annotations

from sparkyard import tags
from sparkyard.record.record import Record, RecordedImage, RecordedStack


def of_channel(name: str, stack: RecordedStack) -> tuple[str, ...]:
    """Return the tags of a channel on a stack's images."""
    return tags.of_stack([name], stack.name, stack.name if stack.default else "")


def of_release(record: Record, stack: RecordedStack, image: RecordedImage) -> tuple[str, ...]:
    """Return the tags of an image that name the release.

    The first is always one; what else it bears is in its record, for releases of one stack had no
    tag with the stack's name behind the version.
    """
    first, *others = of_channel(record.version, stack)
    return (first, *(tag for tag in others if tag in image.immutable))
