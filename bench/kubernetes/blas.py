"""How long does a correlation matrix take on an executor of one image, and of another?

`rounds`: how often; `images`: whose executors; `rows` and `columns`: of a dense table.
"""

from __future__ import annotations

from typing import Any

from pyspark.ml.functions import array_to_vector  # type: ignore[import-not-found,unused-ignore]
from pyspark.ml.stat import Correlation  # type: ignore[import-not-found,unused-ignore]
from pyspark.sql.functions import expr  # type: ignore[import-not-found,unused-ignore]
from session import anew, seconds


def measure(spark: Any, given: dict[str, Any]) -> list[list[float]]:
    """Return the seconds of each round, for each image."""
    # What the numbers are makes no difference to BLAS; one for each row is soonest made.
    values = expr(f"array_repeat(rand(7), {given['columns']})")
    found: list[list[float]] = [[] for _ in given["images"]]
    for _ in range(given["rounds"]):
        for image, times in zip(given["images"], found, strict=True):
            anew(spark, 1, image)
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
