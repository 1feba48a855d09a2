"""Does configuration reach both sides by every way there is, and is a wrong file named?"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.kubernetes import driver
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Kube, secret
from tests.notebook import Cell

READ = """// %% read
ADD
val here = new org.apache.hadoop.conf.Configuration().get("probe.value")
val there = sc.parallelize(1 to 2, 2).map { _ =>
  new org.apache.hadoop.conf.Configuration().get("probe.value")
}.distinct.collect.mkString(" ")
println("\\"" + here + ", " + there + "\\"")

// %% stop
spark.stop()
"""
"""What Hadoop's clients find under a name, in the driver and in the executors."""


JOB = """# %% job
from pyspark.sql import SparkSession

print(SparkSession.builder.getOrCreate().sparkContext.parallelize(range(2), 2).sum())
"""


def core_site(value: str) -> str:
    """Return a core-site.xml with one property."""
    entry = f"<property><name>probe.value</name><value>{value}</value></property>"
    return f"<configuration>{entry}</configuration>"


@contextmanager
def file_of(notebook: Notebook, path: str, text: str) -> Iterator[None]:
    """Let a file be there."""
    write = 'mkdir -p "$(dirname "$1")" && cat >"$1"'
    notebook.place.exec("sh", "-c", write, "sh", path, stdin=text)
    try:
        yield
    finally:
        notebook.place.exec("rm", "-f", path)


def read(notebook: Notebook, add: str = "", **settings: str) -> Cell:
    """Return the cell that reads the property on both sides."""
    given = {name.replace("__", "."): value for name, value in settings.items()}
    return notebook.run(READ.replace("ADD", add), "scala", settings=given)["read"]


def test_a_file_beside_the_notebook_that_is_added(outside: Notebook, number: int) -> None:
    with file_of(outside, "/home/jovyan/core-site.xml", core_site(f"added-{number}")):
        cell = read(outside, 'sc.addFile("core-site.xml")')
    assert cell.result == f"added-{number}, added-{number}"


def test_an_added_file_that_is_no_xml_is_named(outside: Notebook) -> None:
    with file_of(outside, "/tmp/wrong/core-site.xml", "fs.s3a.endpoint=x"):  # noqa: S108
        cell = read(outside, 'sc.addFile("/tmp/wrong/core-site.xml")')
    assert "/opt/work/core-site.xml" in cell.seen


def test_a_file_beside_the_notebook_that_is_no_xml_is_named(outside: Notebook) -> None:
    with file_of(outside, "/home/jovyan/core-site.xml", "fs.s3a.endpoint=x"):
        ended = outside.submit("--version")
    assert ended.exit_code == 78
    assert "/home/jovyan/core-site.xml is not XML" in ended.stderr
    assert "Exception" not in ended.stderr


def test_a_secret_that_executors_mount(outside: Notebook, number: int) -> None:
    name = secret(outside.kube, "for-executors", core_site(f"secret-{number}"))
    settings = {f"spark.kubernetes.executor.secrets.{name}": "/etc/hadoop/conf"}
    assert read(outside, **settings).result == f"null, secret-{number}"


def test_a_secret_that_is_no_xml_is_named(outside: Notebook) -> None:
    name = secret(outside.kube, "wrong", "fs.s3a.endpoint=x")
    settings = {f"spark.kubernetes.executor.secrets.{name}": "/etc/hadoop/conf"}
    cell = outside.run(JOB, settings=settings)["job"]
    assert "/etc/hadoop/conf/core-site.xml is not XML" in cell.error


def test_a_config_map_that_executors_mount(outside: Notebook, number: int) -> None:
    text = core_site(f"map-{number}")
    config_map(outside.kube, "hadoop", {"core-site.xml": text})
    settings = {"spark.kubernetes.executor.hadoopConfigMapName": "hadoop"}
    assert read(outside, **settings).result == f"null, map-{number}"


def config_map(kube: Kube, name: str, files: dict[str, str]) -> None:
    """Make a ConfigMap of files."""
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": files})


LOG4J = """
rootLogger.level = info
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = MARK %p %c{1}: %m%n
"""


@pytest.fixture(scope="module")
def configured(
    spark: Kube, driver_image: str, executor_image: str, number: int
) -> Iterator[Notebook]:
    """A notebook's pod in which a site has mounted what it configures."""
    fragment = f"spark.executor.instances 1\nspark.probe.fragment {number}\n"
    name = secret(spark, "for-the-driver", core_site(f"mounted-{number}"))
    with driver.inside(
        spark,
        driver_image,
        executor_image,
        fragments={"10-site.conf": fragment, "log4j2.properties": LOG4J},
        volumes=[("/etc/hadoop/conf", {"secret": {"secretName": name}})],
    ) as notebook:
        yield notebook


SITE = """# %% session
import json, time
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
sc.parallelize(range(2), 1).count()
print(json.dumps({"conf": dict(sc.getConf().getAll()),
                  "hadoop": sc._jvm.org.apache.hadoop.conf.Configuration().get("probe.value")}))
time.sleep(8)
"""


def test_fragments_and_log4j2_that_a_site_mounts(configured: Notebook, number: int) -> None:
    with ThreadPoolExecutor() as pool:
        running = pool.submit(configured.run, SITE)
        logged = ""

        def marked() -> bool:
            nonlocal logged
            for pod in configured.kube.executors("Running"):
                said = configured.kube.ctl("logs", pod["metadata"]["name"], check=False)
                logged = said.stdout + said.stderr
            return "MARK INFO" in logged

        configured.kube.wait_for(marked, "executor that logs as the site says")
        maps = {each["metadata"]["name"]: str(each) for each in configured.kube.get("configmaps")}
        told = running.result()["session"].result
    assert told["conf"]["spark.probe.fragment"] == str(number)
    assert told["conf"]["spark.executor.instances"] == "1"
    assert told["hadoop"] == f"mounted-{number}"
    assert any(name.startswith("spark-exec-") for name in maps)
    assert [name for name, text in maps.items() if f"mounted-{number}" in text] == []


def test_a_wrong_fragment_is_named(outside: Notebook) -> None:
    ended = outside.place.exec(
        "sh", "-c",
        'cp -r /etc/spark "$1" && mkdir -p "$1/conf.d" && '
        'echo "executor.cores 2" >"$1/conf.d/a.conf" '
        '&& SPARK_SITE_CONF_DIR="$1" spark-submit --version', "sh", "/tmp/site",  # noqa: S108
        check=False,
    )  # fmt: skip
    assert ended.exit_code == 78
    assert "/tmp/site/conf.d/a.conf, line 1 is no Spark property" in ended.stderr  # noqa: S108
