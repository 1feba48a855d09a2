"""Do images get their names all together or not at all, and only those of one set of inputs?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sparkyard import paths
from sparkyard.builds import build
from sparkyard.command import Completed
from sparkyard.engine import engine
from sparkyard.errors import BuildFailedError
from sparkyard.plan import plan
from sparkyard.plan.plan import Plan
from tests.unit.small_family import BASE, make, site


class Engine:
    """An engine that knows names alone; naming can fail at one of them."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.fails_at = ""

    def inspect(self, references: Iterable[str]) -> dict[str, dict[str, Any]]:
        return {name: {"Id": self.names[name]} for name in references if name in self.names}

    def run(self, argv: list[str], **_: object) -> Completed:
        match argv[1:]:
            case ["tag", source, target]:
                if target == self.fails_at:
                    self.fails_at = ""
                    raise KeyboardInterrupt
                self.names[target] = self.names.get(source, source)
            case ["image", "rm", *names]:
                for name in names:
                    self.names.pop(name, None)
        return Completed(0, "", "")


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    make(tmp_path, monkeypatch)
    fake = Engine()
    monkeypatch.setattr(engine, "inspect", fake.inspect)
    monkeypatch.setattr(build, "run", fake.run)
    return fake


@pytest.fixture
def planned(images: Engine) -> Plan:  # noqa: ARG001
    return plan.make(site(), (), BASE)


def test_moving_tags_name_the_new_images(images: Engine, planned: Plan) -> None:
    images.names = {step.reference: f"id of {step.image}" for step in planned.steps}
    build._tag(planned)
    assert all(images.names[s.moving] == f"id of {s.image}" for s in planned.steps)


def test_no_moving_tag_where_an_image_is_missing(images: Engine, planned: Plan) -> None:
    images.names = {planned.steps[0].reference: "id"}
    with pytest.raises(BuildFailedError, match=planned.steps[1].reference):
        build._tag(planned)
    assert list(images.names) == [planned.steps[0].reference]


@pytest.mark.parametrize("before", [{}, {"family/notebook:s": "old 1", "family/executors:s": "2"}])
def test_tags_go_back_when_tagging_is_interrupted(
    images: Engine, planned: Plan, before: dict[str, str]
) -> None:
    images.names = {step.reference: "new" for step in planned.steps} | before
    images.fails_at = planned.steps[1].moving
    with pytest.raises(KeyboardInterrupt):
        build._tag(planned)
    assert {k: v for k, v in images.names.items() if k.endswith(":s")} == before


@pytest.mark.parametrize("failure", [KeyboardInterrupt, BuildFailedError("x", "y")])
def test_names_of_a_failed_build_are_taken_away(
    images: Engine, failure: BaseException | type[BaseException]
) -> None:
    images.names = {"a": "1"}

    def fail() -> None:
        with build._no_new_names(["a", "b", "c"]):
            images.names |= {"b": "2"}
            raise failure

    with pytest.raises((KeyboardInterrupt, BuildFailedError)):
        fail()
    assert images.names == {"a": "1"}


def test_names_of_a_good_build_stay(images: Engine) -> None:
    with build._no_new_names(["a"]):
        images.names["a"] = "1"
    assert images.names == {"a": "1"}


def test_images_of_inputs_that_changed_meanwhile_are_refused(
    images: Engine,  # noqa: ARG001
    planned: Plan,
) -> None:
    build._require_same_inputs(planned, plan.make(site(), ("executors",), BASE))
    with (paths.IMAGES / "executors" / "Dockerfile").open("a") as file:
        file.write("USER 1\n")
    now = plan.make(site(), ("executors",), BASE)
    with pytest.raises(BuildFailedError, match="images/executors/Dockerfile changed while"):
        build._require_same_inputs(planned, now)
