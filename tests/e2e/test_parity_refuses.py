"""Does the gate refuse each pair that was broken on purpose, and name what is wrong with it?"""

from __future__ import annotations

import json
import re

import pytest

from sparkyard.commands import parity
from sparkyard.errors import ParityError
from sparkyard.parity.rows import Verdict
from tests.e2e.broken_pairs import ALL_AT_ONCE, BROKEN_PAIRS, GATHERED, MASKING, BrokenPair, broken

pytestmark = pytest.mark.engine

DIFFERS = Verdict.DIFFERS.value


def test_the_good_pair_passes(driver_image: str, executor_image: str) -> None:
    assert parity.main(["--driver", driver_image, "--executor", executor_image]) == 0


def test_an_image_agrees_with_itself_and_layers_prove_it(
    executor_image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parity.main(["--driver", executor_image, "--executor", executor_image, "--json"]) == 0
    [report] = json.loads(capsys.readouterr().out)["pairs"]
    proven = {row["name"] for row in report["rows"] if row["proven_by_layers"]}
    assert {"Python version", "Java version", "Spark jars", "Python packages, files"} <= proven


def test_seventeen_faults_of_one_image_are_all_named(
    driver_image: str, executor_image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with broken(ALL_AT_ONCE, executor_image) as executors:
        refusal, failing = refused(driver_image, executors, capsys)
    assert len(GATHERED) == 17
    unnamed = {pair.name for pair in GATHERED if not named(pair, failing)}
    assert unnamed == set(), failing
    assert f"differ in {len(failing)} facts" in refusal.what
    assert re.search(r"and \d+ more\.$", refusal.what)


def test_another_minor_of_python_is_refused_and_named(
    driver_image: str, executor_image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (pair,) = (pair for pair in BROKEN_PAIRS if pair.name == MASKING)
    assert_refused(pair, driver_image, executor_image, capsys)


@pytest.mark.nightly
@pytest.mark.parametrize("pair", GATHERED, ids=lambda pair: str(pair.name))
def test_a_fault_alone_is_refused_and_named(
    pair: BrokenPair, driver_image: str, executor_image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(pair, driver_image, executor_image, capsys)


def assert_refused(
    pair: BrokenPair, driver: str, good: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with broken(pair, good) as executors:
        refusal, failing = refused(driver, executors, capsys)
    assert named(pair, failing), failing
    assert pair.row in refusal.what


def refused(
    driver: str, executors: str, capsys: pytest.CaptureFixture[str]
) -> tuple[ParityError, dict[str, str]]:
    """Return the gate's refusal, and the verdict of each row that fails, by name."""
    with pytest.raises(ParityError) as refusal:
        parity.main(["--driver", driver, "--executor", executors, "--json"])
    assert executors in refusal.value.remedy
    assert refusal.value.exit_code == 40
    [report] = json.loads(capsys.readouterr().out)["pairs"]
    return refusal.value, {row["name"]: row["verdict"] for row in report["rows"] if row["fails"]}


def named(pair: BrokenPair, failing: dict[str, str]) -> bool:
    """Tell whether the fault is named as a difference, and not as something that is not known."""
    return any(name.startswith(pair.row) and failing[name] == DIFFERS for name in failing)
