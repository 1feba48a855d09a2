"""What came of a run of tests, group by group? Written down for `nox -s tests`, which asks for it.

A group is a directory of tests/, one image in tests/images, or all tests marked nightly. What each
group should have run is known from the collection, so that a test that never ran is not taken for
one that passed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from sparkyard.test_results import PAIR, Group, Results


class Counting:
    """A plugin that counts outcomes and writes them to a file at the end."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.group_of: dict[str, str] = {}
        self.outcomes: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.deselected = 0
        self.broken: list[str] = []

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count what a choice such as -k leaves out."""
        self.deselected += len(items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file whose tests could not even be collected."""
        if report.failed:
            self.broken.append(report.nodeid)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is to be run."""
        tests = session.config.rootpath / "tests"
        self.group_of = {item.nodeid: group_of(item, tests) for item in session.items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of a test's three phases."""
        test = report.nodeid
        self.seconds[test] = self.seconds.get(test, 0.0) + report.duration
        before = self.outcomes.get(test)
        if report.failed or before == "failed":
            self.outcomes[test] = "failed"
        elif report.skipped or before == "skipped":
            self.outcomes[test] = "skipped"
        elif report.when == "call":
            self.outcomes[test] = "passed"

    def pytest_sessionfinish(self) -> None:
        """Write the results."""
        groups = {group: self._counted(group) for group in sorted(set(self.group_of.values()))}
        results = Results(groups, self.deselected, tuple(self.broken))
        self.file.write_text(json.dumps(results.as_document(), indent=1) + "\n", encoding="utf-8")

    def _counted(self, group: str) -> Group:
        tests = [test for test, of in self.group_of.items() if of == group]
        outcomes = [self.outcomes.get(test) for test in tests]
        return Group(
            collected=len(tests),
            passed=outcomes.count("passed"),
            failed=outcomes.count("failed"),
            skipped=outcomes.count("skipped"),
            seconds=round(sum(self.seconds.get(test, 0.0) for test in tests), 3),
            failures=tuple(test for test in tests if self.outcomes.get(test) == "failed"),
        )


def group_of(item: pytest.Item, tests: Path) -> str:
    """Return a test's group: its directory below `tests`; in tests/images see test_results.py."""
    if item.get_closest_marker("nightly"):
        return "nightly"  # no run has these beside others: see conftest.py
    path = item.path
    directory = path.relative_to(tests).parts[0] if path.is_relative_to(tests) else ""
    if directory != "images":
        return directory
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if "image" in parameters:
        return f"images/{parameters['image']}"
    return f"images/{PAIR}" if path.parent == tests / "images" else f"shared/{path.parent.name}"
