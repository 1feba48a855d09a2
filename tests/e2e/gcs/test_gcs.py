"""Does gs:// work from the driver and from the executors, as far as an emulator can tell?

The emulator takes every request without credentials, so nothing here is evidence about those.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sparkyard.plan.plan import Site
from tests.e2e import object_store
from tests.e2e.cluster import Cluster
from tests.notebook import Cell
from tests.support import Container, Lab

PLACE = "gs://sparkyard-test/round"


@pytest.fixture(scope="module")
def server(
    lab: Lab, site: Site, network: str, executor_image: str
) -> Iterator[tuple[Container, str]]:
    """The emulator, and its address."""
    options = ["--network", network]
    with object_store.gcs(lab, site, executor_image, options=options) as running:
        yield running


@pytest.fixture(scope="module")
def cells(cluster: Cluster, server: tuple[Container, str], number: int) -> dict[str, Cell]:
    """The notebook that writes, reads and deletes, after one run of it."""
    settings = object_store.gcs_settings(server[1])
    environment = {"TEST_NUMBER": str(number), "TEST_PLACE": PLACE}
    return cluster.run_notebook(
        "gcs", "python3", settings=settings, environment=environment, seconds=240
    )


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
    cells: dict[str, Cell], cluster: Cluster, server: tuple[Container, str]
) -> None:
    assert cells["parquet"].result
    uploads = [line for line in server[0].logs().splitlines() if "/upload/storage" in line]
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
