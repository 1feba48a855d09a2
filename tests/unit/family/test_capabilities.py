"""Does each image have what its layers, its parts and its edges say, and get the tests of that?"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sparkyard.errors import UnknownNameError
from sparkyard.family import capabilities, images
from sparkyard.family.images import Family, Image
from tests.images import conftest

FAMILY = images.load()
SPARK = FAMILY.on(FAMILY.default_stack)
TESTED = {
    "pyspark-notebook": {"os", "python", "spark", "notebook", "pyspark-notebook"},
    "all-spark-notebook": {"os", "python", "spark", "notebook", "pyspark-notebook", "r"},
    "datascience-notebook": {
        "os", "python", "spark", "notebook", "pyspark-notebook", "r", "jars", "driver", "pair",
    },
    "spark-executors": {"os", "python", "spark", "jars", "executor", "pair"},
    "jupyterhub-hub": {"os", "python", "hub"},
}  # fmt: skip
"""The directories of tests/images whose tests each image gets."""


def directories() -> set[str]:
    here = Path(conftest.__file__).parent
    return {entry.name for entry in here.iterdir() if entry.is_dir() and entry.name[0] != "_"}


@pytest.mark.parametrize("image", FAMILY.published, ids=lambda image: image.name)
def test_each_image_gets_the_tests_of_what_it_has(image: Image) -> None:
    family = FAMILY.on(image.project or FAMILY.default_stack)
    tested = {name for name in directories() if image.name in capabilities.having(family, name)}
    assert tested == TESTED[image.name]


def test_every_directory_of_tests_is_of_some_image() -> None:
    assert directories() == set.union(*TESTED.values())


def test_a_part_and_the_groups_of_layers_are_capabilities() -> None:
    for name in ("spark-kubernetes", "s3a", "team"):
        assert set(capabilities.having(SPARK, name)) == {"datascience-notebook", "spark-executors"}


def test_what_an_image_adds_is_not_what_it_inherits() -> None:
    adding = {
        name: {i.name for i in SPARK.published if name in capabilities.added(SPARK, i.name)}
        for name in ("python", "r", "os")
    }
    assert adding == {
        "python": {"pyspark-notebook", "datascience-notebook", "spark-executors"},
        "r": {"all-spark-notebook"},
        "os": set(),
    }


def test_the_same_layer_gives_the_same_capability_whatever_the_parent_is() -> None:
    family = Family(
        (
            Image("one", "x", "debian", session="o", takes=("python-spark",)),
            Image("other", "x", "elsewhere-base", session="p", takes=("apt-r", "python-spark")),
            Image("elsewhere-base", "x", "debian"),
        ),
        "s",
        "n",
    )
    assert capabilities.having(family, "spark") == ("one", "other")
    assert capabilities.having(family, "r") == ("other",)
    assert capabilities.of(family, "other") == (
        "elsewhere-base", "other", "apt", "r", "python", "spark",
    )  # fmt: skip


def test_what_only_a_project_beside_the_stacks_has_is_known_and_had_by_none_here() -> None:
    assert capabilities.having(SPARK, "hub") == ()
    assert capabilities.having(FAMILY.on("hub"), "pair") == ()


@pytest.mark.parametrize(("name", "near"), [("sparc", "spark"), ("notebooks", "notebook")])
def test_an_unknown_capability_is_refused_and_the_near_one_named(name: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f'No image has "{name}"') as refusal:
        capabilities.having(SPARK, name)
    assert near in refusal.value.remedy


def test_tests_of_an_unknown_capability_are_not_collected_and_the_near_one_is_named() -> None:
    config: Any = SimpleNamespace(getoption={"stack": [], "image": ""}.get)
    refused = r'tests/images/sparc: No image has "sparc"\. Did you mean spark\?'
    with pytest.raises(pytest.Collector.CollectError, match=refused):
        conftest._under_test(config, "sparc")
