"""Does the gate look into what really runs on a cluster, refuse what differs, and leave nothing?"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.command import run
from sparkyard.commands import parity
from sparkyard.errors import (
    ClusterAbsentError,
    ClusterJobError,
    ClusterRefusedError,
    ClusterRightsError,
    ParityError,
    PodStartError,
    SparkyardError,
)
from tests.e2e.broken_pairs import BROKEN_PAIRS, BrokenPair, broken
from tests.kubernetes import driver
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Kube

LABEL = "io.sparkyard.parity"
PAIRS = {pair.name: pair for pair in BROKEN_PAIRS}
FAULTS = ("pandas", "python-patch")
"""Of an image that is broken in several ways: each of them is to be named."""

CHANGED = BrokenPair("changed", "", tuple(step for name in FAULTS for step in PAIRS[name].steps))
DEAF = BrokenPair("deaf", "", ('ENTRYPOINT ["sh", "-c", "sleep 600"]',))
"""Executors that start, and never speak to their driver."""

BARE = BrokenPair("no-spark", "", ('ENTRYPOINT ["sh", "-c", "echo no Spark here; exit 3"]',))
ABSENT = "localhost:1/absent:1"
AT_ONCE = 3
"""How many runs of the gate there are at one time: each starts two JVMs or three."""


@dataclass(frozen=True)
class Ended:
    """A run of the gate, as a shell sees it."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float

    def refused(self, kind: type[SparkyardError]) -> str:
        """Assert that it ended in an error of a kind, and return its text."""
        assert self.exit_code == kind.exit_code, self.stderr
        return self.stderr


def gate(kube: Kube, *words: str) -> Ended:
    """Run the gate in a process of its own."""
    argv = [sys.executable, "-m", "sparkyard", "parity", "--cluster"]
    began = time.monotonic()
    ended = run(
        [*argv, "--namespace", kube.namespace, *words], check=False, cwd=paths.ROOT, timeout=400
    )
    return Ended(ended.exit_code, ended.stdout, ended.stderr, time.monotonic() - began)


def made_by_the_gate(kube: Kube) -> list[str]:
    """Return what runs have left in a namespace."""
    pods = kube.get("pods", "--selector", LABEL)
    maps = kube.get("configmaps", "--selector", LABEL) + kube.get(
        "configmaps", "--selector", "spark-role=executor"
    )
    return [each["metadata"]["name"] for each in [*pods, *maps]]


def images(driver: str, executor: str) -> list[str]:
    return ["--driver", driver, "--executor", executor]


Gates = Mapping[str, Future[Ended]]


@pytest.fixture(scope="module")
def busy(new_namespace: Callable[[str], Kube]) -> Kube:
    """A namespace where the gate runs several times at once."""
    return new_namespace("gates")


@pytest.fixture(scope="module")
def limited(new_namespace: Callable[[str], Kube]) -> Kube:
    """A namespace with room for one pod."""
    made = new_namespace("limited")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "one-pod"}}
    made.apply({**quota, "spec": {"hard": {"pods": "1"}}})
    in_force = ["quota", "one-pod", "-o", "jsonpath={.status.hard}"]
    made.wait_for(lambda: made.ctl("get", *in_force).stdout, "quota in force")
    return made


@dataclass(frozen=True)
class Pod:
    """A notebook that runs: its pod's name, and what it had in /tmp before."""

    notebook: Notebook
    name: str
    before: set[str]


@pytest.fixture(scope="module")
def pod(inside: Notebook) -> Pod:
    """A notebook that runs."""
    (found,) = inside.kube.get("pods", "--selector", "app.kubernetes.io/name=notebook")
    return Pod(inside, found["metadata"]["name"], in_tmp(inside))


def in_tmp(notebook: Notebook) -> set[str]:
    """Return what a notebook has in /tmp."""
    return set(notebook.place.exec("sh", "-c", "ls -A /tmp").stdout.split())


