"""Is a notebook found in a container with a network of its own, by two published ports?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard.kubernetes.access import address_towards
from tests.kubernetes import driver
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Kube
from tests.kubernetes.storage import free_port
from tests.support import Lab

SESSION = """# %% session
import json
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
# Broadcast blocks go by the second port.
factor = spark.sparkContext.broadcast(list(range(200_000)))
pairs = spark.sparkContext.parallelize(range(100), 4).map(lambda n: n * factor.value[NUMBER])
print(json.dumps(pairs.sum()))
spark.stop()
"""


@pytest.fixture
def behind(
    spark: Kube, lab: Lab, driver_image: str, executor_image: str, tmp_path: Path
) -> Iterator[Notebook]:
    """A notebook's container that is reached by the host's address alone."""
    address = address_towards(spark.server)
    ports = {name: str(free_port(address)) for name in ("DRIVER", "BLOCKMANAGER")}
    published = [f"--publish={address}:{port}:{port}" for port in ports.values()]
    surroundings = {f"SPARK_{name}_PORT": port for name, port in ports.items()}
    with driver.outside(
        lab, spark, driver_image, executor_image, tmp_path,
        network=published, surroundings={"SPARK_DRIVER_HOST": address, **surroundings},
    ) as made:  # fmt: skip
        yield made


def test_two_published_ports_are_enough(behind: Notebook, number: int) -> None:
    one = {"SPARK_EXECUTOR_INSTANCES": "1"}
    told = behind.run(SESSION.replace("NUMBER", str(number)), environment=one)
    assert told["session"].result == number * sum(range(100))
