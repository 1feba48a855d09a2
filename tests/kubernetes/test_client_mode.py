"""Does a notebook get executors with no more than its surroundings, outside a cluster and in it?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

from sparkyard import paths
from sparkyard.kubernetes.access import address_towards
from tests.kubernetes import driver
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Document, Kube, Pod
from tests.kubernetes.storage import free_port
from tests.notebook import Cell

SESSION = """# %% session
import json, os, socket, time
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext

def where(_):
    time.sleep(0.3)
    return socket.gethostname()

hosts, began, wanted = [], time.monotonic(), int(os.environ.get("SPARK_EXECUTOR_INSTANCES", "2"))
while len(hosts) < wanted and time.monotonic() - began < 60:  # the second may come a little later
    hosts = sorted(set(sc.parallelize(range(12), 12).map(where).collect()))
told = {"conf": dict(sc.getConf().getAll()), "hosts": hosts,
        "sum": sc.parallelize(range(100), 4).map(lambda n: n * NUMBER).sum()}
print(json.dumps(told))
"""
SECOND = """
# %% second
import subprocess
import sys

code = "from pyspark.sql import SparkSession; SparkSession.builder.getOrCreate()"
other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
print(json.dumps({"code": other.returncode, "said": other.stderr}))
"""
WHO = """
# %% who
def who(_):
    with open("/opt/work/written", "w"), open("/tmp/written", "w"):
        return (os.getuid(), os.getgid())

print(json.dumps({"driver": [os.getuid(), os.getgid()],
                  "executors": list(set(sc.parallelize(range(8), 8).map(who).collect()))}))
"""
AGAIN = """
# %% again
import socket

with socket.create_server((told["conf"]["spark.driver.host"], 17078)):
    SparkSession.builder.getOrCreate()

# %% late
with socket.create_server((told["conf"]["spark.driver.host"], 17378)):
    SparkSession.builder.getOrCreate()
"""
THIEF = """# %% thief
import os, socket, threading

# Between the kernel and the API server. It takes the port after the last look at it, and before
# Spark's own use: Sparkyard asks for a trial of a pod between the two.
relay = socket.create_server(("127.0.0.1", 0))
taken = []

def pass_on(source, sink):
    with sink:
        while data := source.recv(65536):
            if b"dryRun=All" in data and not taken:
                taken.append(socket.create_server((os.environ["SPARK_DRIVER_HOST"], 17478)))
            sink.sendall(data)

def serve(port):
    while True:
        near, far = relay.accept()[0], socket.create_connection(("127.0.0.1", port))
        for ends in ((near, far), (far, near)):
            threading.Thread(target=pass_on, args=ends, daemon=True).start()

proxy = os.environ["SPARK_MASTER"].rpartition(":")[2]
threading.Thread(target=serve, args=[int(proxy)], daemon=True).start()
os.environ["SPARK_MASTER"] = f"k8s://http://127.0.0.1:{relay.getsockname()[1]}"

"""
TAKEN = """
# %% taken
print(json.dumps(len(taken)))
taken[0].close()

"""
IDLE = """
# %% idle
with open("being-told", "w") as file:
    json.dump(told, file)
os.rename("being-told", "told")
time.sleep(200)
"""
STOP = """
# %% stop
spark.stop()
print(json.dumps("stopped"))
"""


def session(number: int, more: str = STOP) -> str:
    """Return a notebook that asks for no more than a session, computes, and ends it."""
    return SESSION.replace("NUMBER", str(number)) + more


ONE = {"SPARK_EXECUTOR_INSTANCES": "1"}
"""For sessions that are not about how many executors a notebook gets that asks for none."""


def check(told: dict[str, object], kube: Kube, number: int, executors: int = 2) -> None:
    """Assert that the session ran on so many executors' pods of the namespace, and was right."""
    conf, hosts = told["conf"], told["hosts"]
    assert isinstance(conf, dict)
    assert isinstance(hosts, list)
    assert told["sum"] == number * sum(range(100))
    assert len(hosts) == executors
    assert all("-exec-" in host for host in hosts), hosts
    assert conf["spark.kubernetes.namespace"] == kube.namespace
    assert conf["spark.authenticate"] == conf["spark.network.crypto.enabled"] == "true"