@pytest.fixture(scope="module")
def gates(
    busy: Kube, limited: Kube, pod: Pod, driver_image: str, executor_image: str
) -> Iterator[Gates]:
    """Runs of the gate that start pods: mostly they wait, so some are under way at a time."""
    good, one = images(driver_image, executor_image), ["--executors", "1"]

    def of(executors: BrokenPair, *words: str) -> Ended:
        with broken(executors, executor_image) as image:
            return gate(busy, *images(driver_image, image), *one, *words)

    def of_bare_driver() -> Ended:
        with broken(BARE, executor_image) as image:
            return gate(busy, *images(image, executor_image), *one)

    busy.ctl("create", "serviceaccount", "bare")
    with driver.side_by_side(AT_ONCE) as pool:
        yield {
            "own": pool.submit(gate, busy, *good, "--json"),
            "deaf": pool.submit(of, DEAF, "--timeout", "90"),
            "changed": pool.submit(of, CHANGED, "--json"),
            "no driver": pool.submit(gate, busy, *images(ABSENT, executor_image), *one),
            "no executors": pool.submit(gate, busy, *images(driver_image, ABSENT), *one),
            "no rights": pool.submit(gate, busy, *good, "--service-account", "bare"),
            "quota": pool.submit(gate, limited, *good),
            "no Spark": pool.submit(of_bare_driver),
            "pod": pool.submit(gate, pod.notebook.kube, "--pod", pod.name, *one, "--json"),
        }


@pytest.mark.usefixtures("gates")  # which wait meanwhile
def test_an_interrupted_run_leaves_nothing(
    new_namespace: Callable[[str], Kube], driver_image: str, executor_image: str
) -> None:
    kube = new_namespace("interrupted")
    argv = [sys.executable, "-m", "sparkyard", "parity", "--cluster", "--namespace", kube.namespace]
    argv += [*images(driver_image, executor_image), "--executors", "1"]
    signals = signal.SIGINT, signal.SIGTERM
    with ExitStack() as stack:
        runs = [stack.enter_context(subprocess.Popen(argv, cwd=paths.ROOT)) for _ in signals]
        kube.wait_for(lambda: len(kube.executors("Running")) == 2, "executor of each that runs")
        for started, stopped_by in zip(runs, signals, strict=True):
            started.send_signal(stopped_by)
        assert [started.wait(60) for started in runs] == [130, 130]
    assert not made_by_the_gate(kube)


def test_the_familys_own_pair_agrees_in_every_pod(
    gates: Gates, driver_image: str, executor_image: str
) -> None:
    ended = gates["own"].result()
    assert ended.exit_code == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert report["holds"]
    assert len(report["executors"]["pods"]) == 2
    assert report["executors"]["images"] == [executor_image]
    assert report["driver"]["images"] == [driver_image]
    rows = {row["name"]: row for row in report["rows"]}
    assert all(row["pods"] == report["executors"]["pods"] for row in report["rows"])
    # Variables that Spark sets where it starts a process are a second row of that name.
    environment = {
        row["verdict"]: row["executors"] for row in report["rows"] if row["name"] == "environment"
    }
    assert environment.keys() == {"agrees", "differs, allowed"}
    assert int(environment["agrees"].split()[0]) > 5
    assert rows["Spark configuration"]["verdict"] == "agrees"
    assert int(rows["Python packages, versions"]["executors"].split()[0]) > 20


@pytest.mark.parametrize("name", FAULTS)
def test_an_executor_that_was_changed_is_refused_and_named(gates: Gates, name: str) -> None:
    row, ended = PAIRS[name].row, gates["changed"].result()
    text = ended.refused(ParityError)
    report = json.loads(ended.stdout)
    (image,) = report["executors"]["images"]
    assert row in text
    assert CHANGED.name in image
    assert image in text
    assert [each for each in report["rows"] if each["fails"] and each["name"].startswith(row)]


def test_a_driver_without_rights_is_told_which_one_it_lacks(gates: Gates) -> None:
    assert "bare" in gates["no rights"].result().refused(ClusterRightsError)


