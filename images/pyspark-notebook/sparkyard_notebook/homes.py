"""Do SPARK_HOME and JAVA_HOME lead to this image's Spark and to a Java?"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping


def wrong_home(environment: Mapping[str, str], pyspark_version: str) -> str:
    """Return in one line which variable leads astray and what to do, "" where both are right."""
    spark = environment.get("SPARK_HOME", "")
    if spark and not os.access(os.path.join(spark, "bin/spark-submit"), os.X_OK):
        return (
            f"SPARK_HOME is {spark}, and no Spark is there. "
            "Unset SPARK_HOME: this image has its own."
        )
    for jar in glob.glob(os.path.join(spark, "jars", "spark-core_*.jar")) if spark else []:
        version = os.path.basename(jar).removesuffix(".jar").split("-", 2)[2]
        if version != pyspark_version:
            return (
                f"SPARK_HOME is {spark}, which is Spark {version}; this notebook's PySpark is "
                f"{pyspark_version}. Unset SPARK_HOME: this image has its own."
            )
    java = environment.get("JAVA_HOME", "")
    if java and not os.access(os.path.join(java, "bin/java"), os.X_OK):
        return (
            f"JAVA_HOME is {java}, and no Java is there. Unset JAVA_HOME: this image has its own."
        )
    return ""
