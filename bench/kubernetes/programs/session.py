"""What do all the programs of the bench need: a session as they were told, and a way to answer?"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]

GIVEN: dict[str, Any] = json.loads(os.environ["BENCH"])
"""`conf`: Spark's configuration; all else is the program's own."""

PATIENCE = 120.0
"""Seconds for executors to come or to go."""


def start() -> Any:
    """Return a session."""
    builder = SparkSession.builder
    for name, value in GIVEN.get("conf", {}).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def answer(**what: Any) -> None:
    """Write the result for the reader outside."""
    print("BENCH " + json.dumps(what), flush=True)


def seconds(what: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.monotonic()
    what()
    return time.monotonic() - began


def executors(spark: Any) -> dict[str, float]:
    """Return when each executor registered, in seconds of the Unix epoch, by its number."""
    listed = spark.sparkContext._jsc.sc().statusStore().executorList(True)
    found = [listed.apply(at) for at in range(listed.size())]
    return {each.id(): each.addTime().getTime() / 1000 for each in found if each.id() != "driver"}


def anew(spark: Any, count: int, image: str, options: str = "") -> dict[str, float]:
    """Replace the session's executors by new ones, and return when these registered.

    Spark reads its configuration each time that it makes an executor's pod, and so it is changed
    under a session that runs: a session for each executor would take most of the time.

    Args:
        spark: the session.
        count: how many executors.
        image: theirs.
        options: of their Java.
    """
    scala = spark.sparkContext._jsc.sc()
    for executor in executors(spark):
        scala.killExecutor(executor)
    _wait(lambda: not executors(spark))
    scala.conf().set("spark.kubernetes.container.image", image)
    scala.conf().set("spark.executor.extraJavaOptions", options)
    scala.requestExecutors(count)
    _wait(lambda: len(executors(spark)) >= count)
    return executors(spark)


def _wait(holds: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > PATIENCE:
            raise SystemExit(f"executors did not come or go in {PATIENCE:.0f} s")
        time.sleep(0.05)
