"""Does `nox -s tests` run the parts that were asked for, and fail as it should?"""

from __future__ import annotations

import pytest

from sparkyard import errors, paths
from sparkyard.commands import tests as command
from sparkyard.plan import plan

IMAGES = {"hub": "jupyterhub-hub", "executors": "spark-executors"}


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


@pytest.mark.parametrize(
    ("argv", "stacks", "parts"),
    [
        (["--only", "unit,images"], ["spark-3.5", "hub"], ["images", "unit"]),
        (["--stack", "all"], ["spark-3.5", "spark-4", "hub"], list(command.PARTS)),
        (["--stack", "spark-4", "--only", "e2e,images"], ["spark-4", "hub"], ["e2e", "images"]),
        (["--stack", "hub"], ["hub"], ["images"]),
        (["--only", "unit"], ["spark-3.5"], ["unit"]),
        (["--only", "e2e"], ["spark-3.5"], ["e2e"]),
        (["--image", "hub"], ["hub"], ["images"]),
        (["--image", "executors"], ["spark-3.5"], ["images"]),
        (["--image", "executors", "--stack", "all"], ["spark-3.5", "spark-4"], ["images"]),
    ],
)
def test_one_run_of_pytest_has_all_stacks_and_the_images_that_no_stack_owns(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], stacks: list[str], parts: list[str]
) -> None:
    ran: list[list[str]] = []

    def call(words: list[str]) -> int:
        ran.append(words)
        return 0

    monkeypatch.setattr(command, "_built", lambda where, **_: where)
    monkeypatch.setattr(command, "_digests", lambda _: {})
    monkeypatch.setattr("sparkyard.bootstrap.call", call)
    assert command.main(argv) == 0
    [words] = ran
    assert [word for word in words if word.startswith("--stack")] == [
        f"--stack={name}" for name in stacks
    ]
    tests = f"{paths.ROOT}/tests/"
    assert [word.removeprefix(tests) for word in words if word.startswith(tests)] == parts
    if "--image" in argv:
        assert words[words.index("--image") + 1] == IMAGES[argv[1]]


def test_a_project_that_no_stack_owns_has_no_unit_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparkyard.bootstrap.call", lambda _: pytest.fail("pytest was run"))
    with pytest.raises(errors.TestsFailedError, match="No test was run"):
        command.main(["--stack", "hub", "--only", "unit"])


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
        assert [o for o in command._options(chosen, [plan.site()]) if o == "--nightly"] == argv


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
