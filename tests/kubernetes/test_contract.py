"""Do the executors keep Spark's own contract with its containers?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Document, Kube

HELD = """# %% session
import json, time, urllib.request
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
print(json.dumps(sc.parallelize(range(10), 4).sum()))

# %% hold
while not (HELD_UNTIL):
    time.sleep(0.5)
print(json.dumps("held"))

# %% metrics
def page(path):
    with urllib.request.urlopen(sc.uiWebUrl + path) as answer:
        return answer.read().decode()

print(json.dumps({"driver": page("/metrics/prometheus/"),
                  "executors": page("/metrics/executors/prometheus/")}))

# %% stop
spark.stop()
"""
ALONE = "sc._jsc.sc().getExecutorMemoryStatus().size() == 1"
"""Whether all executors have gone: the driver is one of those that this counts."""


def until(condition: str) -> str:
    """Return the notebook that holds its session until something is true there."""
    return HELD.replace("HELD_UNTIL", condition)


def until_there_is(file: str) -> str:
    """Return the notebook that holds its session until a file is made beside it."""
    return until(f"__import__('pathlib').Path({file!r}).exists()")


def ready(kube: Kube) -> list[Document]:
    """Return the executors' pods that run and are not on their way out."""
    return [pod for pod in kube.executors("Running") if "deletionTimestamp" not in pod["metadata"]]


