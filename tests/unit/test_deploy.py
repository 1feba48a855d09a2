"""Do the manifests under deploy/kubernetes fit each other, and the pods that Spark makes?"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

from sparkyard import paths
from sparkyard.family import images
from tests.kubernetes.api_calls import Right, recorded, refused, rights_of, rights_taken

DEPLOY = paths.ROOT / "deploy/kubernetes"
EXAMPLES = DEPLOY / "examples"

Object = dict[str, Any]
Labels = dict[str, str]

# What Spark 3.5 sets on its pods; tests/kubernetes/test_rights.py compares it with real ones.
DRIVER = {"spark-role": "driver", "spark-app-selector": "spark-1", "spark-version": "3.5.9"}
EXECUTOR = {"spark-role": "executor", "spark-app-selector": "spark-1", "spark-exec-id": "1"}
NOTEBOOK = {"app.kubernetes.io/name": "notebook"}
SUBMIT = {"app.kubernetes.io/name": "spark-submit"}
HISTORY = {"app.kubernetes.io/name": "history"}
OTHER = {"app": "other"}


def read(directory: Path) -> Object:
    document: Object = yaml.safe_load((directory / "kustomization.yaml").read_text())
    return document


def objects(directory: Path) -> list[Object]:
    """Return what a kustomization's own files declare."""
    files = [(directory / name).read_text() for name in read(directory)["resources"]]
    return [document for text in files for document in yaml.safe_load_all(text)]


def of_kind(kind: str, directory: Path = DEPLOY) -> dict[str, Object]:
    found = [item for item in objects(directory) if item["kind"] == kind]
    return {item["metadata"]["name"]: item for item in found}


