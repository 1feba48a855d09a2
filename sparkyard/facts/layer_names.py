"""What does a layer hold, in one word? Read off the Dockerfiles that made the image.

Each instruction that touches files makes one layer, in the order in which it is written. So
counting from the top, the layers of an image are the instructions of its chain's Dockerfiles; those
below are the base's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sparkyard import paths
from sparkyard.family.images import Family

ROOT_LAYER = "debian"
"""The word for each layer of the root file system, which no Dockerfile makes."""

_MAKES_A_LAYER = ("ADD", "COPY", "RUN", "WORKDIR")
_FROM = re.compile(r"--from=(\S+)")


def of_image(family: Family, image: str, count: int, directory: Path = paths.IMAGES) -> list[str]:
    """Return a word for each of an image's layers, the lowest first.

    Args:
        family: the images and what each stands on.
        image: its name.
        count: how many layers it has.
        directory: where the Dockerfiles stand.
    """
    words = [
        word
        for above in family.chain(image)
        for word in of_dockerfile((directory / above.name / "Dockerfile").read_text())
    ]
    return [ROOT_LAYER] * (count - len(words)) + words[-count:]


def of_dockerfile(text: str) -> list[str]:
    """Return a word for each layer that the last stage of a Dockerfile makes."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    stage: list[str] = []
    for line in joined.splitlines():
        words = line.split()
        if words and words[0].upper() == "FROM":
            stage = []
        elif words and words[0].upper() in _MAKES_A_LAYER:
            stage.append(_word(words))
    return stage


def _word(words: Sequence[str]) -> str:
    line = " ".join(words)
    if found := _FROM.search(line) if words[0].upper() in ("COPY", "ADD") else None:
        return found.group(1)
    plain = [word for word in words[1:] if not word.startswith("--")]
    if words[0].upper() == "RUN":
        return "debian packages" if "apt-install" in line else "set-up"
    last = plain[-1].rstrip("/").rpartition("/")[2]
    return last or plain[0].rpartition("/")[2]
