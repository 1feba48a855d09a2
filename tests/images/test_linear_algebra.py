"""Does Spark's MLlib find the BLAS and LAPACK of the image, on both sides?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

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


@pytest.fixture(params=["driver_image", "executor_image"])
def side(request: pytest.FixtureRequest, containers: Callable[[str], Container]) -> Container:
    """A container of the driver's image, and one of the executors'."""
    return containers(request.getfixturevalue(request.param))


def test_native_linear_algebra_is_found(side: Container) -> None:
    assert side.python(FIND, "-Dnothing=here").split() == ["JNIBLAS", "JNILAPACK"]


def test_where_there_is_none_it_is_not(side: Container) -> None:
    nowhere = " ".join(
        f"-Ddev.ludovic.netlib.{kind}.nativeLibPath=/nowhere" for kind in ("blas", "lapack")
    )
    assert side.python(FIND, nowhere).split() == ["none", "none"]
