"""Does the gate refuse each pair that was broken on purpose, and name what is wrong with it?"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sparkyard.commands import parity
from sparkyard.errors import ParityError

pytestmark = pytest.mark.engine


def _load(name: str) -> ModuleType:
    """Import a neighbour: pytest's importlib mode does not put this directory on sys.path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


pairs = _load("broken_pairs")


def test_the_good_pair_passes(driver_image: str, executor_image: str) -> None:
    assert parity.main(["--driver", driver_image, "--executor", executor_image]) == 0


def test_an_image_agrees_with_itself_and_layers_prove_it(
    executor_image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parity.main(["--driver", executor_image, "--executor", executor_image, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    proven = {row["name"] for row in report["rows"] if row["proven_by_layers"]}
    assert {"Python version", "Java version", "Spark jars", "Python packages, files"} <= proven


@pytest.mark.parametrize("pair", pairs.BROKEN_PAIRS, ids=lambda pair: str(pair.name))
def test_a_broken_pair_is_refused_and_named(
    pair: object, driver_image: str, executor_image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    row = getattr(pair, "row", "")
    with pairs.broken(pair, executor_image) as executors, pytest.raises(ParityError) as refusal:
        parity.main(["--driver", driver_image, "--executor", executors, "--json"])
    report = json.loads(capsys.readouterr().out)
    failing = [each["name"] for each in report["rows"] if each["fails"]]
    assert [name for name in failing if name.startswith(row)], failing
    assert row in refusal.value.what
    assert executors in refusal.value.remedy
    assert refusal.value.exit_code == 40
