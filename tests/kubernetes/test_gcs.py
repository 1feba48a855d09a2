"""Do executors in pods write to gs:// and read from it, as far as an emulator can tell?

What all can be done there is tested on a Spark cluster in containers, of the same images; that pods
reach an object store, with S3. So that pods reach this one, too, is a nightly test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sparkyard.kubernetes.access import address_towards
from sparkyard.plan.plan import Site
from tests.e2e import object_store
from tests.kubernetes.driver import Notebook
from tests.kubernetes.storage import free_port
from tests.notebook import Cell
from tests.support import Container, Lab

pytestmark = pytest.mark.nightly

ROUND = """# %% written
import json
import os
import socket
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
place = "gs://sparkyard-test/pods"
path = spark._jvm.org.apache.hadoop.fs.Path(place)
path.getFileSystem(spark._jsc.hadoopConfiguration()).mkdirs(path.getParent())
rows = spark.range(0, 900, 1, 4)
rows.selectExpr("id", f"id * {os.environ['TEST_NUMBER']} AS n").write.parquet(place)
here = lambda _: socket.gethostbyname(socket.gethostname())
print(json.dumps(spark.sparkContext.parallelize(range(8), 8).map(here).distinct().collect()))

# %% read
back = spark.read.parquet(place)
print(json.dumps([back.count(), back.selectExpr("sum(n)").first()[0]]))
spark.stop()
"""


@pytest.fixture(scope="module")
def server(
    lab: Lab, site: Site, outside: Notebook, executor_image: str
) -> Iterator[tuple[Container, str]]:
    """The emulator, at the address that a notebook beside the cluster has for executors."""
    address = address_towards(outside.kube.server)
    with object_store.gcs(
        lab, site, executor_image,
        options=["--network", "host"], address=address, port=free_port(address),
    ) as running:  # fmt: skip
        yield running


@pytest.fixture(scope="module")
def cells(outside: Notebook, server: tuple[Container, str], number: int) -> dict[str, Cell]:
    """The notebook that writes and reads, after one run of it."""
    settings = object_store.gcs_settings(server[1])
    return outside.run(ROUND, settings=settings, environment={"TEST_NUMBER": str(number)})


def test_what_was_written_is_read_back(cells: dict[str, Cell], number: int) -> None:
    assert cells["read"].result == [900, sum(range(900)) * number], cells["read"].seen


def test_executors_put_the_objects_there(
    cells: dict[str, Cell], server: tuple[Container, str]
) -> None:
    pods = cells["written"].result
    assert pods, cells["written"].seen
    uploads = [line for line in server[0].logs().splitlines() if "/upload/storage" in line]
    assert any(f"{pod} - " in line for pod in pods for line in uploads), uploads
