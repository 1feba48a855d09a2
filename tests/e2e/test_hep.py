"""Are ROOT files on S3 read into a DataFrame by the packages of the group hep, on both sides?"""

from __future__ import annotations

import pytest

from tests.notebook import Cell


@pytest.fixture(scope="module")
def cells(python_cells: dict[str, Cell]) -> dict[str, Cell]:
    """The cells that made ROOT files and read them."""
    prefix = "hep "
    return {
        title.removeprefix(prefix): cell
        for title, cell in python_cells.items()
        if title.startswith(prefix)
    }


def test_every_event_is_read_as_it_was_written(cells: dict[str, Cell]) -> None:
    written, found = cells["file"].result, cells["read"].result
    assert len(found) == 3
    for there, here in zip(found, written, strict=True):
        assert there == pytest.approx(here, rel=1e-6)


def test_executors_read_with_the_drivers_versions(cells: dict[str, Cell]) -> None:
    told = cells["where it ran"].result
    host, *versions = told["driver"]
    assert told["executors"]
    assert host not in [each[0] for each in told["executors"]]
    assert {tuple(each[1:]) for each in told["executors"]} == {tuple(versions)}
