"""Is an image rebuilt when it must be, and for the reason that is given?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sparkyard.engine import engine
from sparkyard.errors import StaleLockError, UnknownNameError
from sparkyard.plan import plan
from sparkyard.plan.plan import INPUTS_LABEL, Plan
from sparkyard.settings import Settings
from tests.unit.small_family import BASE, make, site


class Engine:
    """An engine in memory: documents of images by tag."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}

    def inspect(self, references: Iterable[str]) -> dict[str, dict[str, Any]]:
        return {name: self.images[name] for name in references if name in self.images}

    def build(self, made: Plan) -> None:
        for step in made.rebuilds:
            labels = {INPUTS_LABEL: json.dumps(made.targets.inputs(step.image))}
            document = {"Id": step.reference, "Config": {"Labels": labels}}
            self.images |= {step.reference: document, step.moving: document}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch, root: Path) -> Engine:  # noqa: ARG001
    fake = Engine()
    monkeypatch.setattr(engine, "inspect", fake.inspect)
    return fake


def made(*wanted: str) -> Plan:
    return plan.make(site(), wanted, BASE)


def test_at_first_all_is_built(images: Engine) -> None:  # noqa: ARG001
    steps = made().steps
    assert [step.image for step in steps] == ["notebook", "executors"]
    assert {step.because for step in steps} == {("it was never built here",)}


def test_afterwards_nothing_is(images: Engine) -> None:
    images.build(made())
    assert made().rebuilds == ()
    assert all(step.because == () for step in made().steps)


@pytest.mark.parametrize("name", ["executors", "notebook", "notebooks"])
def test_only_what_is_wanted(images: Engine, name: str) -> None:  # noqa: ARG001
    assert [step.image for step in made(name).steps] == [name.removesuffix("s") if name ==
                                                         "notebooks" else name]  # fmt: skip


def test_a_change_names_its_file_and_touches_nothing_else(images: Engine, root: Path) -> None:
    images.build(made())
    (root / "conf/spark/spark-defaults.conf").write_text("c d\n")
    steps = {step.image: step for step in made().steps}
    assert steps["notebook"].because == ("conf/spark/spark-defaults.conf",)
    assert not steps["executors"].rebuild


def test_the_notebook_follows_the_executors_that_it_names(images: Engine, root: Path) -> None:
    images.build(made())
    with (root / "images/executors/Dockerfile").open("a") as file:
        file.write("USER 1\n")
    steps = {step.image: step for step in made().steps}
    assert steps["executors"].because == ("images/executors/Dockerfile",)
    assert steps["notebook"].because == ("EXECUTORS_IMAGE",)
    inputs = made().targets.inputs("notebook")
    assert inputs["EXECUTORS_IMAGE"] == steps["executors"].reference


def test_the_other_half_of_a_pair_is_named_where_it_is_behind(images: Engine, root: Path) -> None:
    images.build(made())
    assert plan.other_half(site(), made("executors"), BASE) is None
    with (root / "images/executors/Dockerfile").open("a") as file:
        file.write("USER 1\n")
    images.build(made("executors"))
    behind = plan.other_half(site(), made("executors"), BASE)
    assert behind is not None
    assert (behind.image, behind.because) == ("notebook", ("EXECUTORS_IMAGE",))
    assert plan.other_half(site(), made(), BASE) is None  # a plan of both says so itself


def test_going_back_needs_only_the_tag(images: Engine, root: Path) -> None:
    images.build(made())
    file = root / "images/executors/Dockerfile"
    before = file.read_text()
    file.write_text("FROM environment\nUSER 1\n")
    images.build(made())
    file.write_text(before)
    because = made("executors").steps[0].because
    assert because == ("family/executors:s is not the newest build",)


def test_an_image_that_was_removed(images: Engine) -> None:
    images.build(made())
    step = made("executors").steps[0]
    del images.images[step.reference]
    assert made("executors").steps[0].because == (f"{step.reference} is gone",)


@pytest.mark.parametrize("labels", [None, {}, {INPUTS_LABEL: ""}])
def test_an_image_that_does_not_say_what_it_was_made_of(
    images: Engine, labels: dict[str, str] | None
) -> None:
    images.images["family/executors:s"] = {"Id": "x", "Config": {"Labels": labels}}
    assert "images/executors/Dockerfile" in made("executors").steps[0].because


def test_all_anew(images: Engine) -> None:
    images.build(made())
    anew = made().all_anew()
    assert {step.because for step in anew.rebuilds} == {("it was asked for",)}


def test_as_json(images: Engine) -> None:  # noqa: ARG001
    document = json.loads(json.dumps(made("executors").as_document()))
    assert document["stack"] == "s"
    assert document["images"][0]["moving"] == "family/executors:s"
    assert document["images"][0]["reference"].startswith("family/executors:s-")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (Settings(), "family/x:s"),
        (Settings(namespace="mine/deep"), "mine/deep/x:s"),
        (Settings(registry="host:5000"), "host:5000/family/x:s"),
        (Settings(registry="host:5000", namespace="mine"), "host:5000/mine/x:s"),
    ],
)
def test_names(root: Path, settings: Settings, name: str) -> None:  # noqa: ARG001
    assert site(settings).name("x") == name
    assert site(settings).name("x", "t") == f"{name.removesuffix(':s')}:t"


def test_an_unknown_image(images: Engine) -> None:  # noqa: ARG001
    with pytest.raises(UnknownNameError, match="notebok"):
        made("notebok")


def test_nothing_is_asked_of_the_engine_before_the_locks_are_checked(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: object) -> None:
        raise AssertionError("the engine was asked")

    monkeypatch.setattr(engine, "inspect", forbidden)
    (root / "package-dependencies/s/poetry.lock").write_text("")
    with pytest.raises(StaleLockError):
        made()
