"""Does a Python notebook's work run on the executors, and come back right?"""

from __future__ import annotations

import pytest

from tests.e2e.cluster import WORKERS, Cluster
from tests.jobs import PythonJobs
from tests.notebook import Cell


@pytest.fixture(scope="module")
def cells(cluster: Cluster, number: int) -> dict[str, Cell]:
    """The notebook's cells, after one run of it."""
    return cluster.run_notebook("python", "python3", environment={"TEST_NUMBER": str(number)})


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
