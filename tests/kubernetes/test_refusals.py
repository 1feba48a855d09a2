"""Does a notebook's user learn why there are no executors: in one message, and soon?"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.kubernetes import driver
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Kube, secret
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
ELASTIC = {
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.shuffleTracking.enabled": "true",
    "spark.dynamicAllocation.minExecutors": "0",
    "spark.dynamicAllocation.maxExecutors": "1",
    "spark.dynamicAllocation.executorIdleTimeout": "2s",
    "spark.executor.instances": "0",
}
"""Executors that go as soon as no job needs them."""

JOBS = """# %% first
import json, time
from pathlib import Path
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()

def job(number):
    while not Path(f"may-{number}").exists():
        time.sleep(0.2)
    try:
        print(json.dumps(spark.sparkContext.parallelize(range(10), 1).sum()))
    finally:
        Path(f"did-{number}").touch()

job(1)

# %% second
job(2)

# %% third
job(3)

# %% fourth
job(4)
"""
"""Four jobs, each of which the test lets begin, and sees end."""

# Spark's progress bar may stand before it on the same line.
MOMENT = r"(\d\d/\d\d/\d\d \d\d:\d\d:\d\d) (?:WARN|ERROR) "
TOLD = re.compile(MOMENT + "ExecutorWatch: (.*)")
NOT_MADE = re.compile(MOMENT + "ExecutorPodsSnapshotsStoreImpl: Exception when notifying")
TRACE = re.compile(r"^\s+at [\w.$]+\(", re.MULTILINE)
SOON = 30.0
"""Seconds from a pod's creation until a person reads why it is no executor yet."""


def timed(notebook: Notebook, source: str = JOB, **options: object) -> tuple[Cell, float]:
    """Run a notebook, and return its job's cell and how long all of it took, in seconds."""
    began = time.monotonic()
    told = notebook.run(source, seconds=300, **options)  # type: ignore[arg-type]
    return told["job"], time.monotonic() - began


def soon(
    notebook: Notebook, words: str, source: str = JOB, within: float = SOON, **options: object
) -> Cell:
    """Run a notebook, assert that a line with the words soon followed its first pod; its job."""
    kube = notebook.kube
    before = names(kube)
    with ThreadPoolExecutor() as pool:
        run = pool.submit(timed, notebook, source, **options)
        kube.wait_for(lambda: run.done() or names(kube).keys() - before.keys(), "pod")
        pods = names(kube)
        cell, _ = run.result()
    made = [pods[name] for name in pods.keys() - before.keys()]
    assert made, cell.seen
    said = [logged_at(moment) for moment, line in TOLD.findall(cell.stderr) if words in line]
    assert said, cell.seen
    seconds = (said[0] - min(made)).total_seconds()
    print(f"{seconds:.0f} s from the pod to its message")
    assert seconds <= within, cell.seen
    return cell


def logged_at(moment: str) -> datetime:
    """Return when a line was logged, by its beginning."""
    return datetime.strptime(moment, "%y/%m/%d %H:%M:%S").replace(tzinfo=UTC)


def names(kube: Kube) -> dict[str, datetime]:
    """Return when each executor's pod was made."""
    return {
        pod["metadata"]["name"]: datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
        for pod in kube.executors()
    }


def test_an_image_that_cannot_be_pulled(outside: Notebook) -> None:
    image = "registry.invalid/no/such-image:1"
    cell = soon(outside, "cannot be pulled", environment={"SPARK_EXECUTOR_IMAGE": image})
    assert cell.error, "the job came to an end"
    assert image in cell.error
    assert "cannot be pulled" in cell.error
    assert "spark.kubernetes.container.image" in cell.error
    assert not TRACE.search(cell.stderr), cell.stderr


