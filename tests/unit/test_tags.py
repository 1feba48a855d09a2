"""Are tags what is in the image, and never a guess?"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from sparkyard import tags
from sparkyard.errors import (
    InspectionError,
    ReferenceFormatError,
    UnknownNameError,
    VersionError,
)
from sparkyard.facts.facts import Facts
from sparkyard.family import images
from sparkyard.family.images import Family, Image
from sparkyard.git import Checkout
from sparkyard.registry import oci
from sparkyard.tags import Origin, Tags
from tests.unit.parity.test_parity import GOOD, java, package, packages, python, spark

FINGERPRINT = "0123456789ab"
CHECKOUT = Checkout("7c14a3c28b141cc97a330c4d0f5d2a6da7267f85", "main", False, "", "")
COMMIT = CHECKOUT.revision[:12]
FAMILY = Family(
    (
        Image("base", "x", "debian", tags=("python", "java")),
        Image("notebook", "x", "base", session="n", tags=("versions", "jupyterhub")),
        Image("with-r", "x", "notebook", session="w", tags=("r", "java")),
        Image("side", "x", "base", session="s", tags=("versions", "spark", "hadoop", "scala")),
    ),
    "spark-3.5",
    "n",
)
NOTEBOOK = replace(
    packages(package("jupyterhub", "6.1.1")), r={"base": "4.5.0", "cli": "3.6"}, missing={}
)
VERSIONS = "3.5.9-hadoop3.3.4-scala2.12-py3.11-java8"


def of(image: str, facts: Facts, **origin: Any) -> Tags:
    made = Origin("spark-3.5", FINGERPRINT, **origin)
    return tags.tags(FAMILY[image], FAMILY, facts, made)


def bare(found: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tags without those that have the stack's name behind them."""
    return tuple(tag for tag in found if not tag.endswith("-spark-3.5"))


def test_the_executors_tag_tells_all_versions() -> None:
    assert bare(of("side", GOOD).moving) == (
        "spark-3.5", "python-3.11", "java-8", VERSIONS, "spark-3.5.9", "hadoop-3.3.4", "scala-2.12",
    )  # fmt: skip


def test_an_image_has_its_ancestors_tags_each_once() -> None:
    assert bare(of("notebook", NOTEBOOK).moving) == (
        "spark-3.5", "python-3.11", "java-8", VERSIONS, "jupyterhub-6.1.1",
    )  # fmt: skip
    notebook = bare(of("notebook", NOTEBOOK).moving)
    assert bare(of("with-r", NOTEBOOK).moving) == (*notebook, "r-4.5.0")


def test_what_never_moves_is_told_apart_from_what_does() -> None:
    plain = of("side", GOOD)
    assert plain.immutable == (f"spark-3.5-{FINGERPRINT}",)
    released = of("side", GOOD, checkout=CHECKOUT, version="1.4.0")
    assert bare(released.immutable) == (f"spark-3.5-{FINGERPRINT}", COMMIT, "1.4.0")
    assert released.version == "1.4.0"
    assert "main" in released.moving
    assert not set(released.immutable) & set(released.moving)


def test_a_dirty_tree_has_no_tag_that_never_moves() -> None:
    dirty = of("side", GOOD, checkout=replace(CHECKOUT, dirty=True))
    assert COMMIT not in dirty.immutable
    assert f"{COMMIT}-dirty" in dirty.moving


def test_a_detached_head_has_no_branch() -> None:
    detached = of("side", GOOD, checkout=replace(CHECKOUT, branch=""))
    assert bare(detached.immutable)[-1] == COMMIT
    assert detached.moving == of("side", GOOD).moving


def test_each_tag_says_what_it_was_computed_from_and_can_be_one() -> None:
    found = of("with-r", NOTEBOOK, checkout=CHECKOUT, version="1.4.0-rc.1")
    assert found.sources.keys() == {*found.immutable, *found.moving}
    assert all(found.sources.values())
    for tag in found.sources:
        assert oci.check_tag(tag) == tag


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (java(version="1.8.0_504"), "java-8"),
        (java(version="11.0.24"), "java-11"),
        (java(version="21"), "java-21"),
        (java(version="17-ea"), "java-17"),
        (python(version="3.9.2"), "python-3.9"),
        (python(version="3.13.0rc2"), "python-3.13"),
        (spark(scala="2.13.14"), "scala-2.13"),
        (spark(version="4.0.1", hadoop="3.4.1"), "4.0.1-hadoop3.4.1-scala2.12-py3.11-java8"),
        (spark(version="4.0.0-preview2"), "spark-4.0.0-preview2"),
    ],
)  # fmt: skip
def test_tags_follow_what_is_in_the_image(facts: Facts, expected: str) -> None:
    assert expected in of("side", facts).moving


@pytest.mark.parametrize(
    ("image", "facts", "told"),
    [
        ("side", replace(GOOD, java=None, missing={"java": "no java on PATH"}), "no java on PATH"),
        ("side", java(version="unknown"), "java.version"),
        ("side", replace(GOOD, spark=None), "no Spark was found"),
        ("side", replace(spark(hadoop=None), missing={"spark.hadoop": "no client"}), "no client"),
        ("side", spark(scala=None), "spark.scala"),
        ("side", spark(version=None), "spark.version"),
        ("side", replace(GOOD, interpreters=()), "no interpreter"),
        ("notebook", GOOD, "jupyterhub is not installed"),
        ("with-r", replace(NOTEBOOK, r=None, missing={"r": "no R library"}), "no R library"),
        ("with-r", replace(NOTEBOOK, r={"cli": "1"}), "base is not installed"),
    ],
)
def test_a_fact_that_is_missing_is_an_error_and_no_tag(image: str, facts: Facts, told: str) -> None:
    with pytest.raises(InspectionError) as refusal:
        of(image, facts)
    assert told in refusal.value.what
    assert "None" not in refusal.value.what


