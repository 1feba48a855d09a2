"""Is the result right when executors are lost, and is nothing left when a driver is?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Document, Kube


def expected(number: int) -> list[list[int]]:
    """Return what the job must give."""
    return [[k, sum(n * number for n in range(1200) if n % 7 == k)] for k in range(7)]


def running(kube: Kube) -> list[Document]:
    """Return the executors' pods that run and are not on their way out."""
    return [
        pod
        for pod in kube.executors("Running")
        if "deletionTimestamp" not in pod["metadata"]
        and all(status["ready"] for status in pod["status"].get("containerStatuses", ()))
    ]


@pytest.mark.parametrize("lost", [1, 2], ids=["one of two", "all of them"])
def test_deleted_executors_are_replaced_and_the_result_is_right(
    outside: Notebook, number: int, lost: int
) -> None:
    kube = outside.kube
    with ThreadPoolExecutor() as pool:
        job = pool.submit(outside.run, "slow_shuffle", environment={"TEST_NUMBER": str(number)})
        kube.wait_for(lambda: len(running(kube)) == 2, "two executors")
        kube.wait_for(lambda: busy(kube), "tasks on both", 60)
        names = {pod["metadata"]["name"] for pod in running(kube)}
        for name in sorted(names)[:lost]:
            kube.ctl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")
        kube.wait_for(
            lambda: len({pod["metadata"]["name"] for pod in running(kube)} - names) == lost,
            "replacement",
        )
        told = job.result()
    assert told["job"].result == expected(number), told["job"].seen
    assert told["stop"].result == "stopped"
    kube.wait_for(lambda: not kube.executors(), "end of the executors", 60)


def busy(kube: Kube) -> bool:
    """Tell whether every executor has begun a task."""
    pods = running(kube)
    logs = [kube.ctl("logs", pod["metadata"]["name"], check=False) for pod in pods]
    return bool(logs) and all("Running task" in log.stdout + log.stderr for log in logs)


def test_two_hundred_small_jobs_leave_nothing_behind(outside: Notebook) -> None:
    kube = outside.kube
    told = outside.run("many_jobs")
    result = told["jobs"].result
    before, after = result["before"], result["after"]
    assert result["right"]
    assert after["pods"] == before["pods"] == 2
    assert after["sockets"] <= before["sockets"] + 4
    assert after["bytes"] < before["bytes"] + 5e6
    assert told["stop"].result == "stopped"
    kube.wait_for(lambda: not kube.executors(), "end of the executors", 60)
    for kind in ("configmaps", "services", "persistentvolumeclaims"):
        assert kube.get(kind, "--selector", "spark-app-selector") == []
