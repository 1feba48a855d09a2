"""When does each of several new executors register, and how long does its first Python take?

`rounds`: how often; `images`: whose executors are started in each round, one after the other;
`options`: of their Java.
"""

from __future__ import annotations

from typing import Any

import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]
from pyspark.sql.functions import pandas_udf  # type: ignore[import-not-found,unused-ignore]
from session import anew, seconds


def measure(spark: Any, given: dict[str, Any]) -> list[dict[str, Any]]:
    """Return, for each executor, its image, when it registered, and the seconds of its firsts."""

    def doubled(values: pd.Series) -> pd.Series:
        """Return values that only pandas and Arrow could have brought."""
        return values * 2

    udf: Any = pandas_udf(doubled, "long")  # in here: executors have no module of this name
    one_of_each = [
        (number, image) for number in range(given["rounds"]) for image in given["images"]
    ]
    found = []
    # The very first is there for the driver, which learns on it, and is not counted.
    for number, image in [(-1, given["images"][0]), *one_of_each]:
        (registered,) = anew(spark, 1, image, given["options"]).values()
        # The JVM's own first task comes before: it is no part of what Python takes.
        spark.range(1).selectExpr("sum(id)").collect()
        plain = seconds(lambda: spark.sparkContext.parallelize([1], 1).map(abs).collect())
        pandas = seconds(lambda: spark.range(0, 10, 1, 1).select(udf("id")).collect())
        if number >= 0:
            found.append(
                {"image": image, "registered": registered, "plain": plain, "pandas": pandas}
            )
    return found
