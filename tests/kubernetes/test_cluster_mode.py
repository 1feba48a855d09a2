"""Does spark-submit's cluster mode work, and is nothing left when its driver goes?"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sparkyard.command import Completed
from tests.kubernetes import driver
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Kube

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


def test_an_application_of_the_image(submitter: Notebook) -> None:
    kube, name = submitter.kube, f"pi-{secrets.token_hex(3)}"
    ended = submit(submitter, name, PI, "4")
    assert ended.exit_code == 0, ended.stderr[-3000:]
    log = kube.ctl("logs", name).stdout
    found = re.search(r"Pi is roughly (3\.\d+)", log)
    assert found, log[-3000:]
    assert 3.0 < float(found[1]) < 3.3
    pod = kube.get("pods", "--field-selector", f"metadata.name={name}")[0]
    assert pod["spec"]["serviceAccountName"] == "spark-driver"
    assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    kube.wait_for(lambda: not kube.executors(), "end of the executors", 60)


def test_an_application_that_fails_says_so(submitter: Notebook) -> None:
    kube, name = submitter.kube, f"fails-{secrets.token_hex(3)}"
    ended = submit(submitter, name, PI, "not-a-number")
    assert "exit code: 1" in ended.stderr, ended.stderr[-3000:]
    assert "ValueError" in kube.ctl("logs", name).stdout
    kube.wait_for(lambda: not kube.executors(), "end of the executors", 60)


def test_executors_go_with_a_deleted_driver(submitter: Notebook) -> None:
    kube, name = submitter.kube, f"long-{secrets.token_hex(3)}"
    with ThreadPoolExecutor() as pool:
        job = pool.submit(submit, submitter, name, PI, "20000")
        kube.wait_for(lambda: len(kube.executors("Running")) == 2, "executors", 120)
        kube.ctl("delete", "pod", name, "--grace-period=0", "--force")
        seconds = kube.wait_for(
            lambda: (
                not kube.executors()
                and not kube.get("pods", "--field-selector", f"metadata.name={name}")
            ),
            "end of all pods of the application",
            60,
        )
        job.result()
    assert seconds <= 60
    for kind in ("configmaps", "services", "secrets"):
        left = kube.get(kind)
        assert [o["metadata"]["name"] for o in left if name in str(o["metadata"])] == []
