"""How long from getOrCreate() to a first result, in a kernel's first session and in its second?"""

from __future__ import annotations

from session import answer, seconds, start


def first_result() -> None:
    """Start a session and have it compute something on executors."""
    spark = start()
    (row,) = spark.range(0, 100_000, 1, 4).selectExpr("sum(id * 2) as total").collect()
    if row.total != 9_999_900_000:
        raise SystemExit(f"a wrong result: {row.total}")


cold = seconds(first_result)
start().stop()
warm = seconds(first_result)
start().stop()
answer(cold=cold, warm=warm)
