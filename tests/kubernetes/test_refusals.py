"""Does a notebook's user learn why there are no executors: in one message, and soon?"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kubernetes import driver
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Kube
from tests.notebook import Cell
from tests.support import Lab

JOB = """# %% job
import json
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
print(json.dumps(spark.sparkContext.parallelize(range(10), 2).sum()))
"""
PATIENT = JOB.replace(
    "print(json", "threading.Timer(25, spark.sparkContext.cancelAllJobs).start()\nprint(json"
).replace("import json", "import json, threading")
"""The same where waiting may help, so that nobody but the test ends the job."""

STOP = """
# %% stop
spark.stop()
print(json.dumps("stopped"))
"""
GREEDY = """# %% job
import os, time
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()

def worker(_):
    held = [bytearray(64 << 20) for _ in range(64)]  # 4 GiB in one process: it is killed

def executor(_):
    for _ in range(32):  # more than there is in small processes: the kernel kills the JVM
        if os.fork() == 0:
            held = bytearray(48 << 20)
            time.sleep(20)
            os._exit(0)
    time.sleep(20)

spark.sparkContext.parallelize(range(2), 2).map(VICTIM).collect()
"""


def timed(notebook: Notebook, source: str = JOB, **options: object) -> tuple[Cell, float]:
    """Run a notebook, and return its job's cell and how long all of it took, in seconds."""
    began = time.monotonic()
    told = notebook.run(source, seconds=200, **options)  # type: ignore[arg-type]
    return told["job"], time.monotonic() - began


def test_an_image_that_cannot_be_pulled(outside: Notebook) -> None:
    image = "registry.invalid/no/such-image:1"
    cell, seconds = timed(outside, environment={"SPARK_EXECUTOR_IMAGE": image})
    assert cell.error, "the job came to an end"
    assert image in cell.error
    assert "cannot be pulled" in cell.error
    assert "spark.kubernetes.container.image" in cell.error
    assert seconds < 60, f"told after {seconds:.0f} s, the start of the session included"


def test_a_secret_that_is_not_there(outside: Notebook) -> None:
    settings = {"spark.kubernetes.executor.secretKeyRef.KEY": "no-such-secret:key"}
    cell, _ = timed(outside, settings=settings)
    assert cell.error
    assert "no-such-secret" in cell.error


def test_a_secret_to_mount_that_is_not_there(outside: Notebook) -> None:
    settings = {"spark.kubernetes.executor.secrets.no-such-secret": "/etc/secret"}
    cell, _ = timed(outside, PATIENT, settings=settings)
    assert "Secret" in cell.stderr, "what may be missing, as far as its account can know"
    assert "kubectl describe pod" in cell.stderr
    assert "-exec-" in cell.stderr


@pytest.mark.parametrize(
    ("victim", "told"),
    [("executor", "An executor was killed"), ("worker", "A Python worker of an executor")],
)
def test_memory_that_is_not_enough(outside: Notebook, victim: str, told: str) -> None:
    settings = {"spark.executor.memory": "512m", "spark.executor.memoryOverhead": "400m"}
    cell, _ = timed(outside, GREEDY.replace("VICTIM", victim), settings=settings)
    assert cell.error
    assert told in cell.stderr
    assert "912Mi" in cell.stderr, "the limit"
    assert "Raise spark.executor.memoryOverhead" in cell.stderr


def test_more_than_a_node_has(outside: Notebook) -> None:
    cell, _ = timed(outside, PATIENT, environment={"SPARK_EXECUTOR_MEMORY": "900g"})
    assert "Insufficient memory" in cell.stderr
    assert "spark.executor.memory" in cell.stderr


def test_a_namespace_that_is_not_there(outside: Notebook) -> None:
    cell, seconds = timed(outside, environment={"SPARK_NAMESPACE": "no-such-namespace"})
    assert cell.error
    assert "no-such-namespace" in cell.seen
    assert seconds < 60


def test_an_account_without_rights(
    spark: Kube, lab: Lab, driver_image: str, executor_image: str, tmp_path: Path
) -> None:
    with driver.outside(
        lab, spark, driver_image, executor_image, tmp_path, account="spark-executor"
    ) as notebook:
        cell, seconds = timed(notebook)
    assert cell.error
    assert "spark-executor" in cell.seen
    assert "may not" in cell.seen or "forbidden" in cell.seen
    assert seconds < 60


def test_a_token_that_is_no_longer_good(
    spark: Kube, lab: Lab, driver_image: str, executor_image: str, tmp_path: Path
) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "leaver"}}
    spark.apply(json.dumps(account))
    with driver.outside(
        lab, spark, driver_image, executor_image, tmp_path, account="leaver"
    ) as notebook:
        spark.ctl("delete", "serviceaccount", "leaver")
        cell, seconds = timed(notebook)
    assert cell.error
    assert "token" in cell.seen
    assert "expired" in cell.seen
    assert seconds < 60


def test_a_quota_that_is_reached(
    new_namespace: Callable[[str], Kube],
    lab: Lab,
    driver_image: str,
    executor_image: str,
    tmp_path: Path,
) -> None:
    small = new_namespace("quota")
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"pods": "1"}},
    }
    small.apply(quota)
    with driver.outside(lab, small, driver_image, executor_image, tmp_path) as notebook:
        cell, _ = timed(notebook, JOB + STOP)
    assert cell.result == 45, "one executor is enough for the job"
    assert "quota" in cell.stderr
    assert "small" in cell.stderr