def test_a_driver_address_that_pods_cannot_reach(outside: Notebook) -> None:
    # An address for documentation: nobody has it (RFC 5737).
    environment = {"SPARK_DRIVER_HOST": "192.0.2.1"}
    # A container asks for a quarter of a minute before it gives up.
    cell = soon(outside, "cannot reach the driver", within=2 * SOON, environment=environment)
    assert cell.error, "the job came to an end"
    assert "192.0.2.1" in cell.error
    assert "SPARK_DRIVER_HOST" in cell.stderr


def test_a_secret_that_is_not_there(outside: Notebook) -> None:
    settings = {"spark.kubernetes.executor.secretKeyRef.KEY": "no-such-secret:key"}
    cell = soon(outside, "no-such-secret", settings=settings)
    assert cell.error
    assert "no-such-secret" in cell.error
    assert not TRACE.search(cell.stderr), cell.stderr


def test_a_secret_to_mount_that_is_not_there(outside: Notebook) -> None:
    settings = {"spark.kubernetes.executor.secrets.no-such-secret": "/etc/secret"}
    cell = soon(outside, "kubectl describe pod", PATIENT, settings=settings)
    assert "Secret" in cell.stderr, "what may be missing, as far as its account can know"
    assert "kubectl describe pod" in cell.stderr
    assert "-exec-" in cell.stderr
    assert not TRACE.search(cell.stderr), cell.stderr


@pytest.mark.parametrize(
    ("victim", "told"),
    [("executor", "An executor was killed"), ("worker", "A Python worker of an executor")],
)
def test_memory_that_is_not_enough(outside: Notebook, victim: str, told: str) -> None:
    settings = {"spark.executor.memory": "512m", "spark.executor.memoryOverhead": "400m"}
    settings["spark.task.maxFailures"] = "2"  # the first is told before the second ends the cell
    cell, _ = timed(outside, GREEDY.replace("VICTIM", victim), settings=settings)
    assert cell.error
    assert told in cell.stderr
    assert "912Mi" in cell.stderr, "the limit"
    assert "Raise spark.executor.memoryOverhead" in cell.stderr


def test_more_than_a_node_has(outside: Notebook) -> None:
    environment = {"SPARK_EXECUTOR_MEMORY": "900g"}
    cell = soon(outside, "Insufficient memory", PATIENT, environment=environment)
    assert "spark.executor.memory" in cell.stderr
    assert not TRACE.search(cell.stderr), cell.stderr


def test_a_namespace_that_is_not_there(outside: Notebook) -> None:
    cell, seconds = timed(outside, environment={"SPARK_NAMESPACE": "no-such-namespace"})
    assert cell.error
    assert "no-such-namespace" in cell.seen
    assert not TRACE.search(cell.seen), cell.seen
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
    assert not TRACE.search(cell.seen), cell.seen
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
    assert "is wrong or has expired" in cell.seen
    assert not TRACE.search(cell.seen), cell.seen
    assert seconds < 60


def test_a_token_that_has_expired_says_when(
    spark: Kube, lab: Lab, driver_image: str, executor_image: str, tmp_path: Path
) -> None:
    # No server makes one that is good for less than ten minutes. What this one says of itself is
    # what a real one does; that its signature is nobody's, the server alone finds.
    user = f"system:serviceaccount:{spark.namespace}:notebook"
    parts = ({"alg": "RS256", "kid": "none"}, {"sub": user, "exp": 1577836800}, "no signature")
    token = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )
    with driver.outside(lab, spark, driver_image, executor_image, tmp_path) as notebook:
        (tmp_path / "kubeconfig").write_text(spark.kubeconfig_of(token), encoding="utf-8")
        cell, seconds = timed(notebook)
    assert cell.error
    assert f"as {user} expired at 2020-01-01T00:00:00Z" in cell.error
    assert token not in cell.seen
    assert not TRACE.search(cell.seen), cell.seen
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
        cell = soon(notebook, "quota", JOB + STOP)
    assert cell.result == 45, "one executor is enough for the job"
    assert "small" in cell.stderr
    # Spark asks again each second, for the half minute that it waits for a second executor.
    traces = [logged_at(moment) for moment in NOT_MADE.findall(cell.stderr)]
    assert traces
    assert cell.stderr.count("Exception when notifying snapshot subscriber") == len(traces)
    gaps = [(later - one).total_seconds() for one, later in pairwise(traces)]
    assert all(gap >= 58 for gap in gaps), "more than one a minute"


