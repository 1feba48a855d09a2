"""Does configuration reach both sides by every way there is, and is a wrong file named?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.kubernetes import driver
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Document, Kube, secret
from tests.kubernetes.refusals import AT_ONCE
from tests.notebook import Cell

MOUNTED = "/etc/hadoop/conf"
IN_SECRET = "spark.kubernetes.executor.secrets."  # noqa: S105 - the beginning of a setting
IN_MAP = "spark.kubernetes.executor.hadoopConfigMapName"
ONE = {"SPARK_EXECUTOR_INSTANCES": "1"}

BOTH = """// %% both
import org.apache.hadoop.conf.Configuration
import org.apache.spark.SparkContext

// What Hadoop's clients find under a name, in the driver and in the executors.
def both(sc: SparkContext) = {
  val here = new Configuration().get("probe.value")
  val there = sc.parallelize(1 to 2, 2).map(_ => new Configuration().get("probe.value"))
  "\\"" + here + ", " + there.distinct.collect.mkString(" ") + "\\""
}
"""
WAYS = (
    BOTH
    + """
def given(setting: String, value: String) = {
  val session = SparkSession.builder.config(setting, value).getOrCreate()
  try both(session.sparkContext) finally session.stop()
}

// %% added
val first = SparkSession.builder.getOrCreate()
val before = both(first.sparkContext)
first.sparkContext.addFile("core-site.xml")
println(s"[$before, ${both(first.sparkContext)}]")
first.stop()

// %% secret
println(given("IN_SECRETright", "MOUNTED"))

// %% map
println(given("IN_MAP", "right"))

// %% last
val last = SparkSession.builder.getOrCreate()
last.sparkContext.addFile("/tmp/wrong/core-site.xml")

// %% wrong
both(last.sparkContext)

// %% stop
last.stop()
"""
)
WRONG = """# %% secret
from pyspark.sql import SparkSession

def given(setting, value):
    spark = SparkSession.builder.config(setting, value).getOrCreate()
    try:
        print(spark.sparkContext.parallelize(range(2), 2).sum())
    finally:
        spark.stop()

given("IN_SECRETwrong", "MOUNTED")

# %% map
given("IN_MAP", "wrong")
"""
SITE = (
    BOTH
    + """
// %% session
println(both(sc))

// %% conf
val conf = Seq("spark.probe.fragment", "spark.executor.instances").map(sc.getConf.get(_))
println(conf.mkString("[", ", ", "]"))

// %% hold
while (!new java.io.File("looked-at").exists) Thread.sleep(200)

// %% stop
spark.stop()
"""
)
DATA = """# %% session
import json, os, time
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
file = "/opt/spark/examples/src/main/python/pi.py"
rows = spark.read.text("file:" + file).collect()
with open(file) as lines:
    here = [len(line.rstrip()) for line in lines]
print(json.dumps({"driver": spark._jvm.org.apache.hadoop.conf.Configuration().get("probe.value"),
                  "here": max(here), "read": max(len(row.value) for row in rows)}))

# %% hold
while not os.path.exists("looked-at"):
    time.sleep(0.2)
spark.stop()
"""
ALONE = """
from pyspark.sql import SparkSession

print(SparkSession.builder.getOrCreate()._jvm.org.apache.hadoop.conf.Configuration().get("probe.value"))
"""


def text_of(notebook: str) -> str:
    """Return a notebook with the settings' names in it."""
    for name, value in {"IN_SECRET": IN_SECRET, "IN_MAP": IN_MAP, "MOUNTED": MOUNTED}.items():
        notebook = notebook.replace(name, value)
    return notebook


def core_site(value: str, **more: str) -> str:
    """Return a core-site.xml of some properties; underscores stand for points."""
    properties = {"probe.value": value, **{name.replace("_", "."): more[name] for name in more}}
    entries = [
        f"<property><name>{name}</name><value>{each}</value></property>"
        for name, each in properties.items()
    ]
    return f"<configuration>{''.join(entries)}</configuration>"


NO_XML = "fs.s3a.endpoint=x"


@contextmanager
def file_of(notebook: Notebook, path: str, text: str) -> Iterator[None]:
    """Let a file be there."""
    write = 'mkdir -p "$(dirname "$1")" && cat >"$1"'
    notebook.place.exec("sh", "-c", write, "sh", path, stdin=text)
    try:
        yield
    finally:
        notebook.place.exec("rm", "-f", path)


def config_map(kube: Kube, name: str, files: dict[str, str]) -> None:
    """Make a ConfigMap of files."""
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": files})


Cells = Mapping[str, Cell]
InsideOf = Callable[..., AbstractContextManager[Notebook]]


