"""Each layer has a word for what it holds, counted from the top of the Dockerfiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkyard.facts import layer_names
from sparkyard.family import images

DOCKERFILE = """\
FROM debian AS early
RUN one
COPY a b
FROM base
# RUN in a comment
ARG PYTHON
ENV A=1
WORKDIR /home/jovyan
COPY --link --from=python-spark / /
COPY --chmod=0755 entrypoint /usr/local/bin/entrypoint
COPY conf/ /opt/spark/conf/
ADD --link --from=jars-s3a / /
RUN --mount=type=cache,target=/x apt-install \\
    # a comment within
    trixie tini
RUN ldconfig && \\
    true
USER 1000
"""


def test_only_the_last_stage_and_what_touches_files_makes_layers() -> None:
    assert layer_names.of_dockerfile(DOCKERFILE) == [
        "jovyan",
        "python-spark",
        "entrypoint",
        "conf",
        "jars-s3a",
        "debian packages",
        "set-up",
    ]


def test_a_dockerfile_that_adds_nothing_has_no_layers() -> None:
    assert layer_names.of_dockerfile("FROM base\nARG X\nUSER 1000\n") == []


def test_what_lies_below_all_dockerfiles_is_the_base_systems(tmp_path: Path) -> None:
    family = images.load()
    name = family.published[0].name
    for above in family.chain(name):
        (tmp_path / above.name).mkdir()
        (tmp_path / above.name / "Dockerfile").write_text(f"FROM x\nCOPY {above.name} /\n")
    chain = [above.name for above in family.chain(name)]
    found = layer_names.of_image(family, name, len(chain) + 2, tmp_path)
    assert found == [layer_names.ROOT_LAYER, layer_names.ROOT_LAYER, *chain]


@pytest.mark.parametrize("image", [image.name for image in images.load().published])
def test_every_layer_of_the_real_images_has_a_word(image: str) -> None:
    family = images.load()
    found = layer_names.of_image(family, image, 40)
    assert len(found) == 40
    assert all(found)
    assert found[0] == layer_names.ROOT_LAYER
    assert {layer for layer in family[image].takes if layer in found} == set(family[image].takes)
