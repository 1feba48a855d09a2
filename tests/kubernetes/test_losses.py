"""Is the result right when executors are lost, and is nothing left when a driver is?"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.kubernetes.driver import TWO, Notebook
from tests.kubernetes.kube import Document, Kube
from tests.notebook import Cell

LOST = {"first": 1, "second": 2}
"""How many of two executors are lost in each job of the notebook."""


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


def lose(kube: Kube, notebook: Future[dict[str, Cell]], job: str, count: int) -> None:
    """Delete executors in the midst of a job, and let it go on when there are others."""
    kube.wait_for(lambda: notebook.done() or held(kube, job), f"tasks of the {job} job on both")
    assert not notebook.done(), notebook.result()[job].seen
    names = running(kube)
    for name in sorted(names)[:count]:
        kube.ctl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")
    kube.wait_for(lambda: len(running(kube) - names) == count, "replacement")
    let_go(kube, job)


@pytest.fixture(scope="module")
def told(outside: Notebook, number: int) -> Mapping[str, Cell]:
    """The cells of a session that loses one executor in its first job, and both in its second."""
    with ThreadPoolExecutor() as pool:
        session = pool.submit(
            outside.run, "held_shuffle", settings=TWO, environment={"TEST_NUMBER": str(number)}
        )
        try:
            for job, count in LOST.items():
                lose(outside.kube, session, job, count)
        finally:
            let_go(outside.kube, *LOST)
        return session.result()


@pytest.mark.parametrize("job", LOST, ids=["one of two", "all of them"])
def test_deleted_executors_are_replaced_and_the_result_is_right(
    told: Mapping[str, Cell], number: int, job: str
) -> None:
    assert told[job].result == expected(number), told[job].seen


def test_a_session_that_lost_executors_leaves_none(
    told: Mapping[str, Cell], outside: Notebook
) -> None:
    assert told["stop"].result == "stopped"
    outside.kube.wait_for_end(outside.kube.executors, "the executors")


def test_two_hundred_small_jobs_leave_nothing_behind(outside: Notebook) -> None:
    kube = outside.kube
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
    kube.wait_for_end(kube.executors, "the executors")
    for kind in ("configmaps", "services", "persistentvolumeclaims"):
        assert kube.get(kind, "--selector", "spark-app-selector") == []
