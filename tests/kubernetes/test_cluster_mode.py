"""Does spark-submit's cluster mode work, and is nothing left when its driver goes?"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import Future

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

from sparkyard import paths
from sparkyard.command import Completed
from tests.kubernetes import driver
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Document, Kube, secret
from tests.support import Lab

PI = "local:///opt/spark/examples/src/main/python/pi.py"
ONE_EXECUTOR = ["--conf", "spark.executor.instances=1"]
ANY = 1000740000
"""A uid of those that OpenShift gives to a namespace: no image has a name for it."""

WHO = """
import json
import os
import sys

from pyspark.sql import SparkSession

def who(_):
    with open("/opt/work/written", "w"), open("/tmp/written", "w"):
        return os.getuid(), os.getgid(), bool(os.statvfs("/").f_flag & os.ST_RDONLY)

number = int(sys.argv[1])
sc = SparkSession.builder.getOrCreate().sparkContext
print(json.dumps({"driver": who(0), "executors": list(set(sc.range(8).map(who).collect())),
                  "sum": sc.range(100).map(lambda n: n * number).sum()}))
"""

LONG = """
import time

from pyspark.sql import SparkSession

SparkSession.builder.getOrCreate().sparkContext.range(8).foreach(lambda _: time.sleep(600))
"""


@pytest.fixture(scope="module")
def submitter(spark: Kube, driver_image: str, executor_image: str) -> Iterator[Notebook]:
    """A pod that may submit, and no more."""
    with driver.inside(spark, driver_image, executor_image, account="spark-submit") as made:
        yield made


@pytest.fixture(scope="module")
def beside(
    spark: Kube,
    lab: Lab,
    driver_image: str,
    executor_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Notebook]:
    """A container beside the cluster, with a token of the account that may submit, and no more."""
    directory = tmp_path_factory.mktemp("beside")
    with driver.outside(
        lab, spark, driver_image, executor_image, directory, account="spark-submit"
    ) as made:
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


Submitted = Mapping[str, tuple[str, Future[Completed]]]


@pytest.fixture(scope="module")
def at_once(submitter: Notebook, beside: Notebook, number: int) -> Iterator[Submitted]:
    """Applications that are under way at one time: each one's driver's pod, and its end."""

    def start(where: Notebook, what: str, *words: str) -> tuple[str, Future[Completed]]:
        name = f"{what}-{secrets.token_hex(3)}"
        return name, pool.submit(submit, where, name, *words)

    job = secret(submitter.kube, "job", {"who.py": WHO, "long.py": LONG})
    mounted = ["--conf", f"spark.kubernetes.driver.secrets.{job}=/opt/job"]
    who = [*mounted, *as_anybody(submitter), "local:///opt/job/who.py"]
    with driver.side_by_side(3) as pool:
        started = {
            "good": start(submitter, "pi", *ONE_EXECUTOR, PI, "4"),
            "bad": start(submitter, "pi", *ONE_EXECUTOR, PI, "not-a-number"),
            "beside": start(beside, "beside", *ONE_EXECUTOR, PI, "4"),
            "who": start(submitter, "who", *ONE_EXECUTOR, *who, str(number)),
            "long": start(submitter, "long", *mounted, "local:///opt/job/long.py"),
        }
        yield started
        name, _ = started["long"]  # still there, if nobody has deleted it
        submitter.kube.ctl("delete", "pod", name, "--ignore-not-found", "--wait=false")


def check_pi(kube: Kube, name: str, submitted: Future[Completed]) -> None:
    """Assert that a driver's pod came to pi, as the account it was to be, and left no executor."""
    end = submitted.result()
    assert end.exit_code == 0, end.stderr[-3000:]
    log = kube.ctl("logs", name).stdout
    found = re.search(r"Pi is roughly (3\.\d+)", log)
    assert found, log[-3000:]
    assert 3.0 < float(found[1]) < 3.3
    (pod,) = driver_pod(kube, name)
    assert pod["status"]["phase"] == "Succeeded"
    assert pod["spec"]["serviceAccountName"] == "spark-driver"
    assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    mine = application(pod)
    kube.wait_for_end(lambda: kube.get("pods", "--selector", mine), "the executors")


def test_an_application_of_the_image(at_once: Submitted, submitter: Notebook) -> None:
    check_pi(submitter.kube, *at_once["good"])


def test_submitted_from_outside_with_a_service_accounts_token(
    at_once: Submitted, beside: Notebook
) -> None:
    check_pi(beside.kube, *at_once["beside"])


def test_an_application_that_fails_says_so(at_once: Submitted, submitter: Notebook) -> None:
    kube, (name, submitted) = submitter.kube, at_once["bad"]
    end = submitted.result()
    assert "exit code: 1" in end.stderr, end.stderr[-3000:]
    assert "ValueError" in kube.ctl("logs", name).stdout
    mine = application(*driver_pod(kube, name))
    kube.wait_for_end(lambda: kube.get("pods", "--selector", mine), "the executors")


def as_anybody(submitter: Notebook) -> list[str]:
    """Return the options that run an application as a user whom no image knows."""
    words = []
    for role in ("driver", "executor"):
        template = yaml.safe_load((paths.ROOT / f"conf/spark/{role}-pod.yaml").read_text())
        # No group: that of a user without a name is 0, as images for OpenShift expect it.
        template["spec"]["securityContext"]["runAsUser"] = ANY
        file = f"/tmp/{role}-pod.yaml"  # noqa: S108 - a path in the submitter's pod
        submitter.place.exec("sh", "-c", f"cat >{file}", stdin=json.dumps(template))
        words += ["--conf", f"spark.kubernetes.{role}.podTemplateFile={file}"]
    return words


def test_any_user_and_a_read_only_root_file_system(
    at_once: Submitted, submitter: Notebook, number: int
) -> None:
    kube, (name, submitted) = submitter.kube, at_once["who"]
    end = submitted.result()
    assert "exit code: 0" in end.stderr, end.stderr[-3000:]
    log = kube.ctl("logs", name).stdout
    who = [ANY, 0, True]
    told = {"driver": who, "executors": [who], "sum": number * sum(range(100))}
    assert json.dumps(told) in log, log[-3000:]


def test_executors_go_with_a_deleted_driver(at_once: Submitted, submitter: Notebook) -> None:
    kube, (name, submitted) = submitter.kube, at_once["long"]
    kube.wait_for(lambda: driver_pod(kube, name), "driver")
    mine = ["--selector", application(*driver_pod(kube, name))]
    running = [*mine, "--field-selector", "status.phase=Running"]
    kube.wait_for(lambda: len(kube.get("pods", *running)) == 2, "executors", 120)
    kube.ctl("delete", "pod", name, "--grace-period=0", "--force")
    kube.wait_for_end(
        lambda: kube.get("pods", *mine) + driver_pod(kube, name), "the application's pods"
    )
    submitted.result()
    kube.wait_for(lambda: not left_of(kube, name), "end of what belonged to the driver")


def left_of(kube: Kube, name: str) -> list[str]:
    """Return what names an application or its driver's pod."""
    left = [
        each["metadata"]
        for kind in ("configmaps", "services", "secrets")
        for each in kube.get(kind)
    ]
    return [each["name"] for each in left if name in str(each)]
