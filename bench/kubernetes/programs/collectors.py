"""How long does a shuffle of cached rows take under each of Java's garbage collectors?

`rounds`: how often; `image`: of two executors; `options`: of Java, whose executors are started in
each round; `rows`: about 40 bytes each in the cache.
"""

from __future__ import annotations

from typing import Any

from session import anew, seconds


def measure(spark: Any, given: dict[str, Any]) -> list[list[float]]:
    """Return the seconds of each round, for each of the options."""
    found: list[list[float]] = [[] for _ in given["options"]]
    for _ in range(given["rounds"]):
        for options, times in zip(given["options"], found, strict=True):
            anew(spark, 2, given["image"], options)
            table = spark.range(0, given["rows"], 1, 4).selectExpr(
                "id % 100003 as key", "rand(7) as x", "repeat(cast(id as string), 4) as name"
            )
            table.cache().count()

            def shuffle(table: Any = table) -> None:
                """Sort all rows by their names, and count the keys."""
                table.repartition(4, "name").sortWithinPartitions("name").selectExpr(
                    "count(distinct key)", "max(name)"
                ).collect()

            shuffle()
            times.append(seconds(shuffle))
            table.unpersist(True)
    return found
