"""Do tests that share what is dear, or disturb each other, run in one lane?"""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkyard import paths
from tests.lanes import LANES, lane


@pytest.mark.parametrize("beginning", LANES)
def test_each_lane_has_tests(beginning: str) -> None:
    known = (str(file.relative_to(paths.ROOT)) for file in Path(paths.ROOT).glob("tests/**/*.py"))
    assert any(name.startswith(beginning) for name in known)


def test_a_file_is_a_lane_where_nothing_else_is_said() -> None:
    assert lane("tests/unit/test_lanes.py::test_x[a::b]") == "tests/unit/test_lanes.py"


def test_the_longer_beginning_counts() -> None:
    assert lane("tests/kubernetes/test_refusals.py::test_x") != lane("tests/kubernetes/test_x.py")
