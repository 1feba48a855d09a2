"""Does spark-submit's cluster mode work, and is nothing left when its driver goes?"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from sparkyard.command import Completed
from tests.kubernetes import driver
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Document, Kube

PI = "local:///opt/spark/examples/src/main/python/pi.py"


@pytest.fixture(scope="module")
def submitter(spark: Kube, driver_image: str, executor_image: str) -> Iterator[Notebook]:
    """A pod that may submit, and no more."""
    with driver.inside(spark, driver_image, executor_image, account="spark-submit") as made:
        yield made


def submit(submitter: Notebook, name: str, *words: str) -> Completed:
    """Submit an application in cluster mode, and wait for its end."""
    ended: Completed = submitter.submit(
        "--deploy-mode",
        "cluster",
        "--name",
        name,
        "--conf",
        f"spark.kubernetes.driver.pod.name={name}",
        "--conf",
        "spark.driver.memory=600m",
        *words,
        SPARK_SERVICE_ACCOUNT="spark-driver",
    )
    return ended


def driver_pod(kube: Kube, name: str) -> list[Document]:
    """Return the pod of an application's driver, if it is there."""
    return kube.get("pods", "--field-selector", f"metadata.name={name}")


def application(pod: Document) -> str:
    """Return the selector of the executors that belong to a driver's pod."""
    return (
        f"spark-role=executor,spark-app-selector={pod['metadata']['labels']['spark-app-selector']}"
    )


@pytest.fixture(scope="module")
def ended(submitter: Notebook) -> Mapping[str, tuple[str, Completed]]:
    """Two applications that were submitted at once, by their argument: the driver, and its end."""
    with ThreadPoolExecutor() as pool:
        submitted = {}
        for argument in ("4", "not-a-number"):
            name = f"pi-{secrets.token_hex(3)}"
            one = ["--conf", "spark.executor.instances=1", PI, argument]
            submitted[argument] = name, pool.submit(submit, submitter, name, *one)
        return {argument: (name, job.result()) for argument, (name, job) in submitted.items()}


def test_an_application_of_the_image(
    ended: Mapping[str, tuple[str, Completed]], submitter: Notebook
) -> None:
    kube, (name, end) = submitter.kube, ended["4"]
    assert end.exit_code == 0, end.stderr[-3000:]
    log = kube.ctl("logs", name).stdout
    found = re.search(r"Pi is roughly (3\.\d+)", log)
    assert found, log[-3000:]
    assert 3.0 < float(found[1]) < 3.3
    (pod,) = driver_pod(kube, name)
    assert pod["spec"]["serviceAccountName"] == "spark-driver"
    assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    mine = application(pod)
    kube.wait_for(lambda: not kube.get("pods", "--selector", mine), "end of the executors", 60)


def test_an_application_that_fails_says_so(
    ended: Mapping[str, tuple[str, Completed]], submitter: Notebook
) -> None:
    kube, (name, end) = submitter.kube, ended["not-a-number"]
    assert "exit code: 1" in end.stderr, end.stderr[-3000:]
    assert "ValueError" in kube.ctl("logs", name).stdout
    mine = application(*driver_pod(kube, name))
    kube.wait_for(lambda: not kube.get("pods", "--selector", mine), "end of the executors", 60)


def test_executors_go_with_a_deleted_driver(submitter: Notebook) -> None:
    kube, name = submitter.kube, f"long-{secrets.token_hex(3)}"
    with ThreadPoolExecutor() as pool:
        job = pool.submit(submit, submitter, name, PI, "20000")
        kube.wait_for(lambda: driver_pod(kube, name), "driver")
        mine = ["--selector", application(*driver_pod(kube, name))]
        running = [*mine, "--field-selector", "status.phase=Running"]
        kube.wait_for(lambda: len(kube.get("pods", *running)) == 2, "executors", 120)
        kube.ctl("delete", "pod", name, "--grace-period=0", "--force")
        kube.wait_for(
            lambda: not kube.get("pods", *mine) and not driver_pod(kube, name),
            "end of all pods of the application",
            60,
        )
        job.result()
    kube.wait_for(lambda: not left_of(kube, name), "end of what belonged to the driver")


def left_of(kube: Kube, name: str) -> list[str]:
    """Return what names an application or its driver's pod."""
    left = [
        each["metadata"]
        for kind in ("configmaps", "services", "secrets")
        for each in kube.get(kind)
    ]
    return [each["name"] for each in left if name in str(each)]
