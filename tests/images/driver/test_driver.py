"""Does the image that JupyterHub starts know its executors, and has it what they have?"""

from __future__ import annotations

import json
from collections.abc import Callable

from sparkyard.engine import engine
from sparkyard.plan.plan import Site
from tests.support import Container


def spark_defaults(container: Container) -> dict[str, str]:
    """Return the settings in a container's spark-defaults.conf."""
    text = container.exec("cat", "/opt/spark/conf/spark-defaults.conf").stdout
    lines = (line.split(None, 1) for line in text.splitlines())
    return {line[0]: line[1] for line in lines if len(line) == 2 and not line[0].startswith("#")}


def test_it_names_the_executors_of_its_own_build(
    container: Container, site: Site, executor_image: str
) -> None:
    named = spark_defaults(container)["spark.kubernetes.container.image"]
    executors = site.family.pair.executors
    assert named.startswith(f"{site.name(executors)}-")
    there = engine.inspect([named, executor_image])
    assert there[named]["Id"] == there[executor_image]["Id"]


def test_a_session_has_that_setting(container: Container) -> None:
    told = container.python(
        "import json; from pyspark.sql import SparkSession;"
        "spark = SparkSession.builder.master('local[1]').getOrCreate();"
        "print(json.dumps(dict(spark.sparkContext.getConf().getAll())))"
    )
    told_settings = json.loads(told.splitlines()[-1])
    assert spark_defaults(container).items() <= told_settings.items()


def test_its_configuration_is_the_executors_and_that_one_line(
    container: Container, containers: Callable[[str], Container], executor_image: str
) -> None:
    own, executors = spark_defaults(container), spark_defaults(containers(executor_image))
    assert own.items() - executors.items() == {
        ("spark.kubernetes.container.image", own["spark.kubernetes.container.image"])
    }
    assert executors.items() <= own.items()
