"""How long does a correlation matrix take with one of several BLAS?

`rounds`: how often; `image`: the executor's; `options`: of its Java, one of each kind; `rows` and
`columns`: of a dense table.
"""

from __future__ import annotations

from typing import Any

from pyspark.ml.functions import array_to_vector  # type: ignore[import-not-found,unused-ignore]
from pyspark.ml.stat import Correlation  # type: ignore[import-not-found,unused-ignore]
from pyspark.sql.functions import expr  # type: ignore[import-not-found,unused-ignore]
from session import anew, seconds


def measure(spark: Any, given: dict[str, Any]) -> list[list[float]]:
    """Return the seconds of each round, for each of the options."""
    # What the numbers are makes no difference to BLAS; one for each row is soonest made.
    values = expr(f"array_repeat(rand(7), {given['columns']})")
    found: list[list[float]] = [[] for _ in given["options"]]
    for _ in range(given["rounds"]):
        for options, times in zip(given["options"], found, strict=True):
            anew(spark, 1, given["image"], options)
            vectors = array_to_vector(values).alias("vector")
            table = spark.range(0, given["rows"], 1, 2).select(vectors)
            table.cache().count()

            def correlation(table: Any = table) -> None:
                """Compute the matrix: nearly all of it is BLAS on the executor."""
                Correlation.corr(table, "vector").head()

            correlation()  # until the JVM has compiled its own BLAS
            times.append(seconds(correlation))
            table.unpersist(True)
    return found
