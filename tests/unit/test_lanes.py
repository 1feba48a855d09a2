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


def test_files_that_share_a_cluster_share_a_lane() -> None:
    names = (
        "test_notebook_python",
        "test_notebook_languages",
        "test_s3a",
        "test_hep",
        "gcs/test_gcs",
    )
    assert len({lane(f"tests/e2e/{name}.py::test_x") for name in names}) == 1
