"""Does the gate refuse each broken pair of the gallery, name its cause first, and pass others?"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import typing
from functools import cache

import pytest

from sparkyard.decode import decode
from sparkyard.facts import facts
from sparkyard.facts.facts import Facts
from sparkyard.parity import may_differ, parity, shown
from sparkyard.parity.may_differ import MayDiffer
from sparkyard.parity.parity import Report
from sparkyard.parity.rows import Row
from tests.unit.parity import gallery
from tests.unit.parity.gallery import Case

STACKS = ("spark-3.5", "spark-4")
STRICT = {
    "jdk-java-options-on-java-8": "the variable is of Java's family, whatever this Java reads",
    "start-script-of-notebook": "a gate cannot tell a comment from a limit in a script",
    "python-startup": "the file lies right in /opt, where links lead to Java and Spark",
    "bin-of-people": "the directory is on PATH, and a program there may hide another",
}
"""Harmless pairs that are refused all the same: contested ones, each with the reason."""

NAMED_OTHERWISE = {
    "pyvenv-system-site": "onlyhere.py",  # the setting is as the notebook's, what it lets in is not
    "user-site-package": "humanize",  # the package and not its directory
    "sh-is-bash": "dash",  # whose link it is
    "work-not-writable": "writable",  # of the working directory
}
"""What is named first of a broken pair, where it is not the path that was changed."""

UNSEEN = {
    "decommission-script-removed": "neither side has it then, and that is no difference",
}
"""Broken pairs that facts of two images cannot show, each with the reason."""


@cache
def shipped() -> MayDiffer:
    return may_differ.load(own=gallery.HERE / "none.toml")


@cache
def good(stack: str, side: str) -> Facts:
    return facts.parse(json.dumps(gallery.recorded(stack)["good"][side]))


def seen(stack: str, case: Case, side: str) -> Facts:
    """Return the facts of a side; of the good one's, what did not change is not read again."""
    known = gallery.recorded(stack)
    change = known["cases"].get(case.name, {}).get(side, {"parts": {}})
    document, hints = known["good"][side], typing.get_type_hints(Facts)
    changed = {
        part: decode(hints[part], gallery.applied(document.get(part), how), part)
        for part, how in change["parts"].items()
    }
    return dataclasses.replace(good(stack, side), **changed)


def compared(stack: str, case: Case) -> Report:
    """Return the report on a pair of the gallery."""
    driver, executors = (seen(stack, case, side) for side in gallery.SIDES)
    return parity.compare(driver, executors, may=shipped())


def of(kind: str) -> list[object]:
    return [
        pytest.param(stack, case, id=f"{stack}-{case.name}")
        for stack in STACKS
        for case in recorded(kind, stack)
    ]


def recorded(kind: str, stack: str) -> list[Case]:
    """Return the cases of a stack of which both sides have been looked into."""
    known = gallery.recorded(stack)["cases"]
    return [
        case
        for case in gallery.cases(kind, stack)
        if case.changes.keys() == known.get(case.name, {}).keys()
    ]


@pytest.mark.parametrize("stack", STACKS)
def test_the_good_pair_agrees(stack: str) -> None:
    report = parity.compare(good(stack, "driver"), good(stack, "executors"), may=shipped())
    assert [row.name for row in report.failures] == []


@pytest.mark.parametrize(("one", "other"), [STACKS, STACKS[::-1]])
def test_a_notebook_and_the_executors_of_another_stack_are_refused(one: str, other: str) -> None:
    report = parity.compare(good(one, "driver"), good(other, "executors"), may=shipped())
    told = str(shown.failure("notebook", "executors", report))
    for what in ("Python", "Java", "Spark", "Scala"):
        assert f"{what} version (" in told


@pytest.mark.parametrize(("stack", "case"), of("broken"))
def test_a_broken_pair_is_refused_and_its_cause_named_first(stack: str, case: Case) -> None:
    report = compared(stack, case)
    if case.name in UNSEEN:
        assert report.holds, "it is seen by now: take it off the list"
        return
    assert not report.holds
    first = report.failures[0]
    assert first.why
    # A case may set several variables at once: those of the first row's kind are its cause.
    rows = [row for row in report.failures if row.group == first.group]
    subject = NAMED_OTHERWISE.get(case.name, case.subject)
    assert any(names(row, subject) for row in rows), [row.name for row in report.failures]


def names(row: Row, subject: str) -> bool:
    """Tell whether a row names a path (which may hold a *), a variable or a package."""
    last = subject.rpartition("/")[2]
    told = f"{row.name} {row.driver} {row.executors} {row.read_from}"
    words = [word.rpartition("/")[2] for word in told.replace(",", " ").replace(")", " ").split()]
    if last in told or fnmatch.filter(words, last):
        return True
    package = row.name.rpartition(" ")[2].replace("-", "_")
    return "package" in row.name and package in subject


@pytest.mark.parametrize(("stack", "case"), of("harmless"))
def test_a_harmless_pair_passes(stack: str, case: Case) -> None:
    report = compared(stack, case)
    if case.name in STRICT:
        assert case.contested
        assert not report.holds, "it passes by now: take it off the list"
        return
    assert [row.name for row in report.failures] == []


@pytest.mark.parametrize("stack", STACKS)
def test_the_gallery_is_big_enough_and_of_nothing_else(stack: str) -> None:
    broken, harmless = recorded("broken", stack), recorded("harmless", stack)
    names = {case.name for case in (*broken, *harmless)}
    assert len([case for case in broken if case.name not in UNSEEN]) >= 60
    assert len([case for case in harmless if case.name not in STRICT]) >= 20
    assert names == set(gallery.recorded(stack)["cases"])


def test_a_difference_makes_the_other_document_again() -> None:
    one = {"a": 1, "b": {"c": 2, "gone": 3}, "packages": [{"name": "x", "v": 1}], "l": [1]}
    other = {"a": 1, "b": {"c": 4}, "packages": [{"name": "x", "v": 2}, {"name": "y"}], "l": [2]}
    change = gallery.difference(one, other)
    assert gallery.applied(one, change) == other
    assert gallery.applied(one, gallery.difference(one, one)) == one
