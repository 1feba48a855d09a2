"""Do the driver's and the executors' containers run the same Python and the same Java?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import testinfra
from testinfra.host import Host

from tests.support import Container

SAME = {
    "Python": "$PYSPARK_PYTHON -VV",
    "Python's binary": "sha256sum $(readlink -f $PYSPARK_PYTHON)",
    "the driver's own Python": "$PYSPARK_DRIVER_PYTHON -VV",
    "Java": "java -version 2>&1",
    "Java's binary": "sha256sum $(readlink -f $(command -v java))",
    "Spark's jars": "cd $SPARK_HOME/jars && sha256sum * | sha256sum",
    "hash seed": "echo $PYTHONHASHSEED",
}


@pytest.fixture(scope="module")
def pair(
    containers: Callable[[str], Container], driver_image: str, executor_image: str
) -> tuple[Host, Host]:
    """The driver's host and the executors'."""
    driver, executors = (containers(image) for image in (driver_image, executor_image))
    return (
        testinfra.get_host(f"docker://{driver.id}"),
        testinfra.get_host(f"docker://{executors.id}"),
    )


@pytest.mark.parametrize("line", SAME.values(), ids=SAME.keys())
def test_both_sides_have_the_same(pair: tuple[Host, Host], line: str) -> None:
    driver, executors = (host.check_output(line) for host in pair)
    assert driver
    assert driver == executors
