"""Are the rights under deploy/kubernetes enough for Spark, and is none of them too much?

Real runs, in client and in cluster mode, write down every call that Spark makes of the API server.
The Roles must hold exactly what those calls take: where a right is taken away, the API server
refuses a call that Spark has made.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import pytest

from sparkyard.command import Completed
from sparkyard.kubernetes.access import MANIFESTS
from tests.kubernetes import driver
from tests.kubernetes.api_calls import (
    RECORDER,
    Account,
    Right,
    calls,
    recorded,
    refused,
    rights_of,
    rights_taken,
)
from tests.kubernetes.kube import Document, Kube, Pod, manifests, secret
from tests.support import must
from tests.unit.test_deploy import DRIVER, EXECUTOR

ROLES = {role["metadata"]["name"]: role for role in manifests(MANIFESTS, ["Role"])}
EACH = [
    pytest.param(account, right, id=f"{account} {right}")
    for account, role in ROLES.items()
    for right in sorted(rights_of(role))
]
PLACE = "/tmp/recorder"  # noqa: S108 - a path in pods
"""Where pods find the job and the recorder."""

# The first executor's JVM is killed in its first task, so that Spark has to delete and replace it.
JOB = """
import json, os, signal
from pyspark import TaskContext
from pyspark.sql import SparkSession

def parent(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])

def task(_):
    if TaskContext.get().attemptNumber() == 0:
        os.kill(parent(os.getppid()), signal.SIGKILL)
    return os.path.exists("/var/run/secrets/kubernetes.io")

spark = SparkSession.builder.getOrCreate()
print("RESULT", json.dumps({"token": spark.sparkContext.parallelize([0], 1).map(task).first()}))
spark.stop()
"""
FILES = {"log4j2.properties": RECORDER, "job.py": JOB}


SAID = {
    "create pods": 'cannot create resource "pods"',
    "create configmaps": "but not create configmaps",
}
"""What a session without a right says."""


@dataclass(frozen=True)
class Runs:
    """What came of the runs in client and in cluster mode."""

    logs: dict[str, str]
    """What the processes of each account wrote."""
    driver: Document
    """The pod of the driver in cluster mode, as the API server showed it."""
    executor: Document


def master(kube: Kube) -> str:
    """Return the API server as pods reach it, by its address: a busy cluster may answer no name."""
    words = ["--output", "jsonpath={.spec.clusterIP}"]
    address = Kube(kube.kubeconfig).ctl("get", "service", "kubernetes", *words).stdout
    return f"k8s://https://[{address}]" if ":" in address else f"k8s://https://{address}"


def options(kube: Kube, image: str, **more: str) -> list[str]:
    """Return the options of spark-submit, alike in all runs but for `more`."""
    conf = {
        "spark.kubernetes.namespace": kube.namespace,
        "spark.kubernetes.container.image": image,
        "spark.kubernetes.container.image.pullPolicy": "IfNotPresent",
        "spark.kubernetes.authenticate.driver.serviceAccountName": "spark-driver",
        "spark.kubernetes.authenticate.executor.serviceAccountName": "spark-executor",
        "spark.kubernetes.driver.request.cores": "100m",
        "spark.kubernetes.executor.request.cores": "100m",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={PLACE}/log4j2.properties",
        # On a machine with much to do, 10 s are soon over.
        "spark.kubernetes.submission.requestTimeout": "60000",
        "spark.kubernetes.driver.requestTimeout": "60000",
        "spark.driver.memory": "512m",
        "spark.executor.instances": "1",
        "spark.executor.memory": "512m",
        **more,
    }
    words = ["--master", master(kube)]
    for name, value in conf.items():
        words += ["--conf", f"{name}={value}"]
    return words


def in_client_mode(pod: Pod, image: str) -> Completed:
    document = pod.document()
    more = {
        "spark.driver.host": document["status"]["podIP"],
        "spark.kubernetes.driver.pod.name": pod.name,
    }
    words = ["spark-submit", *options(pod.kube, image, **more), f"{PLACE}/job.py"]
    return pod.exec(*words, check=False, timeout=300)


def in_cluster_mode(pod: Pod, image: str, name: str) -> Completed:
    more = {
        "spark.kubernetes.driver.pod.name": name,
        "spark.kubernetes.driver.secrets.recorder": PLACE,
    }
    words = ["--deploy-mode", "cluster", *options(pod.kube, image, **more)]
    return spark_submit(pod, *words, f"local://{PLACE}/job.py")


def spark_submit(pod: Pod, *words: str) -> Completed:
    """Run spark-submit there, whose own calls are recorded."""
    recorder = {"SPARK_SUBMIT_OPTS": f"-Dlog4j2.configurationFile={PLACE}/log4j2.properties"}
    return pod.exec("spark-submit", *words, environment=recorder, check=False, timeout=300)


@contextmanager
def pod_of(kube: Kube, image: str, account: str) -> Iterator[Pod]:
    """Give a pod of an account, with the job and the recorder in it."""
    with driver.inside(kube, image, image, account=account) as made:
        assert isinstance(made.place, Pod)
        for name, text in FILES.items():
            script = f"mkdir -p {PLACE} && cat >{PLACE}/{name}"
            made.place.exec("sh", "-c", script, stdin=text)
        yield made.place


@pytest.fixture(scope="module")
def notebook(spark: Kube, executor_image: str) -> Iterator[Pod]:
    with pod_of(spark, executor_image, "notebook") as pod:
        yield pod


@pytest.fixture(scope="module")
def submitter(spark: Kube, executor_image: str) -> Iterator[Pod]:
    secret(spark, "recorder", FILES)
    with pod_of(spark, executor_image, "spark-submit") as pod:
        yield pod


@pytest.fixture(scope="module")
def runs(spark: Kube, executor_image: str, notebook: Pod, submitter: Pod) -> Runs:
    """A run in client mode and one in cluster mode, whose driver's pod is killed at the end."""
    name = "recorded"
    seen: list[Document] = []
    with ThreadPoolExecutor() as threads:
        client = threads.submit(in_client_mode, notebook, executor_image)
        cluster = threads.submit(in_cluster_mode, submitter, executor_image, name)
        while not (client.done() and cluster.done()):
            seen += spark.executors()
            time.sleep(0.5)
    in_client = must(client.result()) + "\n" + client.result().stderr
    submitted = cluster.result()
    must(submitted)
    made, own = Pod(spark, name).document(), Pod(spark, name).logs()
    assert made["status"]["phase"] == "Succeeded", own[-3000:]
    killed = spark_submit(
        submitter, "--master", master(spark), "--kill", f"{spark.namespace}:{name}"
    )
    must(killed)
    spark.wait_for(lambda: not left_of(spark, name), "end of what belongs to the driver")
    logs = {
        "notebook": in_client,
        "spark-driver": own,
        "spark-submit": submitted.stderr + killed.stderr,
    }
    return Runs(logs, made, seen[-1])


