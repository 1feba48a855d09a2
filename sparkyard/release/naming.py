"""By which tags of its images is a release found, or a channel that names it?"""

from __future__ import annotations

from sparkyard import tags
from sparkyard.record.record import Record, RecordedImage, RecordedStack


def of_channel(name: str, stack: RecordedStack) -> tuple[str, ...]:
    """Return the tags of a channel on a stack's images."""
    return tags.of_stack([name], stack.name, stack.name if stack.default else "")


def of_release(record: Record, stack: RecordedStack, image: RecordedImage) -> tuple[str, ...]:
    """Return the tags of an image that name the release.

    The first tag always does. The second has the stack's name behind the version, and counts where
    the record has it: earlier releases had no such tag.
    """
    first, *others = of_channel(record.version, stack)
    return (first, *(tag for tag in others if tag in image.immutable))
