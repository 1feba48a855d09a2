"""Does gs:// work from the driver and from the executors, as far as an emulator can tell?

The emulator takes every request without credentials, so nothing here is evidence about those.
"""

from __future__ import annotations

import pytest

from tests.e2e.cluster import Cluster
from tests.notebook import Cell
from tests.support import Container


@pytest.fixture(scope="module")
def cells(python_cells: dict[str, Cell]) -> dict[str, Cell]:
    """The cells that wrote, read and deleted."""
    prefix = "gs "
    return {
        title.removeprefix(prefix): cell
        for title, cell in python_cells.items()
        if title.startswith(prefix)
    }


def expected(number: int) -> dict[str, list[int]]:
    """Return count and sum of each part, as the notebook tells them."""
    return {
        str(part): [len(range(part, 900, 3)), sum(range(part, 900, 3)) * number]
        for part in range(3)
    }


def test_a_bucket_is_made(cells: dict[str, Cell]) -> None:
    assert cells["bucket"].result is True


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_what_was_written_is_read_back(cells: dict[str, Cell], number: int, kind: str) -> None:
    assert cells[kind].result == expected(number)


def test_executors_put_the_objects_there(
    cells: dict[str, Cell], cluster: Cluster, gcs: tuple[Container, str]
) -> None:
    assert cells["parquet"].result
    uploads = [line for line in gcs[0].logs().splitlines() if "/upload/storage" in line]
    workers = [worker.inspect()["NetworkSettings"]["Networks"] for worker in cluster.workers]
    addresses = {network["IPAddress"] for each in workers for network in each.values()}
    assert any(f"{address} - " in line for address in addresses for line in uploads), uploads


def test_an_overwritten_partition_holds_the_new_rows_alone(
    cells: dict[str, Cell], number: int
) -> None:
    told = cells["one partition overwritten"].result
    assert told["1"][0] == 5
    assert {part: told[part] for part in "02"} == {
        part: value for part, value in expected(number).items() if part != "1"
    }


def test_what_is_deleted_is_gone(cells: dict[str, Cell]) -> None:
    assert cells["deleted"].result == [True, True, False]
