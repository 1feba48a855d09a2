"""Does every kind of job run on executors that are pods?"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.e2e.cluster import HERE as E2E
from tests.jobs import GIGABYTE, PythonJobs
from tests.kubernetes.driver import TWO, Notebook
from tests.notebook import Cell


@dataclass(frozen=True)
class Size:
    """How many executors there are, the memory of each, and the rows of the cached shuffle."""

    executors: int
    memory: str
    rows: int


SIZES = [
    pytest.param(Size(2, "1g", GIGABYTE // 10), id="2-executors"),
    pytest.param(Size(2, "2g", GIGABYTE), id="2-executors-gigabyte", marks=pytest.mark.nightly),
    pytest.param(Size(4, "1200m", GIGABYTE), id="4-executors-gigabyte", marks=pytest.mark.nightly),
]


@pytest.fixture(scope="module", params=SIZES)
def size(request: pytest.FixtureRequest) -> Size:
    """What the jobs run on."""
    chosen: Size = request.param
    return chosen


@pytest.fixture(scope="module")
def executors(size: Size) -> int:
    """How many executors the jobs run on."""
    return size.executors


@pytest.fixture(scope="module")
def cells(outside: Notebook, size: Size, number: int) -> dict[str, Cell]:
    """The cells of the notebook that the standalone cluster runs, too, after one run of it."""
    source = (E2E / "notebooks" / "python.ipy").read_text()
    settings = {**TWO, "spark.ui.showConsoleProgress": "false"}
    if size.rows == GIGABYTE:  # encrypted, it needs what Java's second compiler makes of AES
        for side in ("driver", "executor"):
            settings[f"spark.{side}.defaultJavaOptions"] = "-XX:+TieredCompilation"
    environment = {
        "TEST_NUMBER": str(number),
        "TEST_ROWS": str(size.rows),
        "SPARK_EXECUTOR_INSTANCES": str(size.executors),
        "SPARK_EXECUTOR_MEMORY": size.memory,
    }
    return outside.run(source, settings=settings, environment=environment, seconds=500)


@pytest.mark.every_stack
def test_the_work_is_done_in_pods(cells: dict[str, Cell], executors: int) -> None:
    hosts = cells["hosts"].result["executors"]
    assert len(hosts) == executors
    assert all("-exec-" in host for host in hosts)


@pytest.mark.every_stack
class TestInPods(PythonJobs):
    """Every kind of job, on executors that are pods."""

    @pytest.fixture
    def rows(self, size: Size) -> int:
        """How many rows the cached shuffle has."""
        return size.rows


@pytest.mark.nightly
@pytest.mark.parametrize(("kernel", "source"), [("ir", "r.R"), ("scala", "scala.scala")])
def test_other_languages(outside: Notebook, kernel: str, source: str, number: int) -> None:
    text = (E2E / "notebooks" / source).read_text()
    told = outside.run(text, kernel, environment={"TEST_NUMBER": str(number)}, seconds=300)
    assert [cell.error for cell in told.values() if cell.error] == []
    assert all(cell.result is not None for cell in told.values() if cell.text)
