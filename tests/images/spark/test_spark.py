"""Are Java, Spark and the variables what the stack says, and does a job run?"""

from __future__ import annotations

import pytest
from testinfra.host import Host

from sparkyard.locks import dependencies
from sparkyard.plan.plan import Site
from tests.images.users import SPARK_JOB
from tests.support import Container, Lab, must

ENVIRONMENT = {
    "SPARK_HOME": "/opt/spark",
    "SPARK_CONF_DIR": "/opt/spark/conf",
    "PYSPARK_PYTHON": "/opt/venv/bin/python",
    "PYSPARK_DRIVER_PYTHON": "/opt/venv/bin/python",
    "PYTHONHASHSEED": "0",
}
CLASS_VERSION_OFFSET = 44
"""A class file of Java N has the major version N + 44 (JVM specification, table 4.1-A)."""


@pytest.fixture(scope="session")
def locked_spark(site: Site) -> str:
    """Spark's version as the lock pins it."""
    text = dependencies.exported(site.project.dependencies, "spark").read_text()
    return next(
        line.split("==")[1].split()[0] for line in text.splitlines() if line.startswith("pyspark==")
    )


def test_the_environment_leads_to_the_stack(host: Host) -> None:
    environment = host.environment()
    assert {name: environment.get(name) for name in ENVIRONMENT} == ENVIRONMENT


def test_commands_are_found_in_the_stack(host: Host) -> None:
    assert host.find_command("python") == "/opt/venv/bin/python"
    assert host.find_command("java") == "/opt/java/bin/java"
    # PySpark's package puts its commands beside python as well; all of them go by SPARK_HOME.
    assert host.find_command("spark-submit") == "/opt/venv/bin/spark-submit"
    assert host.file("/opt/spark/bin/spark-submit").exists


def test_java_is_the_stacks(host: Host, site: Site) -> None:
    told = host.run("java -XshowSettings:properties -version").stderr
    pairs = (line.strip().partition(" = ") for line in told.splitlines())
    settings = {name: value for name, equals, value in pairs if equals}
    major = site.project.java_major
    assert settings["java.specification.version"] == (f"1.{major}" if major < 9 else str(major))
    assert settings["java.class.version"] == f"{CLASS_VERSION_OFFSET + major}.0"
    assert settings["java.home"].startswith(site.project.java_home)
    assert settings["file.encoding"] == "UTF-8"


def test_spark_is_the_locked_one(host: Host, container: Container, locked_spark: str) -> None:
    assert container.python("import pyspark; print(pyspark.__version__)") == locked_spark
    told = host.run("spark-submit --version").stderr
    assert f"version {locked_spark}" in told
    assert (
        host.run("ls /opt/spark/jars/spark-core_*.jar")
        .stdout.strip()
        .endswith(f"-{locked_spark}.jar")
    )


def test_sparks_configuration_is_in_etc(host: Host) -> None:
    assert host.file("/opt/spark/conf").is_symlink
    assert host.file("/opt/spark/conf").linked_to == "/etc/spark"


def test_a_spark_job_runs_as_the_default_user(lab: Lab, image_reference: str) -> None:
    ended = lab.once(image_reference, "python", "-", "300", stdin=SPARK_JOB)
    assert must(ended) == f"1000 100 jovyan {sum(range(301))}"


def test_the_user_does_not_write_among_sparks_jars(host: Host) -> None:
    assert host.file("/opt/spark/jars").is_directory
    assert host.run("touch /opt/spark/jars/probe").rc != 0
