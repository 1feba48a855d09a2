"""Which users do tests start containers as, and which job do these run?"""

from __future__ import annotations

ANY_USERS = ("54321:0", "54321:65432")
"""As OpenShift starts a pod, and as a pod's security context may."""
READ_ONLY = ("--read-only", "--tmpfs", "/tmp:mode=1777")  # noqa: S108 - a path in the container

WHO = "import getpass, os; print(os.getuid(), os.getgid(), getpass.getuser())"
SPARK_JOB = """
import getpass, os, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
add = spark.sparkContext.parallelize(range(int(sys.argv[1])), 2).map(lambda x: x + 1).sum()
print(os.getuid(), os.getgid(), getpass.getuser(), add)
"""
