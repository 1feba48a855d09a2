"""Does R drive this image's Spark?"""

from __future__ import annotations

import pytest
from testinfra.host import Host

from tests.support import Container

R_JOB = """
library(reticulate)
sql <- import("pyspark.sql")
spark <- sql$SparkSession$builder$master("local[1]")$getOrCreate()
doubled <- spark$range(100L)$selectExpr("sum(id * 2) AS s")$collect()
cat("\\nresult", py_config()$python, sql$`__name__`, doubled[[1]]$s, "\\n")
"""


@pytest.mark.parametrize("package", ["IRkernel", "reticulate"])
def test_r_has(host: Host, package: str) -> None:
    said = host.run("Rscript -e 'library(%s)'" % package)  # noqa: UP031 - R's own brackets
    assert said.rc == 0, said.stderr


@pytest.mark.where_added
def test_an_r_script_runs_a_spark_job(container: Container) -> None:
    told = container.exec("Rscript", "-", stdin=R_JOB, timeout=120).stdout
    result = next(line for line in told.splitlines() if line.startswith("result"))
    doubled = sum(range(100)) * 2
    assert result.split() == ["result", "/opt/venv/bin/python", "pyspark.sql", str(doubled)]


def test_the_label_says_how_r_reaches_spark(container: Container) -> None:
    assert container.inspect()["Config"]["Labels"]["io.sparkyard.r-spark"] in (
        "reticulate", "sparklyr",
    )  # fmt: skip
