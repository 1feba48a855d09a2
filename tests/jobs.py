"""What must every kind of job give, wherever the notebook and its executors run?

The checks of notebooks/python.ipy in tests/e2e: a class of tests takes them over, and gives the
fixtures `cells` (the notebook's cells, after one run of it), `number` and `executors` (how many);
`rows`, if the cached shuffle is of another size than a gigabyte.
"""

from __future__ import annotations

import datetime as dt
import statistics

import pytest

from tests.notebook import Cell

GIGABYTE = 1_100_000
"""Rows of the cached shuffle: a row has 128 words of eight bytes that do not compress."""

OF_A_ROW = 1e9 / GIGABYTE
"""Bytes that are to be shuffled and cached for each of them, at the least."""


class PythonJobs:
    """The checks of each kind of job."""

    @pytest.fixture
    def rows(self) -> int:
        """How many rows the cached shuffle has."""
        return GIGABYTE

    def test_rdd_closure(self, cells: dict[str, Cell], number: int) -> None:
        assert cells["rdd closure"].result == {
            "sum": sum(x * x + number for x in range(1000)),
            "counts": {"a": 3 * number, "b": number, "c": number},
        }

    def test_python_udf(self, cells: dict[str, Cell], number: int) -> None:
        expected = ["".join(sorted(str(n * number))) for n in range(200)]
        assert cells["python udf"].result == expected

    def test_pandas_udf(self, cells: dict[str, Cell], number: int) -> None:
        told = cells["pandas udf"].result
        assert told["sum"] == pytest.approx(sum(n * number + 0.5 for n in range(1001)))
        assert told["medians"] == {
            "True": statistics.median(range(0, 1001, 2)),
            "False": statistics.median(range(1, 1001, 2)),
        }

    def test_class_of_the_notebook(self, cells: dict[str, Cell], number: int) -> None:
        assert cells["main class"].result == [sum(range(100)), sum(range(100)) * number]

    def test_to_pandas_through_arrow(self, cells: dict[str, Cell], number: int) -> None:
        assert cells["arrow to pandas"].result == {
            "arrow": "true",
            "fallback": "false",
            "through_arrow": 1,
            "rows": 5000,
            "big": sum(n * number for n in range(5000)),
            "text": "4999",
            "pair": [7, 8],
            "at": str(dt.datetime(1970, 1, 1) + dt.timedelta(seconds=60)),
            "missing": len(range(0, 5000, 10)),
        }

    def test_create_data_frame_from_pandas(self, cells: dict[str, Cell], number: int) -> None:
        assert cells["pandas to spark"].result == {
            "rows": 4000,
            "sum": sum(n * number for n in range(4000)),
            "types": {"n": "bigint", "name": "string", "at": "timestamp"},
            "last": str(dt.datetime(2024, 2, 29) + dt.timedelta(hours=3999)),
            "equal": True,
        }

    def test_mllib_fit(self, cells: dict[str, Cell], number: int) -> None:
        told = cells["mllib"].result
        assert told["weights"] == pytest.approx([number, -2.5], abs=1e-6)
        assert told["intercept"] == pytest.approx(4, abs=1e-5)

    def test_cached_shuffle(self, cells: dict[str, Cell], executors: int, rows: int) -> None:
        told = cells["cached shuffle"].result
        assert told["count"] == rows
        assert told["sum"] == rows * (rows - 1) // 2
        assert told["same"]
        assert told["before"], "the shuffle changed a column's checksum"
        assert told["shuffled"] > rows * OF_A_ROW
        assert told["cached"] > rows * OF_A_ROW
        assert told["partitions"] == 16
        assert told["hosts"] == executors

    def test_the_notebook_ends_well(self, cells: dict[str, Cell]) -> None:
        assert [cell.error for cell in cells.values() if cell.error] == []
