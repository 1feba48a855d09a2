"""Does Spark run on both sides as any user: on a read-only root, and by exec?

That any user has a name and a Python in every image is a test of os (../os/test_os_user.py).
"""

from __future__ import annotations

import pytest

from sparkyard.family.images import DRIVER, EXECUTOR
from sparkyard.plan.plan import Site
from tests.images.users import ANY_USERS, READ_ONLY, SPARK_JOB
from tests.support import Container, Lab, must

CODECS = """
jvm, conf = spark.sparkContext._jvm, spark.sparkContext._jsc.sc().getConf()
for name in ("snappy", "zstd", "lz4"):
    codec = jvm.org.apache.spark.io.CompressionCodec.createCodec(conf, name)
    codec.compressedOutputStream(jvm.java.io.ByteArrayOutputStream()).close()
print(jvm.net.jpountz.lz4.LZ4Factory.fastestInstance().toString())
"""
BY_ROLE = {DRIVER: ("54321:65432",), EXECUTOR: ("54321:0", "env", "-C", "/")}
"""Who runs a job by exec in the image of each role, within which command."""
BY_EXEC = """
import os, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
home = spark.sparkContext._jvm.java.lang.System.getProperty("user.home")
rows = spark.sparkContext.parallelize(range(2), 2).map(lambda _: os.access(home, os.W_OK)).collect()
print(spark.sparkContext.sparkUser(), os.path.isabs(home), rows)
"""


@pytest.mark.parametrize("who", ANY_USERS)
def test_a_spark_job_runs_as_any_user_on_a_read_only_root(
    lab: Lab, image_reference: str, who: str
) -> None:
    options = ["--user", who, *READ_ONLY]
    ended = lab.once(
        image_reference, "python", "-", "300", options=options, stdin=SPARK_JOB + CODECS
    )
    uid, gid = who.split(":")
    told, codecs = must(ended).splitlines()
    assert told == f"{uid} {gid} jovyan-{uid} {sum(range(301))}"
    # The engine mounts such a /tmp noexec: nothing that Java unpacks there can be loaded.
    assert codecs == "LZ4Factory:JNI"
    assert " is mounted noexec: Java loads no native library" in ended.stderr


def test_java_may_have_another_temporary_directory(lab: Lab, executor_image: str) -> None:
    options = [*READ_ONLY, "--tmpfs", "/opt/work:exec,mode=1777"]
    words = ("--driver-java-options", "-Djava.io.tmpdir=/opt/work", "--version")
    ended = lab.once(executor_image, "spark-submit", *words, options=options)
    must(ended)
    assert "noexec" not in ended.stderr


def test_a_spark_job_runs_as_any_user_by_exec(container: Container, site: Site, image: str) -> None:
    who, *within = BY_ROLE[site.family.role(image)]
    # By itself it runs in the home of the driver's image, where such a user may look at nothing.
    ended = container.exec(*within, "python", "-", user=who, stdin=BY_EXEC)
    assert ended.stdout.strip() == "jovyan-54321 True [True, True]"
    assert "noexec" not in ended.stderr