def let(notebook: Notebook, number: int, begin: bool = True) -> None:
    """Let a job begin, or wait until it has ended."""
    if begin:
        notebook.place.exec("touch", f"may-{number}")
        return
    done = ["test", "-e", f"did-{number}"]
    notebook.kube.wait_for(
        lambda: notebook.place.exec(*done, check=False).exit_code == 0, f"end of job {number}", 90
    )


def unknown(kube: Kube) -> bool:
    """Tell whether the API server knows nobody by these credentials."""
    return "Unauthorized" in kube.ctl("get", "pods", check=False).stderr


def first_job(notebook: Notebook) -> None:
    """See the first job's executor come, do its work, and go."""
    let(notebook, 1)
    notebook.kube.wait_for(lambda: notebook.kube.executors("Running"), "executor")
    let(notebook, 1, begin=False)
    notebook.kube.wait_for_end(notebook.kube.executors, "the idle executor")


def test_executors_that_cannot_come_back_end_each_job_until_they_can(
    spark: Kube, lab: Lab, driver_image: str, executor_image: str, tmp_path: Path
) -> None:
    secret(spark, "passing", {"key": "value"})
    settings = {**ELASTIC, "spark.kubernetes.executor.secretKeyRef.KEY": "passing:key"}
    with (
        ThreadPoolExecutor() as pool,
        driver.outside(lab, spark, driver_image, executor_image, tmp_path) as notebook,
    ):
        run = pool.submit(notebook.run, JOBS, settings=settings)
        first_job(notebook)
        spark.ctl("delete", "secret", "passing")
        for number in (2, 3):
            let(notebook, number)
            let(notebook, number, begin=False)
        secret(spark, "passing", {"key": "value"})
        # A pod that was made before does not look for it again at once.
        spark.wait_for(lambda: not notebook.kube.executors(), "end of the third job's pods")
        let(notebook, 4)
        told = run.result()
    assert told["first"].result == 45
    for title in ("second", "third"):
        assert "because no executor can come" in told[title].error, told[title].seen
        assert "passing" in told[title].error
    lines = [line for _, line in TOLD.findall(told["second"].stderr) if "passing" in line]
    assert len(lines) == 1, told["second"].stderr
    assert told["fourth"].result == 45, "the session is as good as before"


def test_rights_and_tokens_that_end_in_mid_session_end_the_job_that_waits(
    spark: Kube, lab: Lab, driver_image: str, executor_image: str, tmp_path: Path
) -> None:
    spark.ctl("create", "serviceaccount", "goer")
    account = f"--serviceaccount={spark.namespace}:goer"
    spark.ctl("create", "rolebinding", "goer", "--role=notebook", account)
    with (
        ThreadPoolExecutor() as pool,
        driver.outside(
            lab, spark, driver_image, executor_image, tmp_path, account="goer"
        ) as notebook,
    ):
        source = JOBS.partition("\n# %% fourth")[0]
        run = pool.submit(notebook.run, source, settings=ELASTIC)
        first_job(notebook)
        spark.ctl("delete", "rolebinding", "goer")
        let(notebook, 2)
        let(notebook, 2, begin=False)
        spark.ctl("delete", "serviceaccount", "goer")
        goer = Kube(str(tmp_path / "kubeconfig"), spark.namespace)
        spark.wait_for(lambda: unknown(goer), "end of the token, which the API server remembers")
        let(notebook, 3)
        told = run.result()
    assert told["first"].result == 45
    assert "We may not make executors" in told["second"].error, told["second"].seen
    assert "goer" in told["second"].error
    assert "is wrong or has expired" in told["third"].error, told["third"].seen
