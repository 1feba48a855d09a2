"""When did which step of an image's build run? Kept by the image's digest on this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

from sparkyard import paths
from sparkyard.decode import NotOfThatTypeError, decode
from sparkyard.files import whole_file
from sparkyard.record.record import RecordedBuild


def keep(build: RecordedBuild, digests: Iterable[str]) -> None:
    """Keep a build's times for the images that it made; a full disk only costs these times.

    Args:
        build: its steps.
        digests: of the images, as the engine names them (sha256:...).
    """
    text = json.dumps(dataclasses.asdict(build), indent=1) + "\n"
    for digest in digests:
        with contextlib.suppress(OSError):
            whole_file.write(_path(digest), text)


def of(digest: str) -> RecordedBuild | None:
    """Return the build that made an image; None where it was made elsewhere, or not timed."""
    try:
        document = json.loads(_path(digest).read_text(encoding="utf-8"))
        return decode(RecordedBuild, document, "timeline")
    except (OSError, ValueError, NotOfThatTypeError):
        return None


def _path(digest: str) -> Path:
    return paths.cache() / "timelines" / f"{digest.rpartition(':')[2]}.json"
