"""How long does a write to S3 take with the magic committer, and with Hadoop's default one?

`rounds`: how often; `image`: of two executors; `bucket`: an empty one; `files`: that each write
makes; `rows`: of the table.
"""

from __future__ import annotations

from typing import Any

from session import anew, seconds

COMMITTERS = {
    "magic": "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter",
    "file": "org.apache.parquet.hadoop.ParquetOutputCommitter",
}


def measure(spark: Any, given: dict[str, Any]) -> dict[str, list[float]]:
    """Return the seconds of each round, for each committer."""
    anew(spark, 2, given["image"])
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    table = spark.range(0, given["rows"], 1, given["files"]).selectExpr("id", "rand(7) as x")
    table.cache().count()
    found: dict[str, list[float]] = {name: [] for name in COMMITTERS}
    for number in range(given["rounds"] + 1):
        for name, times in found.items():
            hadoop.set("fs.s3a.committer.name", name)
            spark.conf.set("spark.sql.parquet.output.committer.class", COMMITTERS[name])
            place = f"s3a://{given['bucket']}/{name}-{number}"  # nothing is there yet

            def write(place: str = place) -> None:
                """Write the table."""
                table.write.parquet(place)

            once = seconds(write)
            if number:
                times.append(once)
    return found
