"""Do the executors keep Spark's own contract with its containers?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from sparkyard.command import Completed
from tests.kubernetes import driver
from tests.kubernetes.driver import TWO, Notebook
from tests.kubernetes.kube import Document, Kube, Pod
from tests.notebook import Cell

SESSION = """# %% session
import json, os, time, urllib.request
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext

def executors():
    return sc._jsc.sc().getExecutorMemoryStatus().size() - 1  # the driver is among them

def hold(holds, seconds=500):
    began = time.monotonic()
    while not holds() and time.monotonic() - began < seconds:
        time.sleep(0.2)
    return holds()

"""
HELD = (
    SESSION
    + """
print(json.dumps(sc.parallelize(range(10), 4).sum()))

# %% hold
print(json.dumps(hold(lambda: os.path.exists("looked-at"))))

# %% metrics
def page(path):
    with urllib.request.urlopen(sc.uiWebUrl + path) as answer:
        return answer.read().decode()

print(json.dumps({"driver": page("/metrics/prometheus/"),
                  "executors": page("/metrics/executors/prometheus/")}))

# %% stop
spark.stop()
"""
)
DYNAMIC = (
    SESSION
    + """
def slow(n):
    time.sleep(3)
    return n

print(json.dumps(sc.parallelize(range(20), 20).map(slow).sum()))

# %% alone
print(json.dumps(hold(lambda: executors() == 0)))

# %% stop
spark.stop()
"""
)


def ready(kube: Kube) -> list[Document]:
    """Return the executors' pods that run and are not on their way out."""
    return [pod for pod in kube.executors("Running") if "deletionTimestamp" not in pod["metadata"]]


SHARED = "_SPARK_AUTH_SECRET"
REGISTERED = "Successfully registered with driver"
INTRUDERS: dict[str, tuple[Callable[[str, str], str | None], str]] = {
    "same": (lambda _, value: value, REGISTERED),
    "wrong": (
        lambda name, value: "f" * len(value) if name == SHARED else value,
        "Authentication failed.",
    ),
    "none": (
        lambda name, value: None if name == SHARED else value,
        "A secret key must be specified via the spark.authenticate.secret config",
    ),
    "no authentication": (
        lambda name, value: (
            None
            if name == SHARED or value.startswith(("-Dspark.authenticate", "-Dspark.network"))
            else value
        ),
        "authentication disabled",
    ),
}
"""Executors that nobody asked for: what each makes of a real one's variables, and what it says."""


@dataclass(frozen=True)
class Seen:
    """What came of a session with two executors, while it was held."""

    executor: Document
    looked: Completed
    said: dict[str, str]
    """What each intruder wrote."""
    told: dict[str, Any]


def look_into(outside: Notebook, executor_image: str) -> Seen:
    """Hold a session until it was looked at, and until others have tried to get in."""
    kube = outside.kube
    look = "id -u; cat /proc/1/status; ls /var/run/secrets/kubernetes.io; touch /etc/x"
    with ThreadPoolExecutor() as pool:
        job = pool.submit(outside.run, HELD, settings=TWO, seconds=600)
        try:
            kube.wait_for(lambda: len(ready(kube)) == 2, "executors")
            executor = ready(kube)[0]
            name = executor["metadata"]["name"]
            looked = kube.ctl("exec", name, "--", "sh", "-c", look, check=False)
            with ExitStack() as stack:
                pods = {
                    key: stack.enter_context(_intruder(kube, executor_image, executor, number, key))
                    for number, key in enumerate(INTRUDERS, 666)
                }
                said = {key: _said(pod) for key, pod in pods.items()}
        finally:
            outside.place.exec("touch", "looked-at")
        told = job.result()
    assert told["session"].result == sum(range(10))
    assert told["hold"].result is True
    return Seen(executor, looked, said, told)


@contextmanager
def _intruder(kube: Kube, image: str, executor: Document, number: int, kind: str) -> Iterator[Pod]:
    """Start an executor that nobody asked for, after the pod of one that somebody did."""
    change, _ = INTRUDERS[kind]
    given = copy.deepcopy(executor["spec"]["containers"][0]["env"])
    variables = []
    for each in given:
        if "value" in each:
            value = change(each["name"], each["value"])
            each["value"] = str(number) if each["name"] == "SPARK_EXECUTOR_ID" else value
        # It has no volume for shuffles.
        if each.get("value", "") is not None and each["name"] != "SPARK_LOCAL_DIRS":
            variables.append(each)
    container = {
        "name": "intruder",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["executor"],
        "env": variables,
    }
    name = f"intruder-{number}"
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"restartPolicy": "Never", "containers": [container]},
        }
    )
    try:
        yield Pod(kube, name)
    finally:
        kube.ctl("delete", "pod", name, "--grace-period=0", "--force", check=False)


def _said(pod: Pod) -> str:
    """Return what an intruder wrote until it was registered, or has ended."""

    def has_its_answer() -> bool:
        ended = pod.document()["status"]["phase"] in ("Failed", "Succeeded")
        return ended or REGISTERED in pod.logs()

    pod.kube.wait_for(has_its_answer, f"end of {pod.name}", 180)
    return pod.logs()


@dataclass(frozen=True)
class Sessions:
    """What is under way at one time, each in a namespace of its own."""

    seen: Future[Seen]
    dynamic: Future[dict[str, Cell]]
    decommissioned: Future[tuple[dict[str, Cell], str]]


