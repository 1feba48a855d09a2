"""Does every kind of job run on executors that are pods, on two of them and on four?"""

from __future__ import annotations

import pytest

from tests.e2e.cluster import HERE as E2E
from tests.jobs import PythonJobs
from tests.kubernetes.driver import Notebook
from tests.notebook import Cell

SIZES = {2: "2g", 4: "1200m"}
"""Executors, and the memory of each: the cached shuffle is of more than a gigabyte."""


@pytest.fixture(scope="module", params=SIZES, ids=lambda count: f"{count}-executors")
def executors(request: pytest.FixtureRequest) -> int:
    """How many executors the jobs run on."""
    chosen: int = request.param
    return chosen


@pytest.fixture(scope="module")
def cells(outside: Notebook, executors: int, number: int) -> dict[str, Cell]:
    """The cells of the notebook that the standalone cluster runs, too, after one run of it."""
    source = (E2E / "notebooks" / "python.ipy").read_text()
    settings = {
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        "spark.scheduler.maxRegisteredResourcesWaitingTime": "90s",
        "spark.ui.showConsoleProgress": "false",
        # The encrypted gigabyte needs what Java's second compiler makes of AES.
        "spark.driver.defaultJavaOptions": "-XX:+TieredCompilation",
        "spark.executor.defaultJavaOptions": "-XX:+TieredCompilation",
    }
    environment = {
        "TEST_NUMBER": str(number),
        "SPARK_EXECUTOR_INSTANCES": str(executors),
        "SPARK_EXECUTOR_MEMORY": SIZES[executors],
    }
    return outside.run(source, settings=settings, environment=environment, seconds=500)


def test_the_work_is_done_in_pods(cells: dict[str, Cell], executors: int) -> None:
    hosts = cells["hosts"].result["executors"]
    assert len(hosts) == executors
    assert all("-exec-" in host for host in hosts)


class TestInPods(PythonJobs):
    """Every kind of job, on executors that are pods."""


@pytest.mark.parametrize(("kernel", "source"), [("ir", "r.R"), ("scala", "scala.scala")])
def test_other_languages(outside: Notebook, kernel: str, source: str, number: int) -> None:
    text = (E2E / "notebooks" / source).read_text()
    told = outside.run(text, kernel, environment={"TEST_NUMBER": str(number)}, seconds=300)
    assert [cell.error for cell in told.values() if cell.error] == []
    assert all(cell.result is not None for cell in told.values() if cell.text)
