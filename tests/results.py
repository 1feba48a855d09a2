"""What came of a run of tests, group by group? Written down for `nox -s tests`, which asks for it.

A group is a directory of tests/, one image in tests/images, or all tests marked nightly, of one
stack. What each group should have run is known from the collection, so that a test that never ran
is not taken for one that passed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sparkyard import paths
from sparkyard.files import whole_file
from sparkyard.test_results import Group, Results
from tests.stacks import stack_of

DURATIONS = paths.BUILD / "tests" / "durations.json"
"""The seconds of each test of the last run, its set-up included."""

SLOWEST = 10
"""Files and tests that are named at the end of a run, each with its seconds."""


class Counting:
    """A plugin that counts outcomes, writes them to a file at the end, and names the slowest.

    Where workers run the tests, each collects all of them and tells the groups at its end; the
    outcomes come one by one. So this runs in the workers as well as in the process that has them.
    """

    def __init__(self, file: Path, durations: Path) -> None:
        self.file = file
        self.durations = durations
        self.group_of: dict[str, tuple[str, str]] = {}
        self.outcomes: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.deselected = 0
        self.broken: list[str] = []
        self.terminal: Any = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Find the terminal, which workers do not have."""
        self.terminal = session.config.pluginmanager.get_plugin("terminalreporter")

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
        self.group_of = {
            item.nodeid: (stack_of(item), group_of(item, tests)) for item in session.items
        }

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of a test's three phases; name one that fails at once."""
        if report.failed and self.terminal:
            self.terminal.write_line(f"\nfailed: {report.nodeid}")
        test = report.nodeid
        self.seconds[test] = self.seconds.get(test, 0.0) + report.duration
        before = self.outcomes.get(test)
        if report.failed or before == "failed":
            self.outcomes[test] = "failed"
        elif report.skipped or before == "skipped":
            self.outcomes[test] = "skipped"
        elif report.when == "call":
            self.outcomes[test] = "passed"

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take what a worker knows of the collection; one that crashed left tests unrun."""
        told = getattr(node, "workeroutput", {})
        self.group_of |= told.get("groups", {})
        self.deselected = max(self.deselected, told.get("deselected", 0))
        if error or "groups" not in told:
            self.broken.append(f"worker {node.gateway.id}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the results; a worker tells them to the process that has it."""
        worker: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if worker is not None:
            worker["groups"], worker["deselected"] = self.group_of, self.deselected
            return
        groups: dict[str, dict[str, Group]] = {}
        for stack, group in sorted(set(self.group_of.values())):
            groups.setdefault(stack, {})[group] = self._counted((stack, group))
        results = Results(groups, self.deselected, tuple(self.broken))
        self.file.write_text(json.dumps(results.as_document(), indent=1) + "\n", encoding="utf-8")
        tests = {test: round(seconds, 2) for test, seconds in sorted(self.seconds.items())}
        whole_file.write(self.durations, json.dumps(tests, indent=0) + "\n")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the slowest files and tests."""
        for title, seconds in (("files", by_file(self.seconds)), ("tests", self.seconds)):
            if seconds:
                terminalreporter.section(f"slowest {title}, in seconds")
            for name, taken in sorted(seconds.items(), key=lambda each: -each[1])[:SLOWEST]:
                terminalreporter.write_line(f"{taken:8.1f}  {name}")

    def _counted(self, group: tuple[str, str]) -> Group:
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


def by_file(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return the seconds of all tests of each file."""
    found: dict[str, float] = {}
    for test, taken in seconds.items():
        file = test.partition("::")[0]
        found[file] = found.get(file, 0.0) + taken
    return found


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
    return f"shared/{path.parent.name}"