@pytest.fixture(scope="module")
def sessions(
    outside: Notebook, another: Callable[[str], Notebook], executor_image: str
) -> Iterator[Sessions]:
    """All sessions of this file."""
    dynamic, decommissioned = another("dynamic"), another("decommissioned")
    with driver.side_by_side(3) as pool:
        yield Sessions(
            pool.submit(look_into, outside, executor_image),
            pool.submit(come_and_go, dynamic),
            pool.submit(tell_one_to_go, decommissioned),
        )


@pytest.fixture(scope="module")
def seen(sessions: Sessions) -> Seen:
    """A session that was looked into."""
    return sessions.seen.result()


def test_pods_are_hardened(seen: Seen) -> None:
    specification = seen.executor["spec"]
    container = specification["containers"][0]
    assert specification["automountServiceAccountToken"] is False
    assert specification["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert seen.looked.stdout.startswith("1000\n")
    assert "CapBnd:\t0000000000000000" in seen.looked.stdout
    assert "Read-only file system" in seen.looked.stderr
    assert "No such file" in seen.looked.stderr, "a token is mounted"


def test_metrics_are_served(seen: Seen) -> None:
    metrics = seen.told["metrics"].result
    assert "metrics_" in metrics["driver"]
    for executor in ("driver", "1", "2"):
        found = [
            line
            for line in metrics["executors"].splitlines()
            if line.startswith("metrics_executor_memoryUsed_bytes")
            and f'executor_id="{executor}"' in line
        ]
        assert len(found) == 1, metrics["executors"]


@pytest.mark.parametrize("kind", INTRUDERS)
def test_whoever_knows_the_secret_becomes_an_executor_and_nobody_else(
    seen: Seen, kind: str
) -> None:
    assert (REGISTERED in seen.said[kind]) == (kind == "same"), seen.said[kind]
    assert INTRUDERS[kind][1] in seen.said[kind], seen.said[kind]


def come_and_go(notebook: Notebook) -> dict[str, Cell]:
    """Run a session whose executors come when it has tasks for them, and see them come and go."""
    kube = notebook.kube
    settings = {
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.dynamicAllocation.initialExecutors": "0",
        "spark.dynamicAllocation.minExecutors": "0",
        "spark.dynamicAllocation.maxExecutors": "3",
        "spark.dynamicAllocation.executorIdleTimeout": "3s",
        "spark.executor.instances": "0",
    }
    with ThreadPoolExecutor() as pool:
        job = pool.submit(notebook.run, DYNAMIC, settings=settings)
        kube.wait_for(lambda: len(ready(kube)) == 3, "three executors for twenty tasks")
        kube.wait_for(lambda: not kube.executors("Running"), "end of idle executors")
        return job.result()


def test_dynamic_allocation_asks_for_executors_and_lets_them_go(sessions: Sessions) -> None:
    told = sessions.dynamic.result()
    assert told["session"].result == sum(range(20))
    assert told["alone"].result is True


DECOMMISSIONED = (
    SESSION
    + """
def there():  # the block managers, by their addresses
    return set(sc._jsc.sc().getExecutorMemoryStatus().keySet().mkString(" ").split())

computed = sc.accumulator(0)

def compute(n):
    computed.add(1)
    return (n, str(n) * 1000)

kept = sc.parallelize(range(1000), 8).map(compute).persist()
print(json.dumps({"rows": kept.count(), "computed": computed.value}))

# %% hold
first = there()
open("cached", "w").close()
hold(lambda: first - there(), 240)
print(json.dumps(len(first - there())))

# %% again
print(json.dumps({"sum": kept.map(lambda pair: len(pair[1]) // 1000).sum(),
                  "computed": computed.value}))

# %% stop
spark.stop()
"""
)


def tell_one_to_go(notebook: Notebook) -> tuple[dict[str, Cell], str]:
    """Run a session, delete the pod of an executor that has blocks, and return what it said."""
    kube = notebook.kube
    settings = {**TWO, "spark.storage.decommission.replicationReattemptInterval": "2s"}
    with ThreadPoolExecutor() as pool:
        job = pool.submit(notebook.run, DECOMMISSIONED, settings=settings, seconds=600)
        kube.wait_for(lambda: job.done() or _is_there(notebook, "cached"), "cached blocks")
        name = ready(kube)[0]["metadata"]["name"]
        log = pool.submit(kube.ctl, "logs", "--follow", name, check=False, timeout=400)
        kube.ctl("delete", "pod", name, "--grace-period=120", "--wait=false")
        return job.result(), log.result().stdout


def test_a_pod_that_is_told_to_go_hands_over_its_blocks(sessions: Sessions) -> None:
    told, said = sessions.decommissioned.result()
    assert told["session"].result == {"rows": 1000, "computed": 1000}
    assert "ecommission" in said
    assert "migrat" in said.lower(), said[-2000:]
    assert told["hold"].result == 1, "the executor has not gone"
    rows = sum(len(str(n) * 1000) // 1000 for n in range(1000))
    assert told["again"].result == {"sum": rows, "computed": 1000}, "blocks were computed again"


def _is_there(notebook: Notebook, file: str) -> bool:
    return notebook.place.exec("test", "-e", file, check=False).exit_code == 0
