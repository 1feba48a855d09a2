"""Does a test run on the stacks that it is for, and is each stack counted apart in one report?"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sparkyard import test_results
from tests import results, stacks
from tests.results import Counting

ALL = ("spark-3.5", "spark-4", "hub")


def config(*names: str, nightly: bool = False) -> Any:
    return SimpleNamespace(getoption={"stack": list(names), "nightly": nightly}.get)


@pytest.mark.parametrize(
    ("names", "marked", "nightly", "on"),
    [
        ((), True, False, []),
        (("spark-4", "hub"), True, False, []),
        (("hub",), False, False, []),
        (ALL, False, False, ["spark-3.5"]),
        (ALL, True, False, ["spark-3.5", "spark-4"]),
        (ALL, False, True, ["spark-3.5", "spark-4"]),
    ],
)
def test_where_all_stacks_are_tested_the_first_one_answers_for_what_is_the_same(
    names: tuple[str, ...], marked: bool, nightly: bool, on: list[str]
) -> None:
    definition = SimpleNamespace(get_closest_marker=lambda name: marked and name == "every_stack")
    test: Any = SimpleNamespace(config=config(*names, nightly=nightly), definition=definition)
    assert [site.project.name for site in stacks.of_test(test)] == on


def item(name: str, path: str, **parameters: str) -> Any:
    return SimpleNamespace(
        nodeid=name,
        path=Path(path),
        config=config(*ALL),
        callspec=SimpleNamespace(params=parameters),
        get_closest_marker=lambda _: None,
    )


def test_one_report_and_one_file_of_durations_have_all_stacks(tmp_path: Path) -> None:
    counting = Counting(tmp_path / "results.json", tmp_path / "durations.json")
    tests = [
        item("a", "/tests/e2e/test_x.py"),
        item("b", "/tests/e2e/test_x.py", stack_name="spark-4"),
        item("c", "/tests/images/python/test_x.py", stack_name="hub", image="jupyterhub-hub"),
        item("d", "/tests/images/pair/test_x.py", stack_name="spark-3.5"),
    ]
    session: Any = SimpleNamespace(
        items=tests, config=SimpleNamespace(rootpath=Path("/"), workeroutput=None)
    )
    counting.pytest_collection_finish(session)
    for at, test in enumerate(tests):
        report: Any = SimpleNamespace(
            nodeid=test.nodeid, failed=test.nodeid == "b", skipped=False, when="call", duration=at
        )
        counting.pytest_runtest_logreport(report)
    counting.pytest_sessionfinish(session)
    read = test_results.read(tmp_path / "results.json")
    assert read
    counted = {
        stack: {name: (group.passed, group.failed) for name, group in groups.items()}
        for stack, groups in read.groups.items()
    }
    assert counted == {
        "spark-3.5": {"e2e": (1, 0), "shared/pair": (1, 0)},
        "spark-4": {"e2e": (0, 1)},
        "hub": {"images/jupyterhub-hub": (1, 0)},
    }
    assert json.loads((tmp_path / "durations.json").read_text()) == {"a": 0, "b": 1, "c": 2, "d": 3}
    assert results.by_file({"f::a": 1, "f::b": 2}) == {"f": 3}
