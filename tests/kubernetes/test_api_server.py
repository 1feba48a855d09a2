"""Does a session outlive an API server that goes away for a while in mid-job?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from sparkyard.cluster_access import address_towards
from sparkyard.command import run
from tests.kubernetes import driver
from tests.kubernetes.driver import Notebook
from tests.kubernetes.storage import free_port
from tests.kubernetes.test_losses import busy, expected, running

RESTART = "SPARKYARD_TEST_RESTART_API_SERVER"
"""A command that restarts the cluster's API server: another one for each kind of cluster."""

OUTAGE = 8.0
"""Seconds without an API server: Spark's client asks for its pods several times meanwhile."""


def check_that_a_job_outlives(
    outage: Callable[[], None], outside: Notebook, number: int, **environment: str
) -> None:
    """Let the API server go in the middle of a job, and lose an executor when it is back."""
    kube, given = outside.kube, {"TEST_NUMBER": str(number), **environment}
    with ThreadPoolExecutor() as pool:
        job = pool.submit(outside.run, "slow_shuffle", environment=given)
        kube.wait_for(lambda: len(running(kube)) == 2, "two executors")
        kube.wait_for(lambda: busy(kube), "tasks on both", 60)
        outage()
        assert not job.done(), job.result()["job"].seen
        names = {pod["metadata"]["name"] for pod in running(kube)}
        assert len(names) == 2
        kube.ctl("delete", "pod", min(names), "--grace-period=0", "--force", "--wait=false")
        kube.wait_for(
            lambda: {pod["metadata"]["name"] for pod in running(kube)} - names, "replacement"
        )
        told = job.result()
    assert told["job"].result == expected(number), told["job"].seen
    assert told["stop"].result == "stopped"
    kube.wait_for(lambda: not kube.executors(), "end of the executors", 60)


def test_a_restarted_api_server(outside: Notebook, number: int) -> None:
    command, kube = os.environ.get(RESTART), outside.kube
    if not command:
        pytest.skip(f"{RESTART} names no command that restarts this cluster's API server")

    def restart() -> None:
        run(["sh", "-c", command], timeout=120)
        ready = ["get", "--raw", "/readyz"]
        kube.wait_for(lambda: kube.ctl(*ready, check=False).exit_code == 0, "API server")

    check_that_a_job_outlives(restart, outside, number)


def test_an_api_server_that_cannot_be_reached_for_a_while(outside: Notebook, number: int) -> None:
    kube, port = outside.kube, free_port("127.0.0.1")
    with ExitStack() as proxies:
        master = proxies.enter_context(driver.kubectl_proxy(kube, port))

        def outage() -> None:
            proxies.close()
            time.sleep(OUTAGE)
            proxies.enter_context(driver.kubectl_proxy(kube, port))

        check_that_a_job_outlives(
            outage, outside, number,
            SPARK_MASTER=master, SPARK_DRIVER_HOST=address_towards(kube.server),
        )  # fmt: skip
