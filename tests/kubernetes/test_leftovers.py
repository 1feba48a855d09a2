"""Is what a killed run has left on the cluster found by its label, and taken away?"""

from __future__ import annotations

import secrets

from sparkyard.kubernetes import leftovers
from sparkyard.kubernetes.leftovers import MACHINE, machine
from tests.kubernetes.kube import Kube
from tests.support import Lab


def test_what_was_left_is_found_and_removed(admin: Kube, lab: Lab, executor_image: str) -> None:
    killed = Lab(f"{lab.run}-killed")
    name = f"{killed.name('left')}-{secrets.token_hex(2)}"
    label, _, value = killed.label.partition("=")
    labels = {label: value, MACHINE: f"not-{machine()}"}
    metadata = {"name": name, "labels": labels}
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    left = Kube(admin.kubeconfig, name)
    left.wait_for(lambda: left.get("serviceaccounts"), "account of pods")
    container = {
        "name": "sleeps",
        "image": executor_image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["sleep", "600"],
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 600}
    left.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "left"}, "spec": spec})
    left.wait_for(lambda: left.get("pods")[0]["status"].get("phase") == "Running", "pod")

    assert leftovers.sweep(killed.label) == [], "it is another machine's"
    admin.ctl("label", "namespace", name, "--overwrite", f"{MACHINE}={machine()}")
    assert leftovers.sweep(f"{killed.label}-of-somebody-else") == []
    assert leftovers.sweep(killed.label) == [f"namespace {name}"]
    there = ["get", "namespace", name, "--ignore-not-found", "--output", "name"]
    admin.wait_for(lambda: not admin.ctl(*there).stdout, "end of the namespace and its pod")
    assert leftovers.sweep(killed.label) == []
