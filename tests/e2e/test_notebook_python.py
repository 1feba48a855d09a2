"""Does a Python notebook's work run on the executors, and come back right?"""

from __future__ import annotations

import pytest

from tests.e2e.cluster import ROWS, WORKERS, Cluster
from tests.jobs import PythonJobs
from tests.notebook import Cell


@pytest.fixture(scope="module")
def cells(python_cells: dict[str, Cell]) -> dict[str, Cell]:
    """The cells of the notebook of jobs."""
    others = ("s3a ", "gs ", "hep ", "interrupt", "after ", "a job in the background", "a package ")
    return {title: cell for title, cell in python_cells.items() if not title.startswith(others)}


def test_the_session_is_on_the_cluster(cells: dict[str, Cell], cluster: Cluster) -> None:
    assert cells["session"].result["master"] == cluster.url


def test_jobs_run_on_both_workers_and_not_on_the_driver(
    cells: dict[str, Cell], cluster: Cluster
) -> None:
    told = cells["hosts"].result
    workers = sorted(worker.id[:12] for worker in cluster.workers)
    assert told["executors"] == workers
    assert told["driver"] not in workers


@pytest.mark.parametrize("what", ["sql", "rdd", "arrow", "threads", "stream"])
def test_an_interrupt_cancels_the_cells_jobs(python_cells: dict[str, Cell], what: str) -> None:
    assert python_cells[f"interrupted {what}"].error.startswith("KeyboardInterrupt: ")
    result = python_cells[f"after {what}"].result
    assert (result["counted"], result["active"]) == (5, 0)


def test_an_interrupt_leaves_what_the_user_has_set(python_cells: dict[str, Cell]) -> None:
    after = python_cells["after sql"].result
    assert (after["kept"], after["tags"]) == ("the user's own", [])


def test_an_interrupt_leaves_the_job_of_an_earlier_cell(python_cells: dict[str, Cell]) -> None:
    assert python_cells["after sql"].result["others"] is True
    assert python_cells["the background goes on"].result == [7]


def test_an_interrupt_stops_the_stream_that_is_awaited(python_cells: dict[str, Cell]) -> None:
    assert python_cells["after stream"].result["runs"] is False


@pytest.fixture(scope="module")
def executors() -> int:
    """How many executors the jobs run on."""
    return WORKERS


@pytest.mark.every_stack
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


def test_a_package_of_the_users_own_reaches_the_executors(python_cells: dict[str, Cell]) -> None:
    told = python_cells["a package of the user's own"].result
    assert told["sent"] == ["sparkyard-test-own==1.5"]
    assert told["told"] == [["sparkyard-test-own 1.5", "packages-"]]
    assert told["hosts"] == WORKERS
