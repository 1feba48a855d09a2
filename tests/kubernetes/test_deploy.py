"""Does what lies under deploy/kubernetes apply, do what it says, and change as the docs say?"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

from sparkyard import paths
from sparkyard.kubernetes.access import MANIFESTS
from tests.kubernetes.kube import Document, Kube, Pod, manifests
from tests.support import Lab, must

PAGE = paths.ROOT / "docs" / "deploy-kubernetes.md"
EXAMPLES = MANIFESTS / "examples"


@dataclass(frozen=True)
class Site:
    """The overlay of the docs, with a namespace and images that exist here, as it was applied."""

    kube: Kube
    directory: Path
    first: str
    """What kubectl wrote when it was applied."""

    def apply(self, *words: str) -> str:
        return must(self.kube.ctl("apply", "--kustomize", str(self.directory), *words, check=False))


def overlay(place: Path) -> Path:
    """Write the overlay of the docs, beside the manifests, and return its directory."""
    shutil.copytree(MANIFESTS, place / "sparkyard" / "deploy" / "kubernetes")
    (place / "site").mkdir()
    text = PAGE.read_text(encoding="utf-8")
    for name, content in re.findall(r"`site/([\w.]+)`\n\n```yaml\n(.*?)```", text, re.DOTALL):
        (place / "site" / name).write_text(content, encoding="utf-8")
    return place / "site"


def built(kube: Kube, directory: Path) -> list[Document]:
    """Return what kustomize makes of a directory."""
    return list(yaml.safe_load_all(must(kube.ctl("kustomize", str(directory)))))


def changed(directory: Path, old: str, new: str) -> None:
    """Replace a text in the files of a directory, where it must be."""
    files = [file for file in directory.iterdir() if old in file.read_text()]
    assert files, f"no {old} in {directory}"
    for file in files:
        file.write_text(file.read_text().replace(old, new))


@pytest.fixture(scope="module")
def applied(
    admin: Kube,
    lab: Lab,
    driver_image: str,
    executor_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    directory = overlay(tmp_path_factory.mktemp("deploy"))
    namespace = f"{lab.name('deploy')}-{secrets.token_hex(2)}"
    label, _, value = lab.label.partition("=")
    changed(directory, "analysis", namespace)
    for image in (driver_image, executor_image):
        name, _, tag = image.rpartition(":")
        other = f"registry.example.com/team/{name.rpartition('/')[2]}\n    newTag: 1.4.0"
        changed(directory, other, f"{name}\n    newTag: {tag}")
    kube = Kube(admin.kubeconfig, namespace)
    # The history server's own: this run has no S3, and its logs lie on the pod's own volume.
    changed(
        directory.parent / "sparkyard/deploy/kubernetes/examples",
        "s3a://spark/events/",
        "file:/tmp",
    )
    try:
        first = must(kube.ctl("apply", "--kustomize", str(directory), check=False))
        admin.ctl("label", "namespace", namespace, f"{label}={value}")
        kube.ctl(
            "create",
            "secret",
            "generic",
            "hadoop-conf",
            "--from-literal=core-site.xml=<configuration/>",
        )
        yield Site(kube, directory, first)
    finally:
        admin.ctl("delete", "namespace", namespace, "--wait=false", check=False)
        words = ["delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false"]
        kube.ctl(*words, check=False)


def test_all_is_made_in_the_sites_own_namespace(applied: Site) -> None:
    declared = built(applied.kube, applied.directory)
    assert len(applied.first.splitlines()) == len(declared)
    for each in declared:
        if each["kind"] == "Namespace":
            assert each["metadata"]["name"] == applied.kube.namespace
        else:
            assert each["metadata"]["namespace"] == applied.kube.namespace
            applied.kube.ctl("get", each["kind"], each["metadata"]["name"])
        for subject in each.get("subjects", ()):
            assert subject["namespace"] == applied.kube.namespace


def test_applied_again_nothing_changes(applied: Site) -> None:
    assert [line for line in applied.apply().splitlines() if not line.endswith(" unchanged")] == []


def test_a_changed_quota_changes_that_alone(applied: Site) -> None:
    changed(applied.directory, '"128"', '"96"')
    lines = [line for line in applied.apply().splitlines() if not line.endswith(" unchanged")]
    assert lines == ["resourcequota/spark configured"]


def test_without_an_overlay_all_is_in_the_namespace_spark(admin: Kube) -> None:
    made = built(admin, MANIFESTS) + built(admin, EXAMPLES)
    assert {each["metadata"].get("namespace", each["metadata"]["name"]) for each in made} == {
        "spark"
    }
    declared = manifests(MANIFESTS, [each["kind"] for each in made])
    assert len(made) == len(declared) + len(manifests(EXAMPLES, ["Deployment", "Service"]))


def test_the_overlay_sets_images_and_quota(tmp_path: Path, admin: Kube) -> None:
    made = built(admin, overlay(tmp_path))
    pods = [each["spec"]["template"]["spec"] for each in made if each["kind"] == "Deployment"]
    assert {box["image"] for pod in pods for box in pod["containers"]} == {
        "registry.example.com/team/datascience-notebook:1.4.0",
        "registry.example.com/team/spark-executors:1.4.0",
    }
    (quota,) = [each["spec"]["hard"] for each in made if each["kind"] == "ResourceQuota"]
    (own,) = [each["spec"]["hard"] for each in manifests(MANIFESTS, ["ResourceQuota"])]
    assert quota == own | {"requests.cpu": "128"}


def pod(image: str, **fields: object) -> Document:
    box = {"name": "main", "image": image, "command": ["sleep", "60"], **fields}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"test-{secrets.token_hex(2)}"},
        "spec": {"containers": [box], "serviceAccountName": "spark-executor"},
    }


def dry_run(applied: Site, document: Document) -> tuple[Document, str]:
    """Return what the API server would make of a document, and why it refuses to."""
    words = ["create", "--dry-run=server", "--output", "json", "--filename", "-"]
    ended = applied.kube.ctl(*words, stdin=json.dumps(document), check=False)
    made: Document = json.loads(ended.stdout) if ended.exit_code == 0 else {}
    return made, ended.stderr


def test_a_pod_that_names_no_resources_gets_some(applied: Site, executor_image: str) -> None:
    made, why = dry_run(applied, pod(executor_image))
    assert made, why
    assert made["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "250m", "memory": "512Mi"},
        "limits": {"memory": "2Gi"},
    }


def test_a_pod_of_the_executors_account_gets_no_token(applied: Site, executor_image: str) -> None:
    made, why = dry_run(applied, pod(executor_image))
    assert made, why
    assert made["spec"].get("volumes", []) == []


def test_the_quota_refuses_what_is_too_much(applied: Site, executor_image: str) -> None:
    asked = {"requests": {"cpu": "200", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
    made, why = dry_run(applied, pod(executor_image, resources=asked))
    assert not made
    assert "exceeded quota: spark, requested: requests.cpu=200" in why


def test_a_container_with_too_much_memory_is_refused(applied: Site, executor_image: str) -> None:
    asked = {"requests": {"cpu": "1", "memory": "65Gi"}, "limits": {"memory": "65Gi"}}
    made, why = dry_run(applied, pod(executor_image, resources=asked))
    assert not made
    assert "maximum memory usage per Container is 64Gi" in why


@pytest.mark.parametrize("kind", ["LoadBalancer", "NodePort"])
def test_no_service_opens_the_namespace_to_the_outside(applied: Site, kind: str) -> None:
    made, why = dry_run(
        applied,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "open"},
            "spec": {"type": kind, "ports": [{"port": 80, "protocol": "TCP"}]},
        },
    )
    assert not made
    assert "exceeded quota" in why


@pytest.mark.parametrize("name", ["notebook", "history"])
def test_the_examples_run(applied: Site, name: str) -> None:
    applied.kube.ctl("rollout", "status", f"deployment/{name}", "--timeout=120s", timeout=130)


@pytest.mark.parametrize("name", ["notebook", "history"])
def test_nothing_can_be_written_but_on_volumes(applied: Site, name: str) -> None:
    example = running(applied, name)
    script = 'for d; do touch "$d/x" 2>/dev/null && echo "$d"; done; id -u'
    places = ["/", "/opt/work", "/etc", "/opt/spark", "/tmp"]  # noqa: S108 - in the pod
    assert must(example.exec("sh", "-c", script, "-", *places)).split() == [places[-1], "1000"]
    assert must(example.exec("sh", "-c", "grep CapEff /proc/1/status")).split() == [
        "CapEff:",
        "0" * 16,
    ]


def running(applied: Site, name: str) -> Pod:
    label = f"app.kubernetes.io/name={name}"
    (found,) = applied.kube.get("pods", "--selector", label)
    return Pod(applied.kube, found["metadata"]["name"])


def test_the_readmes_session_runs_in_the_notebook(applied: Site) -> None:
    readme = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"exec deployment/notebook -- python -c '(.*?)'$", readme, re.M | re.S)
    assert shown
    words = ["deployment/notebook", "--", "python", "-c", shown[1]]
    ended = applied.kube.ctl("exec", *words, timeout=200)
    assert f"Row(sum(id)={sum(range(1_000_000))})" in must(ended)
    logged = applied.kube.get("events")
    made = {each["involvedObject"]["name"] for each in logged if each["reason"] == "Created"}
    assert any("-exec-" in name for name in made), "it ran on no executor's pod"


def test_the_history_server_answers_and_has_no_token(applied: Site) -> None:
    history = running(applied, "history")
    ask = "import urllib.request as r; print(r.urlopen('http://localhost:18080/api/v1/version').read())"
    assert '"spark"' in must(history.exec("python", "-c", ask))
    assert history.exec("ls", "/var/run/secrets/kubernetes.io", check=False).exit_code != 0
