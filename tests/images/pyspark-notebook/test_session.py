"""Does a session that cannot work, or whose driver has ended, say so in the cell?"""

from __future__ import annotations

import pytest

from tests.notebook import Cell, run_notebook
from tests.support import Container

NOTEBOOK = """
# %% session
from pyspark.sql import SparkSession
quiet = {"spark.ui.enabled": "false", "spark.master": "local[1]"}
spark = SparkSession.builder.config(map=quiet | {"spark.driver.memory": "512m"}).getOrCreate()
frame = spark.range(3)
print(frame.count())

# %% more than the memory
spark.range(1).selectExpr("length(repeat(string(id), 900000000))").collect()

# %% what is left
frame.count()

# %% a new session
spark.stop()
spark = SparkSession.builder.config(map=quiet).getOrCreate()
print(spark.range(4).count())

# %% a call that needs too much
spark.sql("SELECT length(repeat('x', 1500000000))").collect()

# %% after that call
print(spark.range(5).count())

# %% killed
import os, signal
spark.sparkContext._gateway.proc.kill()
spark.sparkContext._gateway.proc.wait()

# %% the next cell
print(1)

# %% another image's Spark
os.environ["SPARK_HOME"] = "/usr/local/spark"
SparkSession.builder.getOrCreate()

# %% another image's Java
del os.environ["SPARK_HOME"]
os.environ["JAVA_HOME"] = "/usr/lib/jvm/default"
SparkSession.builder.getOrCreate()
"""

pytestmark = pytest.mark.where_added


@pytest.fixture(scope="module")
def cells(container: Container) -> dict[str, Cell]:
    """The cells of a notebook whose drivers end, after one run of it."""
    return run_notebook(container, NOTEBOOK)


def said_in_one_line(cell: Cell) -> str:
    """Return the cell's error, which must be one line and no traceback."""
    _, *shown = cell.error.splitlines()
    assert len(shown) == 1, cell.error
    return shown[0]


@pytest.mark.parametrize("title", ["more than the memory", "what is left"])
def test_a_driver_out_of_memory_names_the_setting(cells: dict[str, Cell], title: str) -> None:
    said = said_in_one_line(cells[title])
    assert "The Spark driver ran out of memory: spark.driver.memory is 512m." in said
    assert "SPARK_DRIVER_MEMORY=1024m" in said


def test_a_new_session_starts_after_a_driver_ended(cells: dict[str, Cell]) -> None:
    assert cells["session"].result == 3
    assert cells["a new session"].result == 4


def test_a_call_that_needs_too_much_names_the_setting(cells: dict[str, Cell]) -> None:
    assert "spark.driver.memory is 1g" in cells["a call that needs too much"].error
    assert cells["after that call"].result == 5


def test_a_killed_driver_is_told_before_the_next_cell(cells: dict[str, Cell]) -> None:
    assert "The Spark driver was killed (SIGKILL)" in cells["the next cell"].stderr
    assert cells["the next cell"].result == 1


@pytest.mark.parametrize(
    ("title", "variable"),
    [("another image's Spark", "SPARK_HOME"), ("another image's Java", "JAVA_HOME")],
)
def test_a_home_of_another_image_is_named(
    cells: dict[str, Cell], title: str, variable: str
) -> None:
    assert f"WrongHomeError: {variable} is " in said_in_one_line(cells[title])
