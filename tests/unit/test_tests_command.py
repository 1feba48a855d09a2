"""Does `nox -s tests` run the parts that were asked for, and fail as it should?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from sparkyard import errors
from sparkyard.commands import tests as command
from sparkyard.plan import plan


@pytest.mark.parametrize(
    ("only", "image", "parts"),
    [
        ([], "", ("kubernetes", "e2e", "images", "unit")),
        (["e2e,unit"], "", ("e2e", "unit")),
        (["images", "unit"], "", ("images", "unit")),
        ([], "executors", ("images",)),
        (["e2e"], "executors", ("e2e",)),
    ],
)
def test_parts_run_in_their_order(only: list[str], image: str, parts: tuple[str, ...]) -> None:
    assert command._parts(only, image) == parts


def test_an_unknown_part_is_refused_and_the_near_one_named() -> None:
    with pytest.raises(errors.UnknownNameError, match="imags") as refusal:
        command._parts(["imags"], "")
    assert "images" in refusal.value.remedy


def test_options_after_a_second_dash_are_pytests() -> None:
    chosen, rest = command._parse(["--keep", "--", "-x", "--lf"])
    assert chosen.keep
    assert rest == ["-x", "--lf"]


@pytest.mark.parametrize(
    ("argv", "some"),
    [
        ([], False),
        (["--only", "e2e"], False),
        (["--nightly"], False),
        (["--nightly", "--only", "kubernetes"], True),
        (["--nightly", "--image", "executors"], True),
    ],
)
def test_a_nightly_run_of_one_directory_is_not_recorded(argv: list[str], some: bool) -> None:
    chosen, _ = command._parse(argv)
    assert command._some(chosen, command._parts(chosen.only, chosen.image)) is some


def test_the_option_nightly_is_handed_to_pytest() -> None:
    for argv in ([], ["--nightly"]):
        chosen, _ = command._parse(argv)
        assert [o for o in command._options(chosen, plan.site()) if o == "--nightly"] == argv


@pytest.mark.parametrize(
    ("argv", "brief"),
    [
        (["--stack", "all"], True),
        (["--stack", "spark-9"], False),
        (["--stack", "all", "--nightly"], False),
    ],
)
def test_where_all_stacks_are_tested_the_default_one_answers_for_what_is_the_same(
    argv: list[str], brief: bool
) -> None:
    chosen, _ = command._parse(argv)
    default = plan.site()
    other = replace(default, stack=replace(default.stack, name="spark-9"))
    assert ("--brief" in command._options(chosen, other)) is brief
    assert "--brief" not in command._options(chosen, default)


@pytest.mark.parametrize(
    ("expression", "rest", "added", "restricted"),
    [
        ("", [], "", False),
        ("", ["-v", "--verbose", "--tb=short", "--durations=5"], "-q --color=yes", False),
        ("name", [], "", True),
        ("", ["--lf"], "", True),
        ("", ["-m", "engine"], "", True),
        ("", ["--ignore=tests/e2e"], "", True),
        ("", ["tests/e2e/test_tags.py"], "", True),
        ("", [], "-k name", True),
    ],
)
def test_a_run_with_options_that_choose_is_not_recorded(
    expression: str, rest: list[str], added: str, restricted: bool
) -> None:
    assert command._restricted(expression, rest, added) is restricted


@pytest.mark.parametrize("exit_code", [1, 3, 4, 5])
def test_failures_have_the_exit_code_of_failed_tests(exit_code: int) -> None:
    with pytest.raises(errors.TestsFailedError) as failure:
        command._finish(exit_code)
    assert failure.value.exit_code == 42


def test_an_interruption_stays_one() -> None:
    with pytest.raises(KeyboardInterrupt):
        command._finish(2)


def test_a_file_that_cannot_be_collected_is_no_interruption() -> None:
    with pytest.raises(errors.TestsFailedError, match=r"test_x\.py"):
        command._finish(2, ["test_x.py"])


def test_success_is_quiet() -> None:
    command._finish(0)
