"""Does a Python notebook's work run on the executors, and come back right?"""

from __future__ import annotations

import pytest

from tests.e2e.cluster import ROWS, WORKERS, Cluster
from tests.jobs import PythonJobs
from tests.notebook import Cell


@pytest.fixture(scope="module")
def cells(python_cells: dict[str, Cell]) -> dict[str, Cell]:
    """The cells of the notebook of jobs."""
    return {
        title: cell for title, cell in python_cells.items() if not title.startswith(("s3a ", "gs "))
    }


def test_the_session_is_on_the_cluster(cells: dict[str, Cell], cluster: Cluster) -> None:
    assert cells["session"].result["master"] == cluster.url


def test_jobs_run_on_both_workers_and_not_on_the_driver(
    cells: dict[str, Cell], cluster: Cluster
) -> None:
    told = cells["hosts"].result
    workers = sorted(worker.id[:12] for worker in cluster.workers)
    assert told["executors"] == workers
    assert told["driver"] not in workers


@pytest.fixture(scope="module")
def executors() -> int:
    """How many executors the jobs run on."""
    return WORKERS


class TestOnAStandaloneCluster(PythonJobs):
    """Every kind of job, on a master and workers."""

    @pytest.fixture
    def rows(self) -> int:
        """How many rows the cached shuffle has."""
        return ROWS


@pytest.fixture(scope="module")
def cells_of_a_gigabyte(cluster: Cluster, number: int) -> dict[str, Cell]:
    """The notebook's cells, after a run of it with as many rows as it has by itself."""
    return cluster.run_notebook("python3", "python", environment={"TEST_NUMBER": str(number)})


@pytest.mark.nightly
class TestOfMoreThanAGigabyte(PythonJobs):
    """The same with a cached shuffle of more than a gigabyte."""

    @pytest.fixture
    def cells(self, cells_of_a_gigabyte: dict[str, Cell]) -> dict[str, Cell]:
        return cells_of_a_gigabyte
