"""How long does toPandas() take with Arrow and without?

`rounds`: how often; `rows`: of the table; `image`: of two executors.
"""

from __future__ import annotations

from typing import Any

from session import anew, seconds

ARROW = "spark.sql.execution.arrow.pyspark.enabled"


def measure(spark: Any, given: dict[str, Any]) -> dict[str, list[float]]:
    """Return the seconds of each round, with Arrow (true) and without (false)."""
    anew(spark, 2, given["image"])
    table = spark.range(0, given["rows"], 1, 4).selectExpr(
        "id", "rand(7) as x", "id % 7 = 0 as flag", "cast(id as string) as name"
    )
    table.cache().count()

    def taken() -> None:
        """Bring the table to the driver."""
        if len(table.toPandas()) != given["rows"]:
            raise SystemExit("rows are missing")

    found: dict[str, list[float]] = {"true": [], "false": []}
    for number in range(given["rounds"] + 1):
        for arrow, times in found.items():
            spark.conf.set(ARROW, arrow)
            once = seconds(taken)
            if number:
                times.append(once)
    spark.conf.unset(ARROW)
    table.unpersist(True)
    return found
