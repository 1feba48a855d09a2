"""Does a push take along what belongs together, and move tags in the right order?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from sparkyard import evidence
from sparkyard.errors import EvidenceMissingError, ImmutableTagError, UnknownNameError
from sparkyard.evidence import Evidence
from sparkyard.family import images
from sparkyard.plan import plan
from sparkyard.plan.plan import Step
from sparkyard.push import pushing
from sparkyard.push.pushing import Pushed
from sparkyard.registry.registry import Registry
from sparkyard.settings import Settings
from sparkyard.tags import ImmutableTag, MovingTag, Tags
from tests.unit.parity.test_parity import serving

FAMILY = images.load()
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def pushed(name: str) -> Pushed:
    fixed = (ImmutableTag("s-0123456789ab"), ImmutableTag("abcdefabcdef"))
    named = Tags(fixed, (MovingTag("s"), MovingTag("main")), {})
    return Pushed(FAMILY[name], f"n/{name}:s", ONE, f"n/{name}", named)


def test_the_notebook_takes_along_its_parents_and_the_executors_that_it_names() -> None:
    names = pushing.chosen(FAMILY, ["jupyterhub"])
    assert names[0] == "spark-executors"
    assert set(names[1:]) == {"pyspark-notebook", "all-spark-notebook", "datascience-notebook"}


def test_the_executors_go_alone() -> None:
    assert pushing.chosen(FAMILY, ["executors"]) == ("spark-executors",)


def test_without_a_name_all_published_images_go() -> None:
    assert set(pushing.chosen(FAMILY, [])) == {image.name for image in FAMILY.published}


@pytest.mark.parametrize("name", ["nobody", "base"])
def test_what_is_not_published_is_not_pushed(name: str) -> None:
    with pytest.raises(UnknownNameError):
        pushing.chosen(FAMILY, [name])


def test_fingerprints_are_first_and_no_notebooks_tag_moves_before_the_executors() -> None:
    order = pushing.steps([pushed(name) for name in pushing.chosen(FAMILY, ["jupyterhub"])[::3]])
    assert [(FAMILY.role(each.image.name), tag) for each, tag, _ in order] == [
        ("executor", "s-0123456789ab"),
        ("driver", "s-0123456789ab"),
        ("executor", "abcdefabcdef"),
        ("driver", "abcdefabcdef"),
        ("executor", "s"),
        ("executor", "main"),
        ("driver", "s"),
        ("driver", "main"),
    ]
    assert [immutable for *_, immutable in order] == [True] * 4 + [False] * 4


def test_a_taken_tag_that_never_moves_is_refused_with_both_digests() -> None:
    registry = Registry("127.0.0.1:1", Settings())
    image = pushed("spark-executors")
    before = {(image.repository, tag): ONE for tag, _ in image.ordered()}
    pushing.check(registry, [image], before)
    before[image.repository, "s"] = TWO  # a tag that moves may name another
    pushing.check(registry, [image], before)
    before[image.repository, "abcdefabcdef"] = TWO
    with pytest.raises(ImmutableTagError, match=f"{TWO}.*{ONE}"):
        pushing.check(registry, [image], before)


def inspected(references: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return what an engine says that has every image: the hubs are of one digest."""
    return {name: {"Id": TWO if "jupyterhub-hub" in name else ONE} for name in references}


@pytest.mark.parametrize(
    ("beside", "why"),
    [
        (None, "parity (not run)"),
        ({"pyspark-notebook:spark-4": ONE}, "not run beside pyspark-notebook:spark-3.5"),
        (
            {"pyspark-notebook:spark-3.5": ONE, "pyspark-notebook:spark-4": TWO},
            "run beside pyspark-notebook:spark-4 222222222222",
        ),
        ({"pyspark-notebook:spark-3.5": ONE, "pyspark-notebook:spark-4": ONE}, ""),
    ],
)
def test_a_push_of_the_hub_asks_for_its_parity_with_the_built_servers_of_each_stack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, beside: dict[str, str] | None, why: str
) -> None:
    monkeypatch.setenv("SPARKYARD_CACHE", str(tmp_path))
    monkeypatch.setattr("sparkyard.engine.engine.inspect", inspected)
    monkeypatch.setattr(
        pushing, "built", lambda _, names: {n: Step(n, n, n, "0" * 12, False, ()) for n in names}
    )
    monkeypatch.setattr("sparkyard.facts.facts.collect", lambda _: serving("5.5.0"))
    hub = plan.site("hub")
    proven = Evidence(TWO, "jupyterhub-hub", "images", 1, 0, 0, 1.0, "", "", False)
    evidence.record(proven)
    if beside is not None:
        evidence.record(replace(proven, part="parity", beside=beside))
    if not why:
        assert [image.digest for image in pushing.collect(hub, ["hub"])] == [TWO]
        return
    with pytest.raises(EvidenceMissingError) as refused:
        pushing.collect(hub, ["hub"])
    assert why in refused.value.what
    assert "`nox -s parity -- --stack hub`" in refused.value.remedy