def left_of(kube: Kube, driver_pod: str) -> list[Document]:
    """Return the driver's pod and what belongs to it, as far as it is still there."""
    there = [each for kind in ("pods", "configmaps", "services") for each in kube.get(kind)]
    return [
        each
        for each in there
        if driver_pod
        in (
            each["metadata"]["name"],
            *(owner["name"] for owner in each["metadata"].get("ownerReferences", ())),
        )
    ]


@contextmanager
def without(kube: Kube, account: str, right: Right) -> Iterator[None]:
    """Take one right away from an account for a while."""
    left = [each for each in rights_of(ROLES[account]) if each != right]
    rules = [
        {"apiGroups": [each.group], "resources": [each.resource], "verbs": [each.verb]}
        for each in left
    ]
    kube.apply(ROLES[account] | {"rules": rules})
    try:
        kube.wait_for(lambda: not may(kube, account, right), f"loss of the right {right}", every=0)
        yield
    finally:
        kube.apply(ROLES[account])
        kube.wait_for(lambda: may(kube, account, right), f"right {right}", every=0)


def right_to(words: str) -> Right:
    """Return a right by its words: "create pods"."""
    verb, resource = words.split()
    return Right(resource, verb)


def may(kube: Kube, account: str, right: Right) -> bool:
    """Ask the API server whether an account has a right."""
    resource, _, sub = right.resource.partition("/")
    words = [right.verb, f"{resource}.{right.group}".rstrip("."), f"--subresource={sub}"]
    who = f"--as={as_account(kube, account)}"
    answer = kube.ctl("auth", "can-i", *words, who, check=False)
    assert answer.stdout.strip() in ("yes", "no"), answer.stderr
    return answer.stdout.strip() == "yes"


def as_account(kube: Kube, account: str) -> str:
    """Return by which name the API server knows a service account."""
    return f"system:serviceaccount:{kube.namespace}:{account}"


@pytest.fixture(scope="module")
def account_of(spark: Kube) -> Callable[[str], Account]:
    """Gives the accounts, each with one token."""
    return cache(lambda name: Account(spark, name))