def test_pods_are_hardened_and_metrics_are_served(outside: Notebook) -> None:
    kube = outside.kube
    with ThreadPoolExecutor() as pool:
        job = pool.submit(outside.run, until_there_is("looked-at"))
        try:
            kube.wait_for(lambda: len(ready(kube)) == 2, "executors")
            pod = ready(kube)[0]
            look = "id -u; cat /proc/1/status; ls /var/run/secrets/kubernetes.io; touch /etc/x"
            name = pod["metadata"]["name"]
            inside = kube.ctl("exec", name, "--", "sh", "-c", look, check=False)
        finally:
            outside.place.exec("touch", "looked-at")
        told = job.result()
    specification = pod["spec"]
    container = specification["containers"][0]
    assert specification["automountServiceAccountToken"] is False
    assert specification["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert inside.stdout.startswith("1000\n")
    assert "CapBnd:\t0000000000000000" in inside.stdout
    assert "Read-only file system" in inside.stderr
    assert "No such file" in inside.stderr, "a token is mounted"
    metrics = told["metrics"].result
    assert "metrics_" in metrics["driver"]
    assert metrics["executors"].count("metrics_executor_memoryUsed_bytes") == 3
    assert 'executor_id="1"' in metrics["executors"]


def test_dynamic_allocation_asks_for_executors_and_lets_them_go(outside: Notebook) -> None:
    kube = outside.kube
    settings = {
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.dynamicAllocation.initialExecutors": "0",
        "spark.dynamicAllocation.minExecutors": "0",
        "spark.dynamicAllocation.maxExecutors": "3",
        "spark.dynamicAllocation.executorIdleTimeout": "6s",
        "spark.executor.instances": "0",
    }
    source = (
        until(ALONE)
        .replace("range(10), 4).sum()", "range(30), 30).map(slow).sum()")
        .replace(
            "sc = spark.sparkContext\n",
            "sc = spark.sparkContext\n\ndef slow(n):\n    time.sleep(1)\n    return n\n\n",
        )
    )
    with ThreadPoolExecutor() as pool:
        job = pool.submit(outside.run, source, settings=settings)
        kube.wait_for(lambda: len(ready(kube)) == 3, "three executors for thirty tasks")
        kube.wait_for(lambda: not kube.executors("Running"), "end of idle executors", 60)
        told = job.result()
    assert told["session"].result == sum(range(30))
    assert told["hold"].result == "held"


DECOMMISSIONED = """# %% session
import json, time
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
kept = sc.parallelize(range(1000), 8).map(lambda n: (n, str(n) * 1000)).persist()
print(json.dumps(kept.count()))

# %% wait
began = time.monotonic()
while sc._jsc.sc().getExecutorMemoryStatus().size() > 2 and time.monotonic() - began < 90:
    time.sleep(0.5)
time.sleep(3)
print(json.dumps(sc._jsc.sc().getExecutorMemoryStatus().size() - 1))

# %% again
recomputed = sc.accumulator(0)
print(json.dumps(kept.map(lambda pair: len(pair[1]) // 1000).sum()))

# %% stop
spark.stop()
"""


def test_a_pod_that_is_told_to_go_hands_over_its_blocks(outside: Notebook) -> None:
    kube = outside.kube
    settings = {"spark.storage.decommission.replicationReattemptInterval": "2s"}
    with ThreadPoolExecutor() as pool:
        job = pool.submit(outside.run, DECOMMISSIONED, settings=settings)
        kube.wait_for(lambda: len(ready(kube)) == 2, "executors")
        kube.wait_for(lambda: _cached(kube), "cached blocks")
        name = ready(kube)[0]["metadata"]["name"]
        log = pool.submit(kube.ctl, "logs", "--follow", name, check=False, timeout=200)
        kube.ctl("delete", "pod", name, "--wait=false")
        told = job.result()
        said = log.result().stdout
    assert "ecommission" in said
    assert "migrat" in said.lower(), said[-2000:]
    assert told["again"].result == sum(len(str(n) * 1000) // 1000 for n in range(1000))


def _cached(kube: Kube) -> bool:
    logs = [kube.ctl("logs", pod["metadata"]["name"], check=False).stdout for pod in ready(kube)]
    return len(logs) == 2 and all("rdd_" in log for log in logs)


def test_nobody_without_the_secret_becomes_an_executor(
    outside: Notebook, executor_image: str
) -> None:
    kube = outside.kube
    with ThreadPoolExecutor() as pool:
        job = pool.submit(outside.run, until_there_is("intruded"))
        try:
            kube.wait_for(lambda: len(ready(kube)) == 2, "executors")
            given = _variables(ready(kube)[0])
            said = {
                "none": _intruder(kube, executor_image, given),
                "wrong": _intruder(kube, executor_image, {**given, "_SPARK_AUTH_SECRET": "f" * 64}),
            }
        finally:
            outside.place.exec("touch", "intruded")
        told = job.result()
    for secret, log in said.items():
        assert "Successfully registered" not in log, secret
        refused = "uthent" in log or "SaslException" in log or "secret" in log.lower()
        assert refused, f"{secret}: {log[-1500:]}"
    assert told["session"].result == 45
    assert 'executor_id="666"' not in told["metrics"].result["executors"]


def _variables(executor: Document) -> dict[str, str]:
    """Return the variables of an executor's pod as those of another one, without the secret."""
    own = executor["spec"]["containers"][0]["env"]
    return {
        **{
            each["name"]: each.get("value", "") for each in own if "AUTH_SECRET" not in each["name"]
        },
        "SPARK_EXECUTOR_ID": "666",
        "SPARK_EXECUTOR_POD_NAME": "intruder",
        "SPARK_EXECUTOR_POD_IP": "127.0.0.1",
    }


def _intruder(kube: Kube, image: str, variables: dict[str, str]) -> str:
    """Run an executor that nobody asked for to its end, and return what it wrote."""
    container = {
        "name": "intruder",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["executor"],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
    }
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "intruder"},
            "spec": {"restartPolicy": "Never", "containers": [container]},
        }
    )
    try:
        kube.wait_for(lambda: _phase(kube) in ("Failed", "Succeeded"), "end of the intruder", 60)
        log = kube.ctl("logs", "intruder", check=False)
    finally:
        kube.ctl("delete", "pod", "intruder", "--grace-period=0", "--force", check=False)
    return str(log.stdout + log.stderr)


def _phase(kube: Kube) -> str:
    pods = kube.get("pods", "--field-selector", "metadata.name=intruder")
    return str(pods[0]["status"]["phase"])
