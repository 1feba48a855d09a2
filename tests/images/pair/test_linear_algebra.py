"""Does Spark's MLlib find the BLAS and LAPACK of the image, on both sides?"""

from __future__ import annotations

from tests.support import Container

# The JVM that a session starts, with its class path and options, and without the session.
FIND = """
import sys
from pyspark import SparkConf
from pyspark.java_gateway import launch_gateway

gateway = launch_gateway(SparkConf().set("spark.driver.extraJavaOptions", sys.argv[1]))
netlib = gateway.jvm.dev.ludovic.netlib
for native in (netlib.blas.NativeBLAS, netlib.lapack.NativeLAPACK):
    try:
        print(native.getInstance().getClass().getSimpleName())
    except Exception:
        print("none")
"""


def test_native_linear_algebra_is_found(container: Container) -> None:
    assert container.python(FIND, "-Dnothing=here").split() == ["JNIBLAS", "JNILAPACK"]


def test_where_there_is_none_it_is_not(container: Container) -> None:
    nowhere = " ".join(
        f"-Ddev.ludovic.netlib.{kind}.nativeLibPath=/nowhere" for kind in ("blas", "lapack")
    )
    assert container.python(FIND, nowhere).split() == ["none", "none"]
