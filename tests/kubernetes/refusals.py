"""How do tests run several sessions in one kernel, each of which is to be refused?"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.kubernetes.kube import Kube
from tests.notebook import Cell

# Spark's progress bar may stand before it on the same line.
MOMENT = r"(\d\d/\d\d/\d\d \d\d:\d\d:\d\d) (?:WARN|ERROR) "
TOLD = re.compile(MOMENT + "ExecutorWatch: (.*)")
TRACE = re.compile(r"^\s+at [\w.$]+\(", re.MULTILINE)
SOON = 30.0
"""Seconds from a pod's creation until a person reads why it is no executor yet."""

AT_ONCE = {"spark.scheduler.maxRegisteredResourcesWaitingTime": "1s"}
"""A session that does not wait 30 s for executors that do not come."""

IMPATIENT = {**AT_ONCE, "spark.sparkyard.executors.patience": "6s"}
"""The same, whose jobs do not wait 20 s for them either."""

TOOLS = """# %% tools
import json, os, shutil, threading, time
from pyspark.sql import SparkSession

def session(settings, kubeconfig=None):
    if kubeconfig:
        shutil.copy(kubeconfig, os.environ["KUBECONFIG"])
    builder = SparkSession.builder
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()

def add(spark, patient):
    print(json.dumps(spark.sparkContext.applicationId))
    if patient:  # where waiting may help, nobody but the test ends the job
        threading.Timer(25, spark.sparkContext.cancelAllJobs).start()
    print(json.dumps(spark.sparkContext.parallelize(range(10), 2).sum()))

def worker(_):
    held = [bytearray(64 << 20) for _ in range(64)]  # 4 GiB in one process: it is killed

def executor(_):
    for _ in range(32):  # more than there is in small processes: the kernel kills the JVM
        if os.fork() == 0:
            held = bytearray(48 << 20)
            time.sleep(20)
            os._exit(0)
    time.sleep(20)

def eat(spark, victim):
    spark.sparkContext.parallelize(range(2), 2).map(victim).collect()
"""


def cell(title: str, work: str, settings: Mapping[str, str], kubeconfig: str = "") -> str:
    """Return a cell that makes a session, does some work with it, and ends it.

    Args:
        work: Python code, to which the session is `spark`.
        kubeconfig: a file to put in the place of KUBECONFIG's before.
    """
    return f"""
# %% {title}
spark = session({dict(settings)!r}, {kubeconfig!r})
try:
    {work}
finally:
    spark.stop()
"""


def logged_at(moment: str) -> datetime:
    """Return when a line was logged, by its beginning."""
    return datetime.strptime(moment, "%y/%m/%d %H:%M:%S").replace(tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """The cells of a notebook, and when the first pod of each session was made."""

    cells: Mapping[str, Cell]
    pods: Mapping[str, datetime]
    seconds: float
    """How long the notebook took, its kernel's start among it."""

    def soon(self, title: str, words: str, within: float = SOON) -> Cell:
        """Assert that a line with the words soon followed the first pod of a cell; return it."""
        one = self.cells[title]
        application: Any = json.loads(one.text.strip().splitlines()[0])
        assert application in self.pods, one.seen
        said = [logged_at(moment) for moment, line in TOLD.findall(one.stderr) if words in line]
        assert said, one.seen
        seconds = (said[0] - self.pods[application]).total_seconds()
        print(f"{seconds:.0f} s from the pod to its message")
        assert seconds <= within, one.seen
        return one


def watched(kube: Kube, run: Callable[[], Mapping[str, Cell]]) -> Told:
    """Run a notebook, and see meanwhile when the pods of its executors were made."""
    first: dict[str, datetime] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            for pod in kube.executors():
                application = pod["metadata"]["labels"]["spark-app-selector"]
                made = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
                first[application] = min(made, first.get(application, made))

    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        looking = pool.submit(look)
        try:
            cells = run()
        finally:
            over.set()
        looking.result()
    return Told(cells, first, time.monotonic() - began)
