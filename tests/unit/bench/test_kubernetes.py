"""Are the bench's ratios honest, and does it show a cluster no more than it needs?"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from bench import __main__ as bench
from bench.kubernetes import images, measures, pods
from bench.kubernetes import namespace as namespaces
from bench.s3 import server as s3_server
from sparkyard.errors import ClusterJobError, ClusterNotConfiguredError
from sparkyard.kubernetes import access
from sparkyard.kubernetes.cluster import Cluster
from sparkyard.plan import plan


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    row = measures.ratio("on over off", [1, 4, 9], [2, 5, 10])
    assert (row.name, row.value, row.unit) == ("on over off", 0.8, "x")


def test_a_ratio_that_one_round_contradicts_says_so() -> None:
    row = measures.ratio("on over off", [9, 10, 11], [10, 10, 10])
    assert row.name == "on over off (rounds: 0.90 to 1.10)"


def test_rounds_that_do_not_belong_together_are_no_ratio() -> None:
    with pytest.raises(ValueError, match="shorter"):
        measures.ratio("on over off", [1, 2, 3], [1, 2])


def test_a_first_result_is_measured_against_the_same_session_of_the_other() -> None:
    rows = measures.first_result_rows(
        {"cluster cold": [20.0], "cluster warm": [10.0], "local cold": [5.0], "local warm": [1.0]}
    )
    assert {row.name.split(": ")[-1]: row.value for row in rows if row.unit == "x"} == {
        "2 executors over local[*]": 10.0,
        "second session over the first": 0.5,
    }
    assert 4.0 in [row.value for row in rows if row.unit == "x"]


def test_a_cluster_is_measured_only_where_that_is_asked_for() -> None:
    assert "kubernetes" in bench.PARTS
    assert "kubernetes" not in bench.DEFAULT


def test_without_a_cluster_nothing_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ClusterNotConfiguredError), namespaces.made(plan.site()):
        pytest.fail("there is no cluster")


def reached(directory: Path, **settings: Any) -> Cluster:
    configuration = client.Configuration()
    configuration.host = "https://cluster.example:6443"
    configuration.api_key = {"authorization": "Bearer of-the-user"}
    authority, key = directory / "ca.crt", directory / "user.key"
    authority.write_text("the authority")
    key.write_text("the user's key")
    configuration.ssl_ca_cert, configuration.key_file = str(authority), str(key)
    for name, value in settings.items():
        setattr(configuration, name, value)
    api = client.CoreV1Api(client.ApiClient(configuration))
    return Cluster(api, "test", configuration.host, "default")


def test_a_driver_is_shown_a_token_and_nothing_of_the_users_own(tmp_path: Path) -> None:
    text = access.kubeconfig(reached(tmp_path), "of-the-account", "spark")
    shown = json.loads(text)
    assert shown["contexts"][0]["context"]["namespace"] == "spark"
    assert shown["users"] == [{"name": "sparkyard", "user": {"token": "of-the-account"}}]
    entry = shown["clusters"][0]["cluster"]
    assert entry["server"] == "https://cluster.example:6443"
    assert base64.b64decode(entry["certificate-authority-data"]) == b"the authority"
    assert "insecure-skip-tls-verify" not in entry
    assert "of-the-user" not in text
    assert base64.b64encode(b"the user's key").decode() not in text


def test_a_cluster_that_is_not_verified_is_not_for_its_drivers_either(tmp_path: Path) -> None:
    shown = json.loads(access.kubeconfig(reached(tmp_path, verify_ssl=False), "any"))
    assert shown["clusters"][0]["cluster"]["insecure-skip-tls-verify"] is True


def test_the_rights_of_the_deployment_are_given_in_the_namespace_and_nowhere_else() -> None:
    found = access.rights("bench-1")
    kinds = {each["kind"] for each in found}
    assert kinds == {"ServiceAccount", "Role", "RoleBinding"}
    assert {each["metadata"]["namespace"] for each in found} == {"bench-1"}
    subjects = [one for each in found for one in each.get("subjects", ())]
    assert {one["namespace"] for one in subjects} == {"bench-1"}


def test_an_answer_is_found_behind_a_progress_bar() -> None:
    wrote = 'noise\n[Stage 0:>   (0 + 2) / 4]\r        \rBENCH {"on": [1.5]}\nBENCHMARK {}\n'
    assert namespaces.answer_in(wrote) == {"on": [1.5]}


def test_a_program_without_an_answer_is_an_error_with_its_last_lines() -> None:
    with pytest.raises(ClusterJobError) as caught:
        namespaces.answer_in("first\nlast words\n")
    assert "last words" in caught.value.detail


def added(name: str, image: str, kind: str = "ADDED") -> dict[str, Any]:
    pod = {"metadata": {"name": name}, "spec": {"containers": [{"image": image}]}}
    return {"type": kind, "object": pod}


def test_an_executor_belongs_to_the_last_pod_of_its_image() -> None:
    seen = pods.Seen()
    for at, event in enumerate(
        [added("one", "a"), added("two", "a"), added("three", "b"), added("four", "a")]
    ):
        seen.take(event, float(at))
    assert seen.before(2.5, "a") == 1.0
    assert seen.before(2.5, "b") == 2.0
    assert seen.before(1.5, "b") is None


def executor(image: str, registered: float, seconds: float) -> dict[str, Any]:
    return {"image": image, "registered": registered, "plain": seconds, "pandas": 2 * seconds}


def test_executors_are_measured_from_their_own_pods_creation() -> None:
    seen = pods.Seen()
    for at, image in enumerate(["own", "without", "shared"]):
        seen.take(added(f"pod-{image}", image), 100.0 * at)
    found = [
        executor("own", 4.0, 1.0),
        executor("without", 105.0, 2.0),
        executor("shared", 203.0, 1.0),
    ]
    started = ("own", "without", "shared")
    rows = {row.name: row.value for row in measures.executor_rows([0.5], found, seen, started)}
    assert rows["pod created to executor registered"] == 4.0
    assert rows["executor registered over a bare JVM pod of the same image"] == 8.0
    assert rows["executor registered: class-data archive over none"] == 0.75
    assert rows["first Python task: precompiled .pyc over none"] == 0.5
    assert rows["first pandas UDF: precompiled .pyc over none"] == 0.5


def test_an_executor_of_another_image_than_was_asked_for_is_no_measure() -> None:
    seen = pods.Seen()
    seen.take(added("one", "own"), 1.0)
    with pytest.raises(ClusterJobError, match="without"):
        measures.executor_rows([0.5], [executor("without", 2.0, 1.0)], seen, ("own", "without", ""))


def test_every_setting_is_divided_by_its_absence() -> None:
    rows = measures.session_rows(
        {
            "to_pandas": {"true": [1.0], "false": [4.0]},
            "blas": [[2.0], [4.0]],
            "collectors": [[10.0], [5.0], [15.0]],
            "committers": {"magic": [2.0], "file": [1.0]},
        }
    )
    assert [row.value for row in rows if row.unit == "x"] == [0.25, 0.5, 0.5, 1.5, 2.0]


def test_a_pod_is_created_once() -> None:
    seen = pods.Seen()
    seen.take(added("one", "a"), 1.0)
    seen.take(added("one", "a", "MODIFIED"), 2.0)
    seen.take(added("one", "a"), 3.0)
    seen.take({"type": "ERROR", "object": {"code": 410}}, 4.0)
    assert seen.created == {"one": 1.0}


def test_a_bare_pod_calls_back_only_when_its_jvm_has_run() -> None:
    pod = pods.bare_pod("bare", "image", "192.0.2.1", 4711)
    (container,) = pod["spec"]["containers"]
    assert "java -version && exec 3<>/dev/tcp/192.0.2.1/4711" in container["args"]


def test_a_heap_is_read_off_what_java_writes() -> None:
    said = "    uintx InitialHeapSize  := 33554432   {product}\n"
    said += "    uintx MaxHeapSize      := 536870912  {product}\n"
    assert measures.heap_in(said) == 536870912
    with pytest.raises(ClusterJobError):
        measures.heap_in("no such option")


def test_what_images_are_compared_is_all_built_from_the_executors() -> None:
    stages = [
        line.split()
        for line in (namespaces.PROGRAMS.with_name("Dockerfile")).read_text().splitlines()
        if line.startswith("FROM ")
    ]
    assert {words[1] for words in stages} == {"executors"}
    assert {words[3] for words in stages} == set(images.CHILDREN)


def test_the_s3_server_is_built_from_the_executors_and_named_once() -> None:
    dockerfile = (s3_server.SOURCE / "Dockerfile").read_text()
    assert "FROM executors AS build" in dockerfile.splitlines()
    assert (s3_server.SOURCE / "go.sum").exists()
    made = s3_server.recipe("a-bucket")
    assert made.arguments.keys() < set(re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE))
    of_spark, of_hadoop = (
        s3_server.settings("http://s3:1"),
        s3_server.settings("http://s3:1", "fs.s3a."),
    )
    assert of_spark == {f"spark.hadoop.{name}": value for name, value in of_hadoop.items()}