@dataclass(frozen=True)
class Runs:
    """Notebooks that run at one time, each in a namespace of its own."""

    ways: Future[Cells]
    wrong: Future[Cells]
    of_site: Future[Cells]
    of_secret: Future[Mapping[str, Any]]


@pytest.fixture(scope="module")
def runs(
    outside: Notebook,
    another: Callable[[str], Notebook],
    new_namespace: Callable[[str], Kube],
    inside_of: InsideOf,
    number: int,
) -> Iterator[Runs]:
    """All notebooks of this file, under way."""
    site, secrets, wrong = new_namespace("site"), new_namespace("secret"), another("wrong")
    with driver.side_by_side(3) as pool:
        yield Runs(
            ways=pool.submit(give, outside, number),
            of_site=pool.submit(mount_site, site, inside_of, number),
            of_secret=pool.submit(mount_secret, secrets, inside_of, number),
            wrong=pool.submit(give_wrong, wrong),
        )


@pytest.fixture(scope="module")
def inside_of(driver_image: str, executor_image: str) -> InsideOf:
    """Gives a notebook's pod in a namespace."""
    return lambda kube, **more: driver.inside(kube, driver_image, executor_image, **more)


def give(outside: Notebook, number: int) -> Cells:
    """Run a notebook whose sessions are given a core-site.xml, each in another way."""
    name = secret(outside.kube, "right", {"core-site.xml": core_site(f"secret-{number}")})
    config_map(outside.kube, name, {"core-site.xml": core_site(f"map-{number}")})
    with ExitStack() as files:
        beside = "/home/jovyan/core-site.xml"
        files.enter_context(file_of(outside, beside, core_site(f"beside-{number}")))
        files.enter_context(file_of(outside, "/tmp/wrong/core-site.xml", NO_XML))  # noqa: S108
        return outside.run(text_of(WAYS), "scala", environment=ONE)


def test_a_file_beside_the_notebook_reaches_executors_when_it_is_added(
    runs: Runs, number: int
) -> None:
    here, ways = f"beside-{number}", runs.ways.result()
    assert ways["added"].result == [f"{here}, null", f"{here}, {here}"]


def test_a_secret_that_executors_mount(runs: Runs, number: int) -> None:
    assert runs.ways.result()["secret"].result == f"beside-{number}, secret-{number}"


def test_a_config_map_that_executors_mount(runs: Runs, number: int) -> None:
    assert runs.ways.result()["map"].result == f"beside-{number}, map-{number}"


def test_an_added_file_that_is_no_xml_is_named_with_its_line(runs: Runs) -> None:
    ways = runs.ways.result()
    assert not ways["last"].error
    assert '[1,1,"file:/opt/work/core-site.xml"]' in ways["wrong"].error


def test_a_file_beside_the_notebook_that_is_no_xml_is_named(outside: Notebook) -> None:
    with file_of(outside, "/home/jovyan/core-site.xml", NO_XML):
        ended = outside.submit("--version")
    assert ended.exit_code == 78
    assert "/home/jovyan/core-site.xml is not XML" in ended.stderr
    assert only_one_message(ended.stderr)


def give_wrong(outside: Notebook) -> Cells:
    """Run a notebook whose sessions have executors that mount what is no XML."""
    name = secret(outside.kube, "wrong", {"core-site.xml": NO_XML})
    config_map(outside.kube, name, {"core-site.xml": NO_XML})
    settings = {**AT_ONCE, "spark.sparkyard.executors.patience": "4s"}
    return outside.run(text_of(WRONG), settings=settings, environment=ONE)


@pytest.mark.parametrize(("way", "where"), [("secret", MOUNTED), ("map", "/opt/hadoop/conf")])
def test_a_mounted_file_that_is_no_xml_is_named(runs: Runs, way: str, where: str) -> None:
    wrong = runs.wrong.result()
    assert f"{where}/core-site.xml is not XML" in wrong[way].error, wrong[way].seen
    assert "ParsingException" not in wrong[way].seen, "what Java says of it"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("a.conf", "executor.cores 2", "line 1 is no Spark property"),
        (
            "log4j2.properties",
            "rootLogger.level = warn\nappenders",
            "line 2 is no property",
        ),
        ("log4j2.properties", "rootLogger.level = loud", "line 1 names a level that is none"),
        ("metrics.properties", "*.sink.console.period", "line 1 is no property"),
        ("core-site.xml", NO_XML, "is not XML"),
    ],
)
def test_a_wrong_file_of_a_site_is_named(
    outside: Notebook, file: str, text: str, said: str
) -> None:
    outside.place.exec("cp", "-rT", "/etc/spark", "/tmp/site")  # noqa: S108
    with file_of(outside, f"/tmp/site/conf.d/{file}", text):  # noqa: S108
        ended = outside.submit("--version", SPARK_SITE_CONF_DIR="/tmp/site")  # noqa: S108
    assert ended.exit_code == 78
    named = f"/tmp/site/conf.d/{file}"  # noqa: S108
    assert named in ended.stderr
    assert said in ended.stderr
    assert only_one_message(ended.stderr)