def test_two_pythons_in_one_image_are_no_version_of_python() -> None:
    [one] = GOOD.interpreters
    other = replace(one, executable="/usr/bin/python3", version="3.13.5")
    role = replace(GOOD.python.driver, interpreter="/usr/bin/python3")
    both = replace(GOOD, interpreters=(one, other), python=replace(GOOD.python, driver=role))
    with pytest.raises(InspectionError, match=r"3\.13\.5 and its workers 3\.11\.2"):
        of("side", both)


@pytest.mark.parametrize(
    ("facts", "told"),
    [(spark(version="3.5.9+site"), "3.5.9+site"), (spark(hadoop="x" * 130), "xxx")],
)
def test_what_no_registry_takes_is_refused(facts: Facts, told: str) -> None:
    with pytest.raises(ReferenceFormatError) as refusal:
        of("side", facts)
    assert told in refusal.value.what


def test_a_version_that_is_none_is_refused() -> None:
    with pytest.raises(VersionError):
        of("side", GOOD, version="v1.4.0")


def test_a_version_that_another_tag_already_says_is_refused() -> None:
    with pytest.raises(ReferenceFormatError, match=re.escape(VERSIONS)):
        of("side", GOOD, version=VERSIONS)


def test_a_tagger_that_does_not_exist_is_named_with_the_near_one() -> None:
    family = Family((Image("base", "x", "debian", tags=("pyton",)),), "s", "n")
    with pytest.raises(UnknownNameError, match="pyton") as refusal:
        tags.tags(family["base"], family, GOOD, Origin("s", FINGERPRINT))
    assert refusal.value.remedy == "Did you mean python?"


def test_the_familys_own_taggers_all_exist_and_all_are_used() -> None:
    family = images.load()
    used = {tag for image in family.published for tag in family.tags(image.name)}
    assert used == tags.TAGGERS.keys()


@pytest.mark.parametrize(
    ("branch", "tag"),
    [
        ("main", "main"),
        ("feature/x", "feature-x"),
        ("fix_#12 ü", "fix_-12--"),
        (".hidden", "hidden"),
        ("-x", "x"),
        ("release-1.4", "release-1.4"),
    ],
)
def test_a_branch_becomes_a_tag(branch: str, tag: str) -> None:
    assert tags.branch_tag(branch) == oci.check_tag(tag)


@pytest.mark.parametrize(
    "branch",
    ["1.4.0", "v1.4.0", "1.4", "1.4.0-rc.1", "2024", "latest", "stable", COMMIT,
     "spark-3.5-0123456789ab", f"{COMMIT}-dirty", VERSIONS, "spark-3.4.1", "java-11", "branch-x"],
)  # fmt: skip
def test_a_branch_is_never_taken_for_another_kind_of_tag(branch: str) -> None:
    assert tags.branch_tag(branch) == f"branch-{branch}"


@pytest.mark.parametrize(("one", "other"), [("ветка", "ветви"), ("a" * 200, "a" * 199 + "b")])
def test_branches_of_which_little_is_left_stay_apart(one: str, other: str) -> None:
    first, second = (tags.branch_tag(branch) for branch in (one, other))
    assert first != second
    assert oci.check_tag(first)
    assert oci.check_tag(second)


def test_a_branch_is_never_taken_for_another_branch_of_a_stack() -> None:
    for branch in ("spark-3.5", "main-spark-3.5", "latest-spark-3.5"):
        tag = tags.branch_tag(branch)
        assert branch in tag
        assert not tag.endswith("-spark-3.5")
        assert oci.check_tag(f"{tag}-spark-3.5")


def test_stacks_never_claim_one_tag() -> None:
    family = Family((Image("base", "x", "debian", tags=("python", "java")),), "spark-3.5", "n")
    claimed = {}
    for stack in ("spark-3.5", "spark-4"):
        origin = Origin(stack, FINGERPRINT, CHECKOUT, "1.4.0")
        found = tags.tags(family["base"], family, GOOD, origin)
        claimed[stack] = {*found.immutable, *found.moving}
    assert {"1.4.0", "1.4.0-spark-3.5", COMMIT, "main", "java-8"} <= claimed["spark-3.5"]
    assert {"1.4.0-spark-4", f"{COMMIT}-spark-4", "main-spark-4"} <= claimed["spark-4"]
    assert not claimed["spark-3.5"] & claimed["spark-4"]


def test_a_version_that_names_a_stack_is_refused() -> None:
    with pytest.raises(ReferenceFormatError, match=r"taken for 1\.4\.0 on the stack spark-3\.5"):
        tags.check_version("1.4.0-spark-3.5")


def test_an_image_that_no_stack_owns_bears_bare_names_alone() -> None:
    family = Family((Image("hub", "x", "debian", project="hub", tags=("python",)),), "s", "n")
    found = tags.tags(family["hub"], family, GOOD, Origin("hub", FINGERPRINT, version="1.0.0"))
    assert found.immutable == (f"hub-{FINGERPRINT}", "1.0.0")
    assert found.moving == ("hub", "python-3.11")


@pytest.mark.parametrize("branch", ["hub", "hub-fix", "os"])
def test_no_branch_is_taken_for_a_project(branch: str) -> None:
    assert tags.branch_tag(branch) == f"branch-{branch}"
