"""Does Spark Connect work where a stack has it, for nobody else than this container?"""

from __future__ import annotations

import json

from sparkyard.plan.plan import Site
from tests.images.packages import locked
from tests.support import Container, must

SESSION = """
import json
from pathlib import Path
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf

spark = SparkSession.builder.remote("local[1]").getOrCreate()
plus = udf(lambda n: n + 1, "long")
port = int(spark.client._builder.endpoint.rpartition(":")[2])
rows = [line.split() for kind in ("tcp", "tcp6") if (table := Path("/proc/net") / kind).exists()
        for line in table.read_text().splitlines()[1:]]
print(json.dumps({
    "session": type(spark).__module__,
    "sum": sum(row[0] for row in spark.range(10).select(plus("id")).collect()),
    "listening": [row[1].partition(":")[0] for row in rows
                  if row[3] == "0A" and row[1].endswith(f":{port:04X}")],
}))
"""
"""Addresses are as in proc(5): in hexadecimal, each word of four bytes turned round."""

LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")


def test_spark_connect(container: Container, site: Site, image: str) -> None:
    ended = container.exec("python", "-c", SESSION, check=False, timeout=180)
    if "grpcio" not in locked(site, image):  # a stack without the client says what it would need
        assert ended.exit_code != 0
        assert "grpcio" in ended.stderr
        return
    told = json.loads(must(ended).splitlines()[-1])
    assert told["session"] == "pyspark.sql.connect.session"
    assert told["sum"] == 55
    assert told["listening"]
    assert set(told["listening"]) <= set(LOOPBACK)
