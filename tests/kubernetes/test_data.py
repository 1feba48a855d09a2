"""Do executors in pods write to S3 all or nothing, whatever goes away in the meantime?"""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from sparkyard.command import run
from tests.e2e.cluster import BUCKET, S3
from tests.kubernetes.driver import Notebook
from tests.kubernetes.storage import settings
from tests.notebook import Cell

KILL_DRIVER = """
for each in /proc/[0-9]*; do
    if tr '\\0' ' ' <"$each/cmdline" | grep -q '^/.*java.*SparkSubmit'; then
        kill -KILL "${each#/proc/}"
    fi
done 2>/dev/null
"""
"""Ends the JVM of a notebook's session as the kernel does when memory runs out."""


def stored(s3: S3) -> list[str]:
    """Return the objects that the server has, read off its own disk."""
    argv = ["docker", "cp", f"{s3.container.id}:/data/{BUCKET}", "-"]
    archive = subprocess.run(argv, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        names = [m.name.removeprefix(f"{BUCKET}/") for m in members if m.isfile()]
    # What begins with .sgwtmp is the server's own: parts of uploads that are not complete.
    return sorted(name for name in names if not name.startswith(".sgwtmp"))


def under(s3: S3, directory: str) -> list[str]:
    """Return the objects that somebody who reads a directory sees, and its _SUCCESS."""
    names = [name for name in stored(s3) if name.startswith(f"{directory}/")]
    return [name for name in names if "/__magic/" not in name]


def expected(number: int, step: int = 3) -> dict[str, list[int]]:
    """Return count and sum of each part, as the notebook tells them."""
    return {
        str(part): [len(range(part, 900, step)), sum(range(part, 900, step)) * number]
        for part in range(step)
    }


ONE = {"SPARK_EXECUTOR_INSTANCES": "1"}
Cells = dict[str, Cell]


@dataclass(frozen=True)
class Killed:
    """A write whose driver was killed in its midst, and another one to the same place."""

    cells: Cells
    seen: list[str]
    """What a reader of the directory sees in between."""
    again: Cells


@pytest.fixture(scope="module")
def at_once(
    outside: Notebook, another: Callable[[str], Notebook], s3: S3, number: int
) -> tuple[Cells, Killed]:
    """The notebook that writes and reads, and beside it the one whose driver is killed."""
    environment = {"TEST_NUMBER": str(number), "TEST_PLACE": f"s3a://{BUCKET}/data"}
    environment |= {**s3.credentials, **ONE}
    other = another("killed")
    with ThreadPoolExecutor() as pool:
        cells = pool.submit(outside.run, "data", settings=settings(s3), environment=environment)
        killed = pool.submit(killed_in_mid_write, other, s3, "killed")
        return cells.result(), killed.result()


def killed_in_mid_write(notebook: Notebook, s3: S3, directory: str) -> Killed:
    """Kill a driver that writes, look at what is left, and write again."""
    with writing(notebook, s3, directory) as running:
        notebook.place.exec("sh", "-c", KILL_DRIVER)
        cells = running.result()
    time.sleep(5)  # executors that still write have the time to do harm
    seen = under(s3, directory)
    return Killed(cells, seen, write(notebook, s3, directory, pause=0))


@pytest.fixture(scope="module")
def cells(at_once: tuple[Cells, Killed]) -> Cells:
    """The notebook that writes and reads, after one run of it."""
    return at_once[0]


@pytest.mark.parametrize("kind", ["parquet", "csv", "json", "orc"])
def test_the_magic_committer_writes_what_is_read_back(cells: Cells, number: int, kind: str) -> None:
    told = cells["formats"].result[kind]
    assert told == {"committer": "magic", "seen": expected(number)}


def test_partitions_are_written_appended_to_and_overwritten(cells: Cells, number: int) -> None:
    first, appended, overwritten = cells["partitions"].result
    whole = expected(number)
    assert first == whole
    assert appended == {**whole, "2": [2 * value for value in whole["2"]]}
    assert overwritten == {"0": whole["0"]}


def test_a_finished_write_leaves_nothing_pending(cells: Cells, s3: S3) -> None:
    assert cells["partitions"].result
    names = [name for name in stored(s3) if name.startswith("data/")]
    assert any(name.endswith("/_SUCCESS") for name in names)
    assert [name for name in names if "__magic" in name] == []


def write(notebook: Notebook, s3: S3, directory: str, *, pause: float) -> Cells:
    """Run the notebook that writes forty files, with a pause of some seconds before each."""
    environment = {"TEST_PLACE": f"s3a://{BUCKET}/{directory}", "TEST_PAUSE": str(pause)}
    environment |= {**s3.credentials, **ONE}
    return notebook.run("slow_write", settings=settings(s3), environment=environment)


@contextmanager
def writing(notebook: Notebook, s3: S3, directory: str) -> Iterator[Future[Cells]]:
    """Give a write that is under way: some tasks have committed their files, others have not."""

    def some_are_ready() -> bool:
        ready = [name for name in stored(s3) if name.endswith(".pendingset")]
        return any(name.startswith(f"{directory}/__magic/") for name in ready)

    with ThreadPoolExecutor() as pool:
        running = pool.submit(write, notebook, s3, directory, pause=1)
        notebook.kube.wait_for(lambda: running.done() or some_are_ready(), "files", 180)
        assert not running.done(), running.result()["write"].seen
        yield running


def assert_whole(s3: S3, directory: str, again: Cells) -> None:
    """Assert that a write to where one has failed came to a good end."""
    assert again["write"].result == "written"
    assert again["read"].result == [4000, sum(range(4000))]
    assert f"{directory}/_SUCCESS" in under(s3, directory)


def test_a_driver_that_dies_in_mid_write_leaves_no_half_of_it(
    at_once: tuple[Cells, Killed], s3: S3
) -> None:
    _, killed = at_once
    assert killed.cells["write"].error
    assert killed.seen == []
    assert_whole(s3, "killed", killed.again)


def test_a_server_that_goes_away_in_mid_write_is_left_without_half_of_it(
    at_once: tuple[Cells, Killed], outside: Notebook, s3: S3
) -> None:
    assert at_once, "nobody else needs the server meanwhile"
    with writing(outside, s3, "outage") as running:
        run(["docker", "kill", s3.container.id])
        failed = running.result()
    assert failed["write"].error
    assert under(s3, "outage") == []
    run(["docker", "start", s3.container.id])
    assert_whole(s3, "outage", write(outside, s3, "outage", pause=0))