def only_one_message(stderr: str) -> bool:
    """Tell whether it is one message and its remedy, and no trace."""
    lines = stderr.strip().splitlines()
    return len(lines) == 2 and lines[0].startswith("Spark is not started: ")


LOG4J = """
rootLogger.level = info
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = MARK %p %c{1}: %m%n
"""


@contextmanager
def held(notebook: Notebook, source: str, kernel: str) -> Iterator[Future[dict[str, Cell]]]:
    """Run a notebook that waits until it was looked at."""
    with ThreadPoolExecutor() as pool:
        running = pool.submit(notebook.run, source, kernel)
        try:
            yield running
        finally:
            notebook.place.exec("touch", "looked-at")


def executor_once(notebook: Notebook, holds: Callable[[Document], object]) -> Document:
    """Return an executor's pod when something holds of it."""
    found: list[Document] = []

    def some() -> bool:
        found[:] = [pod for pod in notebook.kube.executors("Running") if holds(pod)]
        return bool(found)

    notebook.kube.wait_for(some, "executor that is as awaited")
    return found[0]


def mount_site(spark: Kube, inside_of: InsideOf, number: int) -> Cells:
    """Run a session with what a site has mounted at /etc/spark/conf.d."""
    files = {
        "10-site.conf": f"spark.executor.instances 1\nspark.probe.fragment {number}\n",
        "log4j2.properties": LOG4J,
        "core-site.xml": core_site(f"site-{number}"),
    }

    def marked(pod: Document) -> bool:
        name = pod["metadata"]["name"]
        return "MARK INFO" in spark.ctl("logs", name, check=False).stdout

    with inside_of(spark, fragments=files) as notebook:
        with held(notebook, SITE, "scala") as running:
            executor_once(notebook, marked)
        return running.result()


def test_fragments_and_log4j2_that_a_site_mounts(runs: Runs, number: int) -> None:
    assert runs.of_site.result()["conf"].result == [number, 1]


def test_a_core_site_that_a_site_mounts_beside_fragments(runs: Runs, number: int) -> None:
    assert runs.of_site.result()["session"].result == f"site-{number}, site-{number}"


def mount_secret(spark: Kube, inside_of: InsideOf, number: int) -> Mapping[str, Any]:
    """Run a session with a Secret that is mounted in the notebook alone."""
    short = core_site(f"mounted-{number}", mapreduce_input_linerecordreader_line_maxlength="40")
    name = secret(spark, "for-the-driver", {"core-site.xml": short})
    with inside_of(
        spark,
        fragments={"10-site.conf": "spark.executor.instances 1\n"},
        volumes=[(MOUNTED, {"secret": {"secretName": name}})],
    ) as notebook:
        with held(notebook, DATA, "python3") as running:
            executor = executor_once(notebook, bool)
            maps = {each["metadata"]["name"]: str(each) for each in spark.get("configmaps")}
        return {"executor": executor, "maps": maps, **running.result()["session"].result}


@pytest.fixture
def of_secret(runs: Runs) -> Mapping[str, Any]:
    """What comes of a Secret that is mounted in the notebook alone."""
    return runs.of_secret.result()


def test_a_secret_of_the_notebook_reaches_executors_with_what_they_read(
    of_secret: Mapping[str, Any], number: int
) -> None:
    assert of_secret["driver"] == f"mounted-{number}"
    assert "for-the-driver" not in str(of_secret["executor"])
    assert 0 < of_secret["read"] < 40 < of_secret["here"], "lines that executors have cut off"


def test_a_secret_of_the_notebook_stands_in_no_config_map(
    of_secret: Mapping[str, Any], number: int
) -> None:
    maps = of_secret["maps"]
    assert any(name.startswith("spark-exec-") for name in maps)
    assert [name for name, text in maps.items() if f"mounted-{number}" in text] == []


def test_a_config_map_that_the_notebook_mounts(
    spark: Kube, inside_of: InsideOf, number: int
) -> None:
    config_map(spark, "for-the-driver", {"core-site.xml": core_site(f"map-{number}")})
    volume = (MOUNTED, {"configMap": {"name": "for-the-driver"}})
    with inside_of(spark, volumes=[volume]) as notebook:
        # Which driver finds what, does not depend on the master.
        local = {"SPARK_MASTER": "local[1]"}
        told = notebook.place.exec("python", "-c", ALONE, environment=local)
    assert told.stdout.splitlines()[-1] == f"map-{number}"