@pytest.mark.parametrize("directory", [DEPLOY, EXAMPLES], ids=["base", "examples"])
def test_every_file_is_applied(directory: Path) -> None:
    files = {path.name for path in directory.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(read(directory)["resources"]) == files


@pytest.mark.parametrize("directory", [DEPLOY, EXAMPLES], ids=["base", "examples"])
def test_only_kustomizations_name_a_namespace(directory: Path) -> None:
    """Otherwise an overlay with another namespace would leave something behind."""
    for item in objects(directory):
        for part in (item["metadata"], *item.get("subjects", ())):
            assert "namespace" not in part
    assert read(directory)["namespace"] in of_kind("Namespace")


def test_the_examples_run_images_of_the_family_set_by_kustomize() -> None:
    family = images.load()
    set_by = {item["name"]: item["newName"] for item in read(EXAMPLES)["images"]}
    assert set_by == {name: f"{family.namespace}/{name}" for name in set_by}
    used = {
        box["image"] for item in of_kind("Deployment", EXAMPLES).values() for box in boxes(item)
    }
    assert used == set(set_by) == set(family.pair)


def boxes(deployment: Object) -> list[Object]:
    found: list[Object] = deployment["spec"]["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize("name", sorted(of_kind("Deployment", EXAMPLES)))
def test_the_examples_are_hardened(name: str) -> None:
    pod = of_kind("Deployment", EXAMPLES)[name]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (box,) = pod["containers"]
    assert box["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    writable = {
        mount["mountPath"]
        for mount in box["volumeMounts"]
        if {"name": mount["name"], "emptyDir": {}} in pod["volumes"]
    }
    assert "/tmp" in writable  # noqa: S108 - a path in the container
    assert set(box["resources"]["requests"]) == {"cpu", "memory"}
    assert set(box["resources"]["limits"]) == {"memory"}


def test_only_accounts_with_rights_have_a_token() -> None:
    bound = {
        subject["name"]
        for binding in of_kind("RoleBinding").values()
        for subject in binding["subjects"]
    }
    tokens = {
        name: account["automountServiceAccountToken"]
        for name, account in of_kind("ServiceAccount").items()
    }
    assert tokens == {name: name in bound for name in tokens}
    assert set(tokens) - bound == {"spark-executor"}


def test_each_role_is_bound_to_the_account_of_its_name() -> None:
    bindings = of_kind("RoleBinding")
    assert set(bindings) == set(of_kind("Role"))
    for name, binding in bindings.items():
        assert binding["roleRef"]["kind"] == "Role"
        assert binding["roleRef"]["name"] == name
        assert [subject["name"] for subject in binding["subjects"]] == [name]


def rights(role: str) -> list[Right]:
    return list(rights_of(of_kind("Role")[role]))


@pytest.mark.parametrize("role", sorted(of_kind("Role")))
def test_rights_are_named_one_by_one_and_once(role: str) -> None:
    named = rights(role)
    assert len(named) == len(set(named))
    assert not any("*" in (right.group, right.resource, right.verb) for right in named)


@pytest.mark.parametrize("role", sorted(of_kind("Role")))
def test_no_role_reads_secrets_or_gets_into_pods(role: str) -> None:
    reached = {right.resource for right in rights(role)}
    assert reached & {"secrets", "pods/exec", "pods/attach", "pods/portforward"} == set()
    assert {right.group for right in rights(role)} == {""}


# --- The network policies, read as Kubernetes reads them ---


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod, or an address outside of the cluster."""

    labels: Labels | None = None
    namespace: Labels | None = None
    """The labels of the pod's namespace; None is the namespace of the policies."""
    address: str = ""


def selected(selector: Object, labels: Labels) -> bool:
    """Say whether a label selector, as Kubernetes defines it, matches."""
    checks = [labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()]
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        checks.append(labels.get(expression["key"]) in expression["values"])
    return all(checks)


def is_peer(peer: Object, end: End) -> bool:
    if "ipBlock" in peer:
        block = ipaddress.ip_network(peer["ipBlock"]["cidr"])
        return bool(end.address) and ipaddress.ip_address(end.address) in block
    if end.labels is None:
        return False
    if "namespaceSelector" in peer:
        inside = selected(peer["namespaceSelector"], end.namespace or {})
    else:
        inside = end.namespace is None
    return inside and selected(peer.get("podSelector", {}), end.labels)


def allowed_at(side: str, pod: End, other: End, port: int, protocol: str) -> bool:
    """Say whether the policies of one end allow the connection: "Ingress" or "Egress"."""
    if pod.labels is None or pod.namespace is not None:
        return True  # not a pod of this namespace: the policies say nothing of it
    policies = [
        policy["spec"]
        for policy in of_kind("NetworkPolicy").values()
        if side in policy["spec"]["policyTypes"]
        and selected(policy["spec"]["podSelector"], pod.labels)
    ]
    rules = [rule for policy in policies for rule in policy.get(side.lower(), [])]
    peers = "from" if side == "Ingress" else "to"
    return not policies or any(
        (not rule.get(peers) or any(is_peer(peer, other) for peer in rule[peers]))
        and (not rule.get("ports") or {"port": port, "protocol": protocol} in rule["ports"])
        for rule in rules
    )


def connects(source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    return allowed_at("Egress", source, target, port, protocol) and allowed_at(
        "Ingress", target, source, port, protocol
    )


HUB = End({"app": "jupyterhub", "component": "hub"}, namespace={"team": "platform"})
PROMETHEUS = End({"app": "prometheus"}, namespace={"kubernetes.io/metadata.name": "monitoring"})
STRANGER = End({"spark-role": "driver"}, namespace={"team": "other"})
DNS = End({"k8s-app": "kube-dns"}, namespace={"kubernetes.io/metadata.name": "kube-system"})
INTERNET = End(address="198.51.100.7")
METADATA = End(address="169.254.169.254")
driver, executor, notebook = End(DRIVER), End(EXECUTOR), End(NOTEBOOK)
submit, history, other = End(SUBMIT), End(HISTORY), End(OTHER)


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        (executor, driver, 7078),
        (executor, notebook, 41234),
        (driver, executor, 41234),
        (notebook, executor, 41234),
        (executor, executor, 41234),
        (driver, INTERNET, 443),
        (executor, INTERNET, 443),
        (notebook, INTERNET, 443),
        (history, INTERNET, 443),
        (driver, INTERNET, 6443),
        (notebook, INTERNET, 6443),
        (submit, INTERNET, 6443),
        (HUB, notebook, 8888),
        (notebook, HUB, 8081),
        (notebook, history, 18080),
        (HUB, history, 18080),
        (PROMETHEUS, driver, 4040),
        (PROMETHEUS, notebook, 4040),
        (executor, DNS, 53),
        (other, DNS, 53),
    ],
)
def test_the_network_lets_through_what_spark_needs(source: End, target: End, port: int) -> None:
    assert connects(source, target, port)


@pytest.mark.parametrize("pod", [driver, executor, notebook, submit, history])
def test_names_are_asked_for_over_udp(pod: End) -> None:
    assert connects(pod, DNS, 53, "UDP")
    assert not connects(pod, DNS, 54, "UDP")


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        (STRANGER, driver, 7078),
        (STRANGER, executor, 41234),
        (STRANGER, notebook, 8888),
        (HUB, notebook, 41234),
        (HUB, executor, 41234),
        (other, notebook, 8888),
        (other, executor, 41234),
        (notebook, notebook, 8888),
        (executor, history, 18080),
        (PROMETHEUS, executor, 41234),
        (PROMETHEUS, driver, 7078),
        (executor, INTERNET, 6443),
        (executor, INTERNET, 22),
        (executor, METADATA, 80),
        (notebook, METADATA, 80),
        (driver, METADATA, 80),
    ],
)
def test_the_network_refuses_the_rest(source: End, target: End, port: int) -> None:
    assert not connects(source, target, port)


