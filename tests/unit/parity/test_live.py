"""Does the live gate read pods right, and does each thing that goes wrong say what to do?"""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sparkyard.commands import parity as command
from sparkyard.errors import (
    ClusterAbsentError,
    ClusterJobError,
    ClusterNotConfiguredError,
    ClusterRefusedError,
    ClusterRightsError,
    ClusterUnreachableError,
    PodStartError,
    SparkyardError,
    UnknownNameError,
)
from sparkyard.facts import facts
from sparkyard.facts.facts import Facts
from sparkyard.kubernetes import cluster
from sparkyard.parity import live, live_job, live_pods, parity
from sparkyard.parity.live_pods import Request
from sparkyard.parity.live_result import Lines, found, job_failure, out_of_time
from sparkyard.parity.live_run import Watched
from sparkyard.parity.rows import Verdict
from tests.unit.parity.test_parity import GOOD, PYTHON, package

REQUEST = Request("parity-1", "spark", "driver:1", "executors:1", 2, "notebook", 60)


# --- the kubeconfig -------------------------------------------------------------------------


def kubeconfig(tmp_path: Path, server: str = "http://127.0.0.1:1", **more: Any) -> dict[str, str]:
    """Write a kubeconfig and return the environment that names it."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "s3cret-token"}}],
        "contexts": [
            {"name": "test", "context": {"cluster": "c", "user": "u", "namespace": "spark"}}
        ],
        "current-context": "test",
        **more,
    }
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(content))
    return {"KUBECONFIG": str(file), "HOME": str(tmp_path)}


def test_without_a_kubeconfig_it_says_which_variable_to_set(tmp_path: Path) -> None:
    with pytest.raises(ClusterNotConfiguredError, match="KUBECONFIG is not set"):
        cluster.connect(environment={"HOME": str(tmp_path)})


def test_a_kubeconfig_in_the_home_directory_is_taken_as_kubectl_takes_it(tmp_path: Path) -> None:
    named = Path(kubeconfig(tmp_path)["KUBECONFIG"])
    (tmp_path / ".kube").mkdir()
    named.rename(tmp_path / ".kube" / "config")
    assert cluster.connect(environment={"HOME": str(tmp_path)}).namespace == "spark"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterNotConfiguredError, match="no such file"):
        cluster.connect(environment={"KUBECONFIG": str(tmp_path / "absent")})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("token: s3cret\n  bad: [", "not YAML"),
        ("just a s3cret text", "no mapping"),
        ("", "no mapping"),
        ("contexts: [s3cret]", "contexts are no list"),
        ("contexts:\n- name: a\ncurrent-context: a", "is no kubeconfig"),
        (
            "contexts:\n- name: a\n  context: {cluster: gone, user: s3cret}\ncurrent-context: a",
            "is no kubeconfig",
        ),
    ],
)
def test_what_is_no_kubeconfig_is_refused_and_not_quoted(
    tmp_path: Path, content: str, why: str
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(content)
    with pytest.raises(ClusterNotConfiguredError, match=why) as refused:
        cluster.connect(environment={"KUBECONFIG": str(file)})
    assert str(file) in refused.value.what
    assert "s3cret" not in refused.value.what + refused.value.remedy + refused.value.detail


def test_a_binary_file_is_no_kubeconfig(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClusterNotConfiguredError, match="no text"):
        cluster.connect(environment={"KUBECONFIG": str(file)})


def test_an_unknown_context_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="tset") as refused:
        cluster.connect("tset", kubeconfig(tmp_path))
    assert "test" in refused.value.remedy


def test_without_a_current_context_it_asks_for_one(tmp_path: Path) -> None:
    environment = kubeconfig(tmp_path, **{"current-context": ""})
    with pytest.raises(ClusterNotConfiguredError, match="no current context") as refused:
        cluster.connect(environment=environment)
    assert "test" in refused.value.remedy


# --- an API server that does not want to ----------------------------------------------------


class Answers(BaseHTTPRequestHandler):
    """Gives every request the answer that its server was made with."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer, or keep silent."""
        status, message = self.server.answer  # type: ignore[attr-defined]
        if not status:
            self.server.silence.wait(20)  # type: ignore[attr-defined]
            return
        body = json.dumps({"kind": "Status", "message": message}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """Something that answers HTTP, on a free port."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    made.daemon_threads = True
    made.silence = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.silence.set()  # type: ignore[attr-defined]
    made.shutdown()
    made.server_close()


def reached(tmp_path: Path, server: ThreadingHTTPServer, answer: tuple[int, str]) -> Any:
    server.answer = answer  # type: ignore[attr-defined]
    address = f"http://127.0.0.1:{server.server_address[1]}"
    return cluster.connect(environment=kubeconfig(tmp_path, address))


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "Unauthorized", ClusterRightsError),
        (403, 'pods is forbidden: User "ann" cannot list resource "pods"', ClusterRightsError),
        (403, 'pods "x" is forbidden: exceeded quota: small', ClusterRefusedError),
        (403, 'pods "x" is forbidden: violates PodSecurity "restricted"', ClusterRefusedError),
        (404, 'namespaces "spark" not found', ClusterAbsentError),
        (422, "spec.image: Required value", ClusterRefusedError),
        (503, "no endpoints", ClusterUnreachableError),
    ],
)
def test_each_refusal_of_the_api_server_is_an_error_of_its_own(
    tmp_path: Path,
    server: ThreadingHTTPServer,
    status: int,
    message: str,
    kind: type[SparkyardError],
) -> None:
    asked = reached(tmp_path, server, (status, message))
    with pytest.raises(kind) as refused:
        asked.ask("list_namespaced_pod", "spark", doing="list pods in namespace spark")
    assert status == 401 or message in refused.value.what
    assert "s3cret" not in refused.value.what


def test_an_answer_is_the_json_of_the_api(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    asked = reached(tmp_path, server, (200, "yes"))
    assert asked.ask("list_namespaced_pod", "spark", doing="list")["message"] == "yes"


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(ClusterUnreachableError, match="nothing listens there"):
        cluster.connect(environment=kubeconfig(tmp_path)).reach()


def test_a_server_that_says_nothing_is_unreachable_in_time(
    tmp_path: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 2 * cluster.CONNECT_SECONDS < 15
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.2)
    with pytest.raises(ClusterUnreachableError, match="no answer"):
        reached(tmp_path, server, (0, "")).reach()


def test_what_speaks_no_tls_is_said_to(tmp_path: Path, server: ThreadingHTTPServer) -> None:
    address = f"https://127.0.0.1:{server.server_address[1]}"
    with pytest.raises(ClusterUnreachableError, match="TLS"):
        cluster.connect(environment=kubeconfig(tmp_path, address)).reach()


# --- what pods say --------------------------------------------------------------------------


def pod(name: str = "parity-1-exec-1", phase: str = "Pending", **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {}},
        "spec": {"containers": [{"name": "executor", "image": "executors:1"}]},
        "status": {"phase": phase, **status},
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}


UNSCHEDULABLE: dict[str, Any] = {
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient memory.",
        }
    ]
}
KILLED: dict[str, Any] = {
    "containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]
}


def test_a_pod_is_told_in_one_line() -> None:
    assert live_pods.in_words(pod()) == "parity-1-exec-1: Pending"
    assert "Insufficient memory" in live_pods.in_words(pod(**UNSCHEDULABLE))
    assert live_pods.in_words(pod(phase="Failed", **KILLED)).endswith("OOMKilled, exit code 137")
    assert "ImagePullBackOff: no" in live_pods.in_words(pod(**waiting("ImagePullBackOff", "no")))


def test_an_image_that_cannot_be_pulled_is_hopeless_and_a_full_node_is_not() -> None:
    assert live_pods.hopeless(pod(**waiting("ImagePullBackOff")), 0)
    assert not live_pods.hopeless(pod(**waiting("ErrImagePull")), 1)
    assert live_pods.hopeless(pod(**waiting("ErrImagePull")), 10)
    assert not live_pods.hopeless(pod(**UNSCHEDULABLE), 1000)
    assert not live_pods.hopeless(pod(**waiting("ContainerCreating")), 1000)


def test_a_hopeless_pod_ends_the_wait_and_names_its_image() -> None:
    stuck = pod(**waiting("ImagePullBackOff", "Back-off pulling image"))
    with pytest.raises(PodStartError, match="executors:1: Back-off pulling image"):
        Watched(REQUEST).look([stuck], "", lambda _: "")


def test_what_kept_an_image_away_is_told_and_not_that_there_will_be_another_try() -> None:
    watched = Watched(REQUEST)
    watched.look([pod(**waiting("ErrImagePull", "no such host"))], "", lambda _: "")
    with pytest.raises(PodStartError, match="executors:1: no such host"):
        watched.look([pod(**waiting("ImagePullBackOff", "Back-off"))], "", lambda _: "")


def test_executors_that_fail_again_end_the_wait_with_the_log_of_one() -> None:
    failed = [pod(f"e{number}", "Failed", **KILLED) for number in (1, 2)]
    watched = Watched(REQUEST)
    watched.look(failed[:1], "", lambda _: "")
    with pytest.raises(PodStartError, match="OOMKilled") as refused:
        watched.look(failed, "", lambda name: f"the end of {name}")
    assert refused.value.detail == "the end of e2"


QUOTA = (
    "io.fabric8.kubernetes.client.KubernetesClientException: Failure executing: POST at: https://"
    'x/api/v1/namespaces/spark/pods. Message: pods "e" is forbidden: exceeded quota: small, '
    "requested: pods=1. Received status: Status(apiVersion=v1)"
)
FORBIDDEN = (
    'Message: pods is forbidden: User "system:serviceaccount:spark:bare" cannot create resource '
    '"pods" in API group "". Received status: Status(code=403)'
)


def test_a_driver_that_may_not_make_executors_is_told_apart_from_a_full_quota() -> None:
    with pytest.raises(ClusterRefusedError, match=r"exceeded quota: small, requested: pods=1\.$"):
        Watched(REQUEST).look([], f"WARN x\n{QUOTA}\nat y", lambda _: "")
    with pytest.raises(ClusterRightsError, match="cannot create resource") as refused:
        Watched(REQUEST).look([], FORBIDDEN, lambda _: "")
    assert "service account notebook" in refused.value.remedy


def test_the_end_of_the_time_says_what_each_executor_waits_for() -> None:
    error = out_of_time(REQUEST, [pod("parity-1", "Running"), pod(**UNSCHEDULABLE)], "")
    assert "asked for: 2. After 60 s 0 of them run." in error.what
    assert "Insufficient memory" in error.what
    running = [pod(f"e{number}", "Running") for number in (1, 2)]
    assert "did not register" in out_of_time(REQUEST, running, "").what


def test_the_notebook_is_found_among_its_pods_containers() -> None:
    def of(names: list[str], notes: dict[str, str] | None = None) -> str:
        return live_pods.container_of(
            {
                "metadata": {"annotations": notes},
                "spec": {"containers": [{"name": name} for name in names]},
            }
        )

    assert of(["proxy", "notebook"]) == "notebook"
    assert of(["proxy", "other"]) == "proxy"
    assert of(["proxy", "other"], {"kubectl.kubernetes.io/default-container": "other"}) == "other"


def test_the_drivers_pod_has_no_more_rights_on_its_node_than_any_other() -> None:
    made = live_pods.driver_pod(REQUEST)["spec"]
    template = json.loads(live_pods.config_map(REQUEST)["data"]["executor.json"])["spec"]
    for spec in (made, template):
        (container,) = spec["containers"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
    assert template["automountServiceAccountToken"] is False
    assert made["serviceAccountName"] == "notebook"


# --- the job and its lines ------------------------------------------------------------------


def written(text: dict[str, Any], run: str = "parity-1") -> str:
    return f"\n{run} {json.dumps(text)}\n"


def delivered(capsys: pytest.CaptureFixture[str], result: dict[str, Any]) -> str:
    live_job.deliver({"run": "parity-1"}, result)
    return capsys.readouterr().out


def test_a_result_comes_back_whole_from_a_log_with_other_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = {"driver": "".join(str(number**5) for number in range(9000)), "failed": {}}
    text = delivered(capsys, result)
    assert text.count("\n") > 6
    assert all(len(line) < 16000 for line in text.splitlines())
    lines = Lines("parity-1")
    half = len(text) // 2
    lines.take(f"WARN something\n{text[:half]}")
    assert not lines.complete
    lines.take(f"WARN something\n{text}\nparity-2 {{}}")
    assert lines.complete
    assert lines.result() == result


def test_a_damaged_result_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines("parity-1")
    lines.take(delivered(capsys, {"driver": "x" * 100}))
    lines.parts[0] = lines.parts[0][::-1]
    with pytest.raises(ClusterJobError, match="damaged"):
        lines.result()


def packed(document: Facts) -> str:
    text = json.dumps(dataclasses.asdict(document))
    return base64.b64encode(zlib.compress(text.encode())).decode()


def test_facts_bear_the_names_of_their_pods() -> None:
    result: dict[str, Any] = {
        "driver": packed(GOOD),
        "driver_failed": None,
        "executors": [{"pods": ["e1", "e2"], "facts": packed(GOOD)}],
        "failed": {},
        "spark": "3.5.9",
    }
    seen = found(REQUEST, result, [pod("e1"), pod("parity-1")])
    assert seen.driver.subject == "parity-1"
    assert {name: each.subject for name, each in seen.executors.items()} == {"e1": "e1", "e2": "e2"}
    assert replace(seen.driver, subject="") == replace(GOOD, subject="")
    result["executors"][0]["pods"].pop()
    with pytest.raises(ClusterJobError, match="Only 1 of 2 executors were looked into: e1"):
        found(REQUEST, result, [])
    result["failed"] = {"e2": "no Python"}
    with pytest.raises(ClusterJobError, match="e2: no Python"):
        found(REQUEST, result, [])


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        ({"failed": "Py4JJavaError: no class", "kind": "job"}, ClusterJobError, "no class"),
        ({"failed": "local[*]", "kind": "master"}, ClusterJobError, "no Kubernetes"),
        ({"failed": "no end", "kind": "time"}, PodStartError, "did not register|0 of them run"),
        ({"failed": QUOTA, "kind": "job"}, ClusterRefusedError, "exceeded quota"),
        ({}, ClusterJobError, "command not found"),
    ],
)
def test_a_job_without_a_result_says_why(
    said: dict[str, str], kind: type[SparkyardError], text: str
) -> None:
    lines = Lines("parity-1")
    lines.take(written(said))
    error = job_failure(REQUEST, lines, f"{written(said)}sh: spark: command not found\n", [])
    assert isinstance(error, kind)
    assert any(word in error.what for word in text.split("|"))


def probe(collector: str, **environment: str) -> dict[str, Any]:
    """Run the probe as an executor would, with a collector that is given as text."""
    program = json.loads(live_pods.given(REQUEST, {}, attached=False))["probe"]
    whole = facts.collector_source()
    assert repr(whole) in program
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-"],
        input=program.replace(repr(whole), repr(collector)),
        capture_output=True, text=True, check=True, timeout=60,
        env={"PATH": "/usr/bin:/bin", **environment},
    )  # fmt: skip
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


def test_the_probe_looks_once_in_an_executor_and_names_its_pod(tmp_path: Path) -> None:
    environment = {
        "SPARK_EXECUTOR_POD_NAME": "parity-1-exec-7",
        "SPARK_EXECUTOR_ID": "7",
        "TMPDIR": str(tmp_path),
    }
    first = probe("def collect():\n    return {'a': 1}", **environment)
    assert first["pod"] == "parity-1-exec-7"
    assert json.loads(zlib.decompress(base64.b64decode(first["facts"]))) == {"a": 1}
    assert probe("def collect():\n    return {'a': 1}", **environment)["facts"] is None


def test_the_probe_leaves_nothing_in_a_drivers_pod(tmp_path: Path) -> None:
    assert probe("def collect():\n    return {}", TMPDIR=str(tmp_path))["facts"]
    assert not list(tmp_path.iterdir())


def test_a_collector_that_fails_is_told_and_fails_nothing_else(tmp_path: Path) -> None:
    said = probe("def collect():\n    raise OSError('disk')", TMPDIR=str(tmp_path))
    assert said["facts"] is None
    assert said["failed"] == "OSError: disk"


def test_the_job_reads_its_document_and_no_more() -> None:
    document = json.dumps({"job": "print(GIVEN['x'], sys.stdin.read())", "x": "é"})
    ended = subprocess.run(
        ["/bin/sh", "-c", live_pods.FIND_DRIVER_PYTHON, "sh",
         live_pods.READ_GIVEN, str(len(document))],
        input=f"{document}rest", capture_output=True, text=True, check=True, timeout=60,
        env={"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8",
             "PYSPARK_DRIVER_PYTHON": "jupyter", "PYSPARK_PYTHON": sys.executable},
    )  # fmt: skip
    assert ended.stdout == "é rest\n"


# --- the table ------------------------------------------------------------------------------

OTHER_PANDAS = replace(
    GOOD, interpreters=(replace(PYTHON, packages=(package("pandas", "2.1.4"),)),)
)


def test_rows_that_are_equal_over_all_pods_stand_once_and_name_none() -> None:
    rows = live.compare(GOOD, {"e1": GOOD, "e2": replace(GOOD, subject="e2")})
    assert live.report(rows).holds
    assert all(each.everywhere and each.pods == ("e1", "e2") for each in rows)
    names = [each.row.name for each in rows]
    assert len(names) == len(set(names))
    assert not any("[e1" in each.shown.executors for each in rows)


def test_a_row_that_one_pod_fails_names_that_pod() -> None:
    rows = live.compare(GOOD, {"e1": GOOD, "e2": OTHER_PANDAS})
    report = live.report(rows)
    (pandas,) = [row for row in report.failures if row.name == "package pandas"]
    assert pandas.executors == "2.1.4 [e2]"
    assert pandas.driver == "2.3.3"
    assert len([row for row in report.rows if row.name == "Java version"]) == 1


def test_a_configuration_that_spark_mounts_over_is_no_difference() -> None:
    mounted = replace(GOOD, conf=replace(GOOD.conf, defaults=None, defaults_path=None))
    rows = live.compare(GOOD, {"e1": mounted})
    (conf,) = [each.row for each in rows if each.row.name == "Spark configuration"]
    assert conf.verdict is Verdict.ALLOWED
    assert conf.why == live.GIVEN_BY_DRIVER
    assert live.report(rows).holds


@pytest.mark.parametrize("on_executors", [True, False])
def test_a_home_that_is_a_volume_is_no_difference_of_pods(on_executors: bool) -> None:
    home = {"/home/jovyan": "mounted: the user's own files"}
    mounted = replace(GOOD, files={**GOOD.files, **home})
    driver, executors = (GOOD, mounted) if on_executors else (mounted, GOOD)
    assert live.report(live.compare(driver, {"e1": executors})).holds


def test_executors_have_no_mounted_home_as_an_image() -> None:
    home = {"/home/jovyan": "mounted: the user's own files"}
    report = parity.compare(GOOD, replace(GOOD, files={**GOOD.files, **home}))
    assert [row.name for row in report.failures] == ["file /home/jovyan"]


def test_a_configuration_of_an_executors_own_must_agree() -> None:
    edited = {**(GOOD.conf.defaults or {}), "spark.sql.shuffle.partitions": "7"}
    other = replace(GOOD, conf=replace(GOOD.conf, defaults=edited))
    report = live.report(live.compare(GOOD, {"e1": other}))
    assert [row.name for row in report.failures] == ["conf spark.sql.shuffle.partitions"]


# --- the command ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["--namespace", "spark"],
        ["--pod", "x"],
        ["--cluster", "--executors", "0"],
        ["--cluster", "--executors", "two"],
        ["--cluster", "--timeout", "1"],
        ["--cluster", "--pod", "x", "--driver", "image"],
        ["--cluster", "--pod", "x", "--service-account", "y"],
    ],
)
def test_options_that_make_no_sense_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        command.main(words)
    assert refused.value.code == 2
    assert "--" in capsys.readouterr().err.splitlines()[-1]


def test_the_gate_on_a_cluster_needs_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ClusterNotConfiguredError):
        command.main(["--cluster"])