@pytest.mark.parametrize("account", ROLES)
def test_the_rights_are_enough(runs: Runs, account: str) -> None:
    assert recorded(runs.logs[account])
    assert refused(runs.logs[account]) == []


@pytest.mark.parametrize(("account", "right"), EACH)
def test_a_call_that_spark_makes_is_refused_without(
    runs: Runs, spark: Kube, account_of: Callable[[str], Account], account: str, right: Right
) -> None:
    made = [call for call in calls(runs.logs[account]) if right in rights_taken(*call)]
    # What the watch only asks about does not show that Spark needs it.
    call = next((each for each in made if "dryRun" not in each[1]), None)
    assert call, "nothing that Spark did took this right"
    someone = account_of(account)
    assert someone.status(*call) not in (401, 403)
    with without(spark, account, right):
        assert someone.status(*call) == 403
    assert someone.status(*call) not in (401, 403)


@pytest.mark.parametrize("verb", ["create pods", "create configmaps"])
def test_client_mode_fails_without_the_right_to(
    notebook: Pod, spark: Kube, executor_image: str, verb: str
) -> None:
    before = spark.executor_names()  # they may go on ending
    with without(spark, "notebook", right_to(verb)):
        ended = in_client_mode(notebook, executor_image)
    assert ended.exit_code != 0
    assert "RESULT" not in ended.stdout
    assert SAID[verb] in ended.stderr, ended.stderr[-3000:]
    assert spark.executor_names() <= before


@pytest.mark.parametrize("verb", ["get pods"])
def test_a_driver_in_the_cluster_fails_without_the_right_to(
    submitter: Pod, spark: Kube, executor_image: str, verb: str
) -> None:
    driver_pod = Pod(spark, f"refused-{secrets.token_hex(2)}")
    with without(spark, "spark-driver", right_to(verb)):
        in_cluster_mode(submitter, executor_image, driver_pod.name)
        phase = driver_pod.document()["status"]["phase"]
    log = driver_pod.logs()
    spark.ctl("delete", "pod", driver_pod.name, "--grace-period=0", "--force")
    assert phase == "Failed"
    assert right_to(verb) in recorded(log)
    assert "API < 403 Forbidden" in refused(log)
    assert "RESULT" not in log


@pytest.mark.parametrize("verb", ["create pods", "create services"])
def test_nothing_is_submitted_without_the_right_to(
    submitter: Pod, spark: Kube, executor_image: str, verb: str
) -> None:
    name = f"refused-{secrets.token_hex(2)}"
    with without(spark, "spark-submit", right_to(verb)):
        ended = in_cluster_mode(submitter, executor_image, name)
    assert ended.exit_code != 0
    assert refused(ended.stderr) == ["API < 403 Forbidden"], ended.stderr[-3000:]
    spark.wait_for(lambda: not left_of(spark, name), "clean end")


@pytest.mark.parametrize("account", ["notebook", "spark-driver"])
def test_executors_have_no_token_and_no_rights(runs: Runs, spark: Kube, account: str) -> None:
    assert 'RESULT {"token": false}' in runs.logs[account]
    assert runs.executor["spec"]["serviceAccountName"] == "spark-executor"
    listed = spark.ctl(
        "auth", "can-i", "--list", "--as", as_account(spark, "spark-executor")
    ).stdout
    others = spark.ctl("auth", "can-i", "--list", "--as", as_account(spark, "nobody")).stdout
    assert sorted(listed.splitlines()) == sorted(others.splitlines())


@pytest.mark.parametrize("account", ROLES)
@pytest.mark.parametrize("right", [Right("secrets", "get"), Right("pods/exec", "create")], ids=str)
def test_no_account_reads_secrets_or_gets_into_pods(
    spark: Kube, account: str, right: Right
) -> None:
    assert not may(spark, account, right)


@pytest.mark.parametrize("account", ROLES)
def test_no_account_has_rights_in_another_namespace(spark: Kube, account: str) -> None:
    who = f"--as={as_account(spark, account)}"
    asked = Kube(spark.kubeconfig).ctl("auth", "can-i", "create", "pods", who, check=False)
    assert asked.stdout.strip() == "no"


def test_spark_labels_its_pods_as_the_network_policies_expect(runs: Runs) -> None:
    assert runs.driver["metadata"]["labels"].keys() >= DRIVER.keys()
    assert runs.executor["metadata"]["labels"].keys() >= EXECUTOR.keys()
    assert runs.driver["metadata"]["labels"]["spark-role"] == DRIVER["spark-role"]
    assert runs.executor["metadata"]["labels"]["spark-role"] == EXECUTOR["spark-role"]
