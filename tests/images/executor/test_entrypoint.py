"""Does the image keep Spark's contract with its container on Kubernetes?"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support import Container, Lab, must

LISTEN = """
import socket, time
server = socket.create_server(("127.0.0.1", 7078))
print("listens", flush=True)
time.sleep(600)
"""
"""A driver that never answers: its executor waits, and can be looked at."""

APPLICATION = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
settings = dict(spark.sparkContext.getConf().getAll())
total = spark.sparkContext.parallelize(range(int(sys.argv[1])), 2).sum()
print("TOLD", json.dumps({"settings": settings, "total": total}))
"""
EXECUTOR = {
    "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@127.0.0.1:7078",
    "SPARK_EXECUTOR_ID": "17",
    "SPARK_EXECUTOR_CORES": "3",
    "SPARK_EXECUTOR_MEMORY": "317m",
    "SPARK_APPLICATION_ID": "spark-application-17",
    "SPARK_EXECUTOR_POD_IP": "127.0.0.1",
    "SPARK_EXECUTOR_POD_NAME": "executor-17",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_CLASSPATH": "/opt/of-the-user/*",
    "SPARK_JAVA_OPT_0": "-Dprobe.zero=with space",
    "SPARK_JAVA_OPT_1": "-Dprobe.last=first",
    "SPARK_JAVA_OPT_10": "-Dprobe.last=tenth",
    "SPARK_JAVA_OPT_2": "-Dprobe.last=second",
}


@pytest.fixture(scope="module")
def executor_command(lab: Lab, image_reference: str) -> Iterator[list[str]]:
    """The command line of an executor's JVM, started by the word `executor`."""
    with lab.container(image_reference, "python", "-c", LISTEN, what="mute-driver") as driver:
        driver.wait_for(lambda: "listens" in driver.logs(), "driver")
        options = ["--network", f"container:{driver.id}"]
        with lab.container(
            image_reference, "executor", what="executor", options=options, environment=EXECUTOR
        ) as executor:

            def command() -> list[str]:
                read = 'cat "/proc/$(pgrep -x java)/cmdline"'
                return executor.exec("sh", "-c", read, check=False).stdout.split("\0")[:-1]

            executor.wait_for(lambda: "--driver-url" in command(), "JVM")
            yield command()


def test_executor_starts_the_backend_with_what_the_pod_was_given(
    executor_command: list[str],
) -> None:
    backend = executor_command.index(
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
    )
    words = executor_command[backend + 1 :]
    assert dict(zip(words[::2], words[1::2], strict=True)) == {
        "--driver-url": EXECUTOR["SPARK_DRIVER_URL"],
        "--executor-id": "17",
        "--cores": "3",
        "--app-id": "spark-application-17",
        "--hostname": "127.0.0.1",
        "--resourceProfileId": "0",
        "--podName": "executor-17",
    }


def test_executor_gives_the_jvm_its_options_in_order(executor_command: list[str]) -> None:
    assert executor_command[0] == "/opt/java/bin/java"
    given = [word for word in executor_command if word.startswith("-Dprobe")]
    last = ["-Dprobe.last=first", "-Dprobe.last=second", "-Dprobe.last=tenth"]
    assert given == ["-Dprobe.zero=with space", *last]
    assert {"-Xms317m", "-Xmx317m"} <= set(executor_command)
    classpath = executor_command[executor_command.index("-cp") + 1].split(":")
    assert classpath.index("/opt/of-the-user/*") < classpath.index("/opt/spark/conf")
    assert classpath.index("/opt/spark/conf") < classpath.index("/opt/spark/jars/*")


@pytest.mark.parametrize("word", ["driver", "driver-py"])
def test_driver_submits_in_client_mode(lab: Lab, image_reference: str, word: str) -> None:
    ended = lab.once(
        image_reference, "sh", "-c", 'cat >app.py && exec spark-entrypoint "$@"', "sh",
        word, "--conf", "spark.master=local[1]",
        "--class", "org.apache.spark.deploy.PythonRunner", "/opt/work/app.py", "40",
        stdin=APPLICATION,
        environment={"SPARK_DRIVER_BIND_ADDRESS": "0.0.0.0"},  # noqa: S104 - in the container
    )  # fmt: skip
    line = next(line for line in must(ended).splitlines() if line.startswith("TOLD "))
    told = json.loads(line.removeprefix("TOLD "))
    assert told["total"] == sum(range(40))
    assert told["settings"]["spark.submit.deployMode"] == "client"
    assert told["settings"]["spark.driver.bindAddress"] == "0.0.0.0"  # noqa: S104
    assert told["settings"]["spark.executorEnv.SPARK_DRIVER_POD_IP"] == "0.0.0.0"  # noqa: S104


START = """
mkdir conf
echo "$1" >conf/core-site.xml
chmod "$2" conf/core-site.xml
export HADOOP_CONF_DIR=$PWD/conf PYSPARK_PYTHON=./brought-along/bin/python
exec spark-entrypoint driver --version
"""
"""A driver that only says its version, in a container that has no pod's termination message, with
a Python that is not there yet."""


@pytest.mark.parametrize(
    ("file", "exit_code", "said"),
    [
        (("<configuration/>", "644"), 0, "Using Scala version 2."),
        (("<configuration>", "644"), 78, "core-site.xml is not XML: "),
        (("<configuration/>", "000"), 78, "core-site.xml cannot be read: Permission denied"),
    ],
)
def test_a_core_site_is_looked_at_before_java(
    lab: Lab, image_reference: str, file: tuple[str, str], exit_code: int, said: str
) -> None:
    ended = lab.once(image_reference, "sh", "-c", START, "sh", *file)
    assert ended.exit_code == exit_code, ended.stderr
    assert said in ended.stderr
    assert ended.stderr.count("\n") <= 2 or not exit_code, ended.stderr


def test_other_commands_are_run_as_they_are(lab: Lab, image_reference: str) -> None:
    argv = ["python", "-c", "import sys; print(sys.argv[1:])", "executor", "a  b", ""]
    assert must(lab.once(image_reference, *argv)) == "['executor', 'a  b', '']"


def test_an_executor_without_its_variables_is_refused(lab: Lab, image_reference: str) -> None:
    ended = lab.once(image_reference, "executor")
    assert ended.exit_code != 0
    assert "SPARK_DRIVER_URL" in ended.stderr


def test_there_is_no_jupyter(container: Container) -> None:
    listed = container.exec("ls", "/opt/venv/bin", "/usr/local/bin", "/usr/local/share").stdout
    assert [word for word in listed.split() if "jupyter" in word or "ipython" in word] == []
