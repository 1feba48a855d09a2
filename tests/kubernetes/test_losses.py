"""Is the result right when executors or the API server are lost, and is nothing left at the end?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from sparkyard.kubernetes.access import address_towards
from tests.kubernetes import driver
from tests.kubernetes.driver import TWO, Notebook
from tests.kubernetes.kube import Document, Kube
from tests.kubernetes.storage import free_port
from tests.notebook import Cell

LOST = {"first": 1, "second": 2}
"""How many of two executors are lost in each job of the notebook."""

OUTAGE = 8.0
"""Seconds without an API server: Spark's client asks for its pods several times meanwhile."""

LEFT = ("configmaps", "services", "persistentvolumeclaims")
"""What an application may make besides pods."""


def expected(number: int) -> list[list[int]]:
    """Return what each job must give."""
    return [[k, sum(n * number for n in range(1200) if n % 7 == k)] for k in range(7)]


def running(kube: Kube) -> set[str]:
    """Return the executors' pods that run and are not on their way out."""
    return {
        pod["metadata"]["name"]
        for pod in kube.executors("Running")
        if "deletionTimestamp" not in pod["metadata"] and _ready(pod)
    }


def _ready(pod: Document) -> bool:
    return all(status["ready"] for status in pod["status"].get("containerStatuses", ()))


def held(kube: Kube, job: str) -> bool:
    """Tell whether two executors have finished tasks of a job, and hold in the next ones."""
    pods = running(kube)
    return len(pods) == 2 and all(_in(kube, pod, "test", "-e", f"/tmp/{job}-held") for pod in pods)  # noqa: S108


def let_go(kube: Kube, *jobs: str) -> None:
    """Let jobs' tasks go on in the executors that there are now."""
    for pod in running(kube):
        _in(kube, pod, "touch", *(f"/tmp/{job}-go" for job in jobs))  # noqa: S108


def _in(kube: Kube, pod: str, *command: str) -> bool:
    return kube.ctl("exec", pod, "--", *command, check=False).exit_code == 0


def wait_until_held(kube: Kube, notebook: Future[dict[str, Cell]], job: str) -> None:
    """Wait until both executors are in the midst of a job."""
    kube.wait_for(lambda: notebook.done() or held(kube, job), f"tasks of the {job} job on both")
    assert not notebook.done(), notebook.result()[job].seen


def lose(kube: Kube, notebook: Future[dict[str, Cell]], job: str, count: int) -> None:
    """Delete executors in the midst of a job, and let it go on when there are others."""
    wait_until_held(kube, notebook, job)
    names = running(kube)
    for name in sorted(names)[:count]:
        kube.ctl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")
    kube.wait_for(lambda: len(running(kube) - names) == count, "replacement")
    let_go(kube, job)


def without_the_server(
    kube: Kube, notebook: Future[dict[str, Cell]], happens: Callable[[], None]
) -> None:
    """Let the API server go away and come back in the midst of the first job."""
    wait_until_held(kube, notebook, "first")
    names = running(kube)
    happens()
    assert not notebook.done(), notebook.result()["first"].seen
    assert running(kube) == names, "executors went with the API server"


@dataclass(frozen=True)
class Session:
    """Two jobs whose executors get lost, in a notebook beside the cluster."""

    notebook: Notebook
    number: int

    def run(
        self, happens: Callable[[], None], environment: Mapping[str, str]
    ) -> Mapping[str, Cell]:
        """Run it; the API server goes away in its first job, and comes back.

        Args:
            happens: takes the API server away, and brings it back.
            environment: how the notebook reaches the API server.
        """
        kube, given = self.notebook.kube, {"TEST_NUMBER": str(self.number), **environment}
        with ThreadPoolExecutor() as pool:
            session = pool.submit(
                self.notebook.run, "held_shuffle", settings=TWO, environment=given
            )
            try:
                without_the_server(kube, session, happens)
                for job, count in LOST.items():
                    lose(kube, session, job, count)
            finally:
                let_go(kube, *LOST)
            return session.result()


@contextmanager
def broken_way(kube: Kube) -> Iterator[tuple[Callable[[], None], dict[str, str]]]:
    """Give what breaks off the way to the API server for a while, and a notebook's variables."""
    port = free_port("127.0.0.1")
    with ExitStack() as proxies:
        master = proxies.enter_context(driver.kubectl_proxy(kube, port))

        def reopen() -> None:
            proxies.close()
            time.sleep(OUTAGE)
            proxies.enter_context(driver.kubectl_proxy(kube, port))

        yield reopen, {"SPARK_MASTER": master, "SPARK_DRIVER_HOST": address_towards(kube.server)}


@pytest.fixture(scope="module")
def told(outside: Notebook, number: int) -> Mapping[str, Cell]:
    """The cells of a session whose way to the API server breaks off in its first job."""
    with broken_way(outside.kube) as (happens, environment):
        return Session(outside, number).run(happens, environment)


@pytest.mark.parametrize(
    "job", LOST, ids=["one of two, after the API server went away", "all of them"]
)
def test_deleted_executors_are_replaced_and_the_result_is_right(
    told: Mapping[str, Cell], number: int, job: str
) -> None:
    assert told[job].result == expected(number), told[job].seen


def test_a_session_that_lost_executors_leaves_nothing(
    told: Mapping[str, Cell], outside: Notebook
) -> None:
    assert told["stop"].result == "stopped"
    assert_nothing_is_left(outside.kube)


def assert_nothing_is_left(kube: Kube) -> None:
    """Assert that applications have left no pod and nothing else in a namespace."""
    kube.wait_for_end(kube.executors, "the executors")
    for kind in LEFT:
        assert kube.get(kind, "--selector", "spark-app-selector") == []


@pytest.mark.nightly
def test_two_hundred_small_jobs_leave_nothing_behind(outside: Notebook) -> None:
    told = outside.run("many_jobs", settings=TWO)
    result = told["jobs"].result
    before, after = result["before"], result["after"]
    assert result["right"]
    assert len(before) == 3, "the driver and two executors"
    assert after.keys() == before.keys()
    for place, then in before.items():
        now = after[place]
        assert now["sockets"] <= then["sockets"] + 4, place
        assert now["bytes"] < then["bytes"] + 5e6, place
        assert now.get("processes", 0) <= then.get("processes", 0) + 1, place
    assert told["stop"].result == "stopped"
    assert_nothing_is_left(outside.kube)
