"""Do R and Scala notebooks run their work on the executors?"""

from __future__ import annotations

import pytest

from tests.e2e.cluster import WORKERS, Cluster
from tests.notebook import Cell


@pytest.fixture(scope="module")
def r_cells(cluster: Cluster, number: int) -> dict[str, Cell]:
    """The R notebook's cells, after one run of it."""
    return cluster.run_notebook("ir", "interrupt_r", "r", environment={"TEST_NUMBER": str(number)})


@pytest.fixture(scope="module")
def scala_cells(cluster: Cluster, number: int) -> dict[str, Cell]:
    """The Scala notebook's cells, after one run of it."""
    return cluster.run_notebook(
        "scala", "interrupt_scala", "scala", environment={"TEST_NUMBER": str(number)}
    )


def test_r_session(r_cells: dict[str, Cell], cluster: Cluster) -> None:
    assert r_cells["session"].result == cluster.url


def test_r_job(r_cells: dict[str, Cell], number: int) -> None:
    assert r_cells["job"].result == [sum(range(1000)) * number]


def test_r_sends_a_function_to_the_executors(r_cells: dict[str, Cell], number: int) -> None:
    told = r_cells["python function on executors"].result
    assert told == {"hosts": WORKERS, "total": sum(range(1, 21)) * number}


def test_r_gets_a_data_frame(r_cells: dict[str, Cell], number: int) -> None:
    expected = {"class": "data.frame", "rows": 10, "sum": sum(range(10)) * number}
    assert r_cells["data frame"].result == expected


def test_scala_session(scala_cells: dict[str, Cell], cluster: Cluster) -> None:
    assert scala_cells["session"].result == cluster.url


def test_scala_lambda(scala_cells: dict[str, Cell], number: int) -> None:
    assert scala_cells["lambda"].result == sum(x * x + number for x in range(1, 1001))


def test_scala_jobs_run_on_both_workers(scala_cells: dict[str, Cell], cluster: Cluster) -> None:
    assert scala_cells["hosts"].result == sorted(worker.id[:12] for worker in cluster.workers)


def test_scala_case_class(scala_cells: dict[str, Cell], number: int) -> None:
    expected = sum(n + n * 0.5 + number for n in range(100))
    assert scala_cells["case class"].result == [pytest.approx(expected), 7]


def test_scala_udf(scala_cells: dict[str, Cell], number: int) -> None:
    assert scala_cells["udf"].result == sum(range(500)) * number


def test_scala_ends_well(scala_cells: dict[str, Cell]) -> None:
    cells = {title: cell for title, cell in scala_cells.items() if "interrupted" not in title}
    assert [cell.error for cell in cells.values() if cell.error] == []


R_INTERRUPTS = ("r collect", "r data frame", "r stream", "r alone")
SCALA_INTERRUPTS = ("scala sql", "scala rdd")


@pytest.mark.parametrize("what", R_INTERRUPTS)
def test_an_interrupt_in_r_cancels_the_job(r_cells: dict[str, Cell], what: str) -> None:
    assert r_cells[f"after {what}"].result == {"counted": 5, "active": 0}


@pytest.mark.parametrize("what", SCALA_INTERRUPTS)
def test_an_interrupt_in_scala_cancels_the_job_and_no_other(
    scala_cells: dict[str, Cell], what: str
) -> None:
    assert scala_cells[f"interrupted {what}"].error
    assert scala_cells[f"after {what}"].result == {"counted": 5, "active": 0, "others": True}


def test_an_interrupt_in_scala_stops_the_stream(scala_cells: dict[str, Cell]) -> None:
    assert scala_cells["interrupted scala stream"].error
    assert scala_cells["after scala stream"].result == {"streams": 0, "active": 0}


def test_a_job_of_an_earlier_scala_cell_ends_by_itself(scala_cells: dict[str, Cell]) -> None:
    assert scala_cells["the earlier job ends by itself"].result == 7
