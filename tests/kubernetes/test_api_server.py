"""Does a session outlive an API server that goes away for a while in mid-job?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from sparkyard.command import run
from sparkyard.kubernetes.access import address_towards
from tests.kubernetes import driver
from tests.kubernetes.driver import TWO, Notebook
from tests.kubernetes.kube import Kube
from tests.kubernetes.storage import free_port
from tests.kubernetes.test_losses import LOST, expected, held, let_go, running

RESTART = "SPARKYARD_TEST_RESTART_API_SERVER"
"""A command that restarts the cluster's API server: another one for each kind of cluster."""

OUTAGE = 8.0
"""Seconds without an API server: Spark's client asks for its pods several times meanwhile."""


@contextmanager
def outage(kube: Kube) -> Iterator[tuple[Callable[[], None], dict[str, str]]]:
    """Give what makes the API server go away and come back, and a notebook's variables for it.

    Where nobody says how to restart the server, it is the way to it that breaks off.
    """
    if command := os.environ.get(RESTART):

        def restart() -> None:
            run(["sh", "-c", command], timeout=120)
            ready = ["get", "--raw", "/readyz"]
            kube.wait_for(lambda: kube.ctl(*ready, check=False).exit_code == 0, "API server")

        yield restart, {}
        return
    port = free_port("127.0.0.1")
    with ExitStack() as proxies:
        master = proxies.enter_context(driver.kubectl_proxy(kube, port))

        def reopen() -> None:
            proxies.close()
            time.sleep(OUTAGE)
            proxies.enter_context(driver.kubectl_proxy(kube, port))

        yield reopen, {"SPARK_MASTER": master, "SPARK_DRIVER_HOST": address_towards(kube.server)}


def test_a_job_outlives_an_api_server_that_goes_away(outside: Notebook, number: int) -> None:
    kube = outside.kube
    with outage(kube) as (happens, environment), ThreadPoolExecutor() as pool:
        given = {"TEST_NUMBER": str(number), **environment}
        session = pool.submit(outside.run, "held_shuffle", settings=TWO, environment=given)
        try:
            kube.wait_for(lambda: session.done() or held(kube, "first"), "tasks on both")
            names = running(kube)
            happens()
            assert not session.done(), session.result()["first"].seen
            assert running(kube) == names, "executors went with the API server"
            kube.ctl("delete", "pod", min(names), "--grace-period=0", "--force", "--wait=false")
            kube.wait_for(lambda: running(kube) - names, "replacement")
        finally:
            let_go(kube, *LOST)
        told = session.result()
    assert told["first"].result == expected(number), told["first"].seen
    assert told["second"].result == expected(number), told["second"].seen
    assert told["stop"].result == "stopped"
    kube.wait_for_end(kube.executors, "the executors")
