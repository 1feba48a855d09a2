"""Do the Dockerfiles of published images keep the rules that make layers reproducible?"""

from __future__ import annotations

import re

import pytest

from sparkyard import paths
from sparkyard.family import images

NAMES = sorted({image.name for image in images.load().images} | {"python", "jars", "apt"})


def copies(text: str) -> list[str]:
    return re.findall(r"^(?:COPY|ADD) (.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_whole_trees_are_copied_onto_the_root(name: str) -> None:
    """BuildKit makes the missing directories of any other destination at the time of the build."""
    text = (paths.IMAGES / name / "Dockerfile").read_text()
    assert [line for line in copies(text) if line.split()[-1] != "/"] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_step_ends_settled(name: str) -> None:
    text = (paths.IMAGES / name / "Dockerfile").read_text().replace("\\\n", " ")
    steps = re.findall(r"^RUN (.+)$", text, re.MULTILINE)
    assert [step for step in steps if "settle /" not in step.rsplit("&&", 1)[-1]] == []
    assert not steps or "ARG SOURCE_DATE_EPOCH" in text