@pytest.mark.parametrize(
    ("name", "labels"), [("notebook", NOTEBOOK), ("history", HISTORY)], ids=str
)
def test_the_examples_have_the_labels_that_the_network_knows(name: str, labels: Labels) -> None:
    spec = of_kind("Deployment", EXAMPLES)[name]["spec"]
    service = of_kind("Service", EXAMPLES)[name]["spec"]
    assert spec["template"]["metadata"]["labels"] == labels
    assert spec["selector"]["matchLabels"] == service["selector"] == labels
    offered = {port["containerPort"] for box in boxes({"spec": spec}) for port in box["ports"]}
    assert {port["port"] for port in service["ports"]} <= offered


def test_what_the_network_calls_spark_is_what_the_roles_are_for() -> None:
    """A renamed label would match nothing, and silently cut Spark's pods off."""
    keys = {
        key
        for policy in of_kind("NetworkPolicy").values()
        for key in policy["spec"]["podSelector"].get("matchLabels", {})
    }
    assert keys <= set(DRIVER) | set(NOTEBOOK)


# --- How the tests on a cluster read Spark's calls ---

NAMESPACE = "https://10.0.0.1:6443/api/v1/namespaces/spark"


@pytest.mark.parametrize(
    ("method", "url", "right"),
    [
        ("POST", f"{NAMESPACE}/pods", Right("pods", "create")),
        ("GET", f"{NAMESPACE}/pods/me", Right("pods", "get")),
        ("GET", f"{NAMESPACE}/pods?resourceVersion=0", Right("pods", "list")),
        ("GET", f"{NAMESPACE}/pods?watch=true&labelSelector=a%3Db", Right("pods", "watch")),
        ("PATCH", f"{NAMESPACE}/pods/a", Right("pods", "patch")),
        ("PUT", f"{NAMESPACE}/configmaps/a", Right("configmaps", "update")),
        ("DELETE", f"{NAMESPACE}/pods/a", Right("pods", "delete")),
        ("DELETE", f"{NAMESPACE}/pods?labelSelector=a", Right("pods", "deletecollection")),
        ("GET", f"{NAMESPACE}/pods/me/log", Right("pods/log", "get")),
        (
            "POST",
            "https://a/apis/apps/v1/namespaces/spark/statefulsets",
            Right("statefulsets", "create", "apps"),
        ),
    ],
    ids=str,
)
def test_a_request_takes_one_right(method: str, url: str, right: Right) -> None:
    assert rights_taken(method, url) == {right}


def test_a_server_side_apply_may_have_to_create() -> None:
    url = f"{NAMESPACE}/services/a?fieldManager=fabric8&force=true"
    assert rights_taken("PATCH", url) == {Right("services", "patch"), Right("services", "create")}


def test_calls_and_refusals_are_found_in_a_log() -> None:
    log = (
        f"12:00:00 INFO x: API > GET none\nAPI > POST {NAMESPACE}/pods\nAPI < 201 Created\n"
        f"API > GET {NAMESPACE}/pods/me\nAPI < 403 Forbidden\n"
    )
    assert recorded(log) == {Right("pods", "create"), Right("pods", "get")}
    assert refused(log) == ["API < 403 Forbidden"]
