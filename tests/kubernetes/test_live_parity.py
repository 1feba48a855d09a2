"""Does the gate look into what really runs on a cluster, refuse what differs, and leave nothing?"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sparkyard import paths
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
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Kube

LABEL = "io.sparkyard.parity"
PAIRS = {pair.name: pair for pair in BROKEN_PAIRS}
DEAF = BrokenPair("deaf", "", ('ENTRYPOINT ["sh", "-c", "sleep 600"]',))
"""Executors that start, and never speak to their driver."""


def made_by_the_gate(kube: Kube) -> list[str]:
    """Return what a run has left in a namespace."""
    pods = kube.get("pods", "--selector", LABEL)
    maps = kube.get("configmaps", "--selector", LABEL) + kube.get(
        "configmaps", "--selector", "spark-role=executor"
    )
    return [each["metadata"]["name"] for each in [*pods, *maps]]


def refused(kube: Kube, *words: str, kind: type[SparkyardError]) -> str:
    """Run the gate, see that it ends in an error of a kind and leaves nothing; return its text."""
    with pytest.raises(kind) as error:
        parity.main(["--cluster", "--namespace", kube.namespace, *words])
    assert type(error.value) is kind
    assert not made_by_the_gate(kube)
    return f"{error.value.what}\n{error.value.remedy}"


def test_the_familys_own_pair_agrees_in_every_pod(
    spark: Kube, driver_image: str, executor_image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--driver", driver_image, "--executor", executor_image, "--json"]
    began = time.monotonic()
    assert parity.main(["--cluster", "--namespace", spark.namespace, *words]) == 0
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    report = json.loads(capsys.readouterr().out)
    assert report["holds"]
    assert len(report["executors"]["pods"]) == 2
    assert report["executors"]["images"] == [executor_image]
    assert report["driver"]["images"] == [driver_image]
    rows = {row["name"]: row for row in report["rows"]}
    assert all(row["pods"] == report["executors"]["pods"] for row in report["rows"])
    assert rows["PYTHONPATH"]["verdict"] == "agrees"
    assert rows["Spark configuration"]["verdict"] == "agrees"
    assert int(rows["Python packages, versions"]["executors"].split()[0]) > 20
    assert not made_by_the_gate(spark)


@pytest.mark.parametrize("name", ["pandas", "python-patch"])
def test_an_executor_that_was_changed_is_refused_and_named(
    spark: Kube,
    driver_image: str,
    executor_image: str,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pair = PAIRS[name]
    with broken(pair, executor_image) as image:
        words = ["--driver", driver_image, "--executor", image, "--executors", "1", "--json"]
        text = refused(spark, *words, kind=ParityError)
    assert pair.row in text
    assert image in text
    report = json.loads(capsys.readouterr().out)
    assert [row for row in report["rows"] if row["fails"] and row["name"].startswith(pair.row)]


def test_a_notebook_that_runs_is_the_driver_where_it_is_named(
    inside: Notebook, executor_image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (notebook,) = inside.kube.get("pods", "--selector", "app.kubernetes.io/name=notebook")
    name = notebook["metadata"]["name"]
    before = inside.place.exec("sh", "-c", "ls -A /tmp").stdout
    words = ["--namespace", inside.kube.namespace, "--pod", name, "--executors", "1", "--json"]
    assert parity.main(["--cluster", *words]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["driver"]["pod"] == name
    assert report["executors"]["images"] == [executor_image]
    assert not made_by_the_gate(inside.kube)
    left = set(inside.place.exec("sh", "-c", "ls -A /tmp").stdout.split()) - set(before.split())
    assert not {each for each in left if each.startswith("parity")}
    processes = inside.place.exec("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
    assert "SparkSubmit" not in processes


@pytest.mark.parametrize("stopped_by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(
    spark: Kube, driver_image: str, executor_image: str, stopped_by: int
) -> None:
    words = ["parity", "--cluster", "--namespace", spark.namespace]
    words += ["--driver", driver_image, "--executor", executor_image]
    with subprocess.Popen([sys.executable, "-m", "sparkyard", *words], cwd=paths.ROOT) as started:
        spark.wait_for(lambda: spark.executors("Running"), "executor that runs")
        started.send_signal(stopped_by)
        assert started.wait(60) == 130
    assert not made_by_the_gate(spark)


def test_a_namespace_that_is_not_there_is_named(spark: Kube) -> None:
    with pytest.raises(ClusterAbsentError, match="no-such-namespace"):
        parity.main(["--cluster", "--namespace", "no-such-namespace", *images("d", "e")])
    assert not made_by_the_gate(spark)


def test_a_service_account_that_is_not_there_is_named(spark: Kube) -> None:
    words = [*images("d", "e"), "--service-account", "nobody"]
    assert '"nobody" not found' in refused(spark, *words, kind=ClusterAbsentError)


def test_a_pod_that_is_not_there_is_named(spark: Kube) -> None:
    assert "no-such-pod" in refused(spark, "--pod", "no-such-pod", kind=ClusterAbsentError)


def test_a_driver_without_rights_is_told_which_one_it_lacks(
    spark: Kube, driver_image: str, executor_image: str
) -> None:
    spark.ctl("create", "serviceaccount", "bare")
    words = [*images(driver_image, executor_image), "--service-account", "bare"]
    assert "bare" in refused(spark, *words, kind=ClusterRightsError)


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


def test_a_quota_that_is_used_up_is_told(
    spark: Kube, driver_image: str, executor_image: str
) -> None:
    quota: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "one-pod"},
        "spec": {"hard": {"pods": str(len(spark.get("pods")) + 1)}},
    }
    spark.apply(quota)
    used = f"jsonpath={{.items[?(@.metadata.name=='{quota['metadata']['name']}')].status.hard}}"
    spark.wait_for(lambda: spark.ctl("get", "quota", "-o", used).stdout, "quota in force")
    try:
        text = refused(spark, *images(driver_image, executor_image), kind=ClusterRefusedError)
    finally:
        spark.ctl("delete", "quota", "one-pod")
    assert "exceeded quota: one-pod" in text


def test_an_image_that_cannot_be_pulled_is_told_long_before_the_time_is_up(
    spark: Kube, driver_image: str
) -> None:
    absent = "localhost:1/absent:1"
    for words in (images(absent, "e"), images(driver_image, absent)):
        began = time.monotonic()
        assert absent in refused(spark, *words, "--executors", "1", kind=PodStartError)
        assert time.monotonic() - began < 90


def test_executors_that_never_register_are_waited_for_no_longer_than_asked(
    spark: Kube, driver_image: str, executor_image: str
) -> None:
    with broken(DEAF, executor_image) as image:
        words = [*images(driver_image, image), "--executors", "1", "--timeout", "90"]
        text = refused(spark, *words, kind=PodStartError)
    assert "did not register" in text
    assert "-exec-1: Running" in text


def test_a_driver_that_is_no_driver_is_told(spark: Kube, executor_image: str) -> None:
    bare = BrokenPair("no-spark", "", ('ENTRYPOINT ["sh", "-c", "echo no Spark here; exit 3"]',))
    with broken(bare, executor_image) as image:
        assert "no Spark here" in refused(
            spark, *images(image, executor_image), kind=ClusterJobError
        )


def images(driver: str, executor: str) -> list[str]:
    return ["--driver", driver, "--executor", executor]