Run = Future[dict[str, Cell]]


@dataclass(frozen=True)
class Runs:
    """Notebooks that run at one time: mostly they wait for executors."""

    of_token: Run
    """It shows a service account's token, on a port of its choice."""
    same_ports: tuple[Run, Run]
    proxy: Run
    """It comes through kubectl proxy, first without its ports."""
    hardened: Run
    no_kubeconfig: Run
    no_server: Run


@pytest.fixture(scope="module")
def proxied(another: Callable[[str], Notebook]) -> Notebook:
    """A notebook in a namespace of its own: nobody else makes executors there."""
    return another("proxied")


@pytest.fixture(scope="module")
def hardened(
    spark: Kube, driver_image: str, executor_image: str, number: int
) -> Callable[[], dict[str, Cell]]:
    """Runs a notebook in a pod of a user whom no image knows, whose file system is read-only."""
    changes = {
        "securityContext": {
            "runAsUser": 12345,
            "runAsGroup": 0,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    read_only = {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes: list[tuple[str, Document]] = [
        ("/tmp", {"emptyDir": {}}),  # noqa: S108
        ("/home/jovyan", {"emptyDir": {}}),
    ]
    template = yaml.safe_load((paths.ROOT / "conf" / "spark" / "executor-pod.yaml").read_text())
    template["spec"]["securityContext"] |= changes["securityContext"]
    of_site = "spark.kubernetes.executor.podTemplateFile /etc/spark/conf.d/pod.yaml\n"

    def run() -> dict[str, Cell]:
        with driver.inside(
            spark,
            driver_image,
            executor_image,
            fragments={"10-site.conf": of_site, "pod.yaml": json.dumps(template)},
            of_pod=changes,
            of_container={"securityContext": read_only},
            volumes=volumes,
        ) as notebook:
            return notebook.run(session(number, WHO + STOP), environment=ONE)

    return run


@pytest.fixture(scope="module")
def runs(
    outside: Notebook, proxied: Notebook, hardened: Callable[[], dict[str, Cell]], number: int
) -> Iterator[Runs]:
    """All notebooks of this file, under way, but the one whose pod is deleted."""
    free = {"SPARK_DRIVER_PORT": "17078", "SPARK_BLOCKMANAGER_PORT": "17378"}
    # Not side by side: going on from the first, Spark would come to the second.
    same = {"SPARK_DRIVER_PORT": "17178", "SPARK_BLOCKMANAGER_PORT": "17278", **ONE}
    again = session(number, SECOND + STOP + AGAIN)

    def start(source: str, **environment: str) -> Run:
        return pool.submit(outside.run, source, environment=environment)

    with driver.side_by_side(4) as pool:
        yield Runs(
            no_kubeconfig=start(session(3), KUBECONFIG="/nowhere/config"),
            no_server=start(session(3), SPARK_MASTER="k8s://https://127.0.0.1:1"),
            same_ports=(start(session(number), **same), start(session(number), **same)),
            of_token=start(again, **free),
            proxy=pool.submit(through_kubectl_proxy, proxied, number),
            hardened=pool.submit(hardened),
        )


def through_kubectl_proxy(notebook: Notebook, number: int) -> dict[str, Cell]:
    """Run a notebook that loses a port at the last moment, and has it in its second session."""
    with driver.kubectl_proxy(notebook.kube, free_port("127.0.0.1")) as master:
        return notebook.run(
            THIEF + session(number, TAKEN) + session(number).replace("session", "second", 1),
            environment={
                "SPARK_MASTER": master,
                "SPARK_DRIVER_HOST": address_towards(notebook.kube.server),
                "SPARK_BLOCKMANAGER_PORT": "17478",
                "KUBECONFIG": "/nowhere",
                **ONE,
            },
        )


@pytest.mark.usefixtures("runs")  # which wait meanwhile
def test_inside_with_nothing_but_its_service_account_executors_come_and_go_with_the_pod(
    spark: Kube, driver_image: str, executor_image: str, number: int
) -> None:
    with (
        ThreadPoolExecutor() as pool,
        driver.inside(spark, driver_image, executor_image) as notebook,
    ):
        assert isinstance(notebook.place, Pod)
        pod = notebook.place
        cut = pool.submit(notebook.run, session(number, IDLE))
        told = ""

        def has_told() -> bool:
            nonlocal told
            told = pod.exec("cat", "told", check=False).stdout
            return bool(told) or cut.done()

        spark.wait_for(has_told, "result of the session")
        assert not cut.done(), cut.result()["session"].seen
        result = json.loads(told)
        check(result, spark, number)
        assert result["conf"]["spark.kubernetes.driver.pod.name"] == pod.name
        selector = f"spark-app-selector={result['conf']['spark.app.id']}"

        def executors() -> list[Document]:
            return spark.get("pods", "--selector", selector)

        assert len(executors()) == 2
        spark.ctl("delete", "pod", pod.name, "--grace-period=0", "--force")
        spark.wait_for_end(executors, "the executors")
        assert cut.exception() is not None, "the notebook's pod is gone, and its kernel went on"


@pytest.fixture
def of_token(runs: Runs) -> dict[str, Cell]:
    """The cells of the notebook that shows a service account's token."""
    return runs.of_token.result()


def test_outside_with_a_service_accounts_token(
    of_token: dict[str, Cell], outside: Notebook, number: int
) -> None:
    check(of_token["session"].result, outside.kube, number)
    assert of_token["stop"].result == "stopped"


def test_two_sessions_on_the_same_port(of_token: dict[str, Cell]) -> None:
    assert of_token["session"].result["conf"]["spark.driver.port"] == "17078"
    assert of_token["second"].result["code"] != 0
    assert "Port 17078 (spark.driver.port) is taken" in of_token["second"].result["said"]


def test_a_kernels_later_session_on_a_port_that_was_taken_meanwhile(
    of_token: dict[str, Cell],
) -> None:
    for cell, port in (("again", "17078 (spark.driver.port)"),
                       ("late", "17378 (spark.driver.blockManager.port)")):  # fmt: skip
        assert f"Port {port} is taken" in of_token[cell].error, of_token[cell].seen
        assert "\tat " not in of_token[cell].seen


def test_of_two_sessions_that_start_on_the_same_ports_at_once_one_gets_them(
    runs: Runs, outside: Notebook, number: int
) -> None:
    cells = [run.result()["session"] for run in runs.same_ports]
    got, refused = sorted(cells, key=lambda cell: bool(cell.error))
    check(got.result, outside.kube, number, 1)
    assert got.result["conf"]["spark.driver.port"] == "17178"
    assert refused.error
    assert not refused.text
    assert "Port 17178 (spark.driver.port) is taken" in refused.seen
    assert "SPARK_DRIVER_PORT" in refused.seen
    assert "\tat " not in refused.seen


def test_a_block_managers_port_that_is_taken_at_the_last_moment(runs: Runs) -> None:
    told = runs.proxy.result()
    assert told["taken"].result == 1
    assert "Port 17478 (spark.driver.blockManager.port) is taken" in told["session"].error


def test_outside_through_kubectl_proxy(runs: Runs, proxied: Notebook, number: int) -> None:
    told = runs.proxy.result()
    check(told["second"].result, proxied.kube, number, 1)
    assert told["stop"].result == "stopped"
    # Those of the session that lost its port are among them.
    proxied.kube.wait_for_end(proxied.kube.executors, "the executors")


def test_no_kubeconfig(runs: Runs) -> None:
    told = runs.no_kubeconfig.result()
    assert "KUBECONFIG=/nowhere/config names no file" in told["session"].seen
    assert told["session"].error


def test_an_api_server_that_nobody_reaches(runs: Runs) -> None:
    told = runs.no_server.result()
    assert "API server 127.0.0.1:1 does not answer" in told["session"].seen
    assert told["session"].error


def test_any_user_and_a_read_only_root_file_system(runs: Runs, spark: Kube, number: int) -> None:
    told = runs.hardened.result()
    check(told["session"].result, spark, number, 1)
    assert told["who"].result == {"driver": [12345, 0], "executors": [[12345, 0]]}