def test_a_quota_that_is_used_up_is_told(gates: Gates) -> None:
    assert "exceeded quota: one-pod" in gates["quota"].result().refused(ClusterRefusedError)


@pytest.mark.parametrize("side", ["no driver", "no executors"])
def test_an_image_that_cannot_be_pulled_is_told_long_before_the_time_is_up(
    gates: Gates, side: str
) -> None:
    ended = gates[side].result()
    assert ABSENT in ended.refused(PodStartError)
    assert ended.seconds < 90


def test_executors_that_never_register_are_waited_for_no_longer_than_asked(gates: Gates) -> None:
    text = gates["deaf"].result().refused(PodStartError)
    assert "did not register" in text
    assert "-exec-1: Running" in text


def test_a_driver_that_is_no_driver_is_told(gates: Gates) -> None:
    assert "no Spark here" in gates["no Spark"].result().refused(ClusterJobError)


def test_no_run_has_left_anything(gates: Gates, busy: Kube, limited: Kube) -> None:
    assert all(gate.result() for gate in gates.values())
    assert made_by_the_gate(busy) + made_by_the_gate(limited) == []


def test_a_notebook_that_runs_is_the_driver_where_it_is_named(
    gates: Gates, pod: Pod, executor_image: str
) -> None:
    ended = gates["pod"].result()
    assert ended.exit_code == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert report["driver"]["pod"] == pod.name
    assert report["executors"]["images"] == [executor_image]
    assert not made_by_the_gate(pod.notebook.kube)
    left = in_tmp(pod.notebook) - pod.before
    assert not {each for each in left if each.startswith("parity")}
    command = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    assert "SparkSubmit" not in pod.notebook.place.exec("sh", "-c", command).stdout


def refused(kube: Kube, *words: str, kind: type[SparkyardError]) -> str:
    """Run the gate, see that it ends in an error of a kind and leaves nothing; return its text."""
    with pytest.raises(kind) as error:
        parity.main(["--cluster", "--namespace", kube.namespace, *words])
    assert type(error.value) is kind
    assert not made_by_the_gate(kube)
    return f"{error.value.what}\n{error.value.remedy}"


def test_a_namespace_that_is_not_there_is_named(spark: Kube) -> None:
    with pytest.raises(ClusterAbsentError, match="no-such-namespace"):
        parity.main(["--cluster", "--namespace", "no-such-namespace", *images("d", "e")])
    assert not made_by_the_gate(spark)


def test_a_service_account_that_is_not_there_is_named(spark: Kube) -> None:
    words = [*images("d", "e"), "--service-account", "nobody"]
    assert '"nobody" not found' in refused(spark, *words, kind=ClusterAbsentError)


def test_a_pod_that_is_not_there_is_named(spark: Kube) -> None:
    assert "no-such-pod" in refused(spark, "--pod", "no-such-pod", kind=ClusterAbsentError)


@contextmanager
def kubeconfig_of(kube: Kube, token: str, directory: Path) -> Iterator[None]:
    """Be somebody else for a while."""
    file = directory / "kubeconfig"
    file.write_text(kube.kubeconfig_of(token), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(file))
        yield


def test_whoever_may_not_start_pods_is_told(spark: Kube, tmp_path: Path) -> None:
    with kubeconfig_of(spark, spark.token("spark-executor"), tmp_path):
        error = pytest.raises(ClusterRightsError)
        with error as refusal:
            parity.main(["--cluster", "--namespace", spark.namespace, *images("d", "e")])
    assert "cannot create resource" in refusal.value.what
    assert not made_by_the_gate(spark)


def test_credentials_that_expired_are_told(spark: Kube, tmp_path: Path) -> None:
    with kubeconfig_of(spark, secrets.token_hex(20), tmp_path):
        error = pytest.raises(ClusterRightsError, match="does not accept")
        with error as refusal:
            parity.main(["--cluster", *images("d", "e")])
    assert os.environ["KUBECONFIG"] not in refusal.value.what
