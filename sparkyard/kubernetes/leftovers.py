"""Which namespaces have earlier runs left on a cluster, and how do they go?

All that a run makes on a cluster is in namespaces that bear its label: so a later run finds them,
and takes them away with what is in them.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re

from sparkyard import console
from sparkyard.errors import ClusterAbsentError, SparkyardError
from sparkyard.kubernetes import cluster
from sparkyard.kubernetes.cluster import Cluster

MACHINE = "io.sparkyard.machine"
"""A second label of theirs: others may use the same cluster, and have runs in progress there."""


def machine() -> str:
    """Return what tells this machine's namespaces from others', as a label's value."""
    return re.sub(r"[^a-z0-9]+", "-", platform.node().lower())[:50].strip("-") or "machine"


def sweep(label: str) -> list[str]:
    """Delete this machine's namespaces with a label on the cluster that KUBECONFIG names.

    Returns:
        `namespace NAME` of each. None where KUBECONFIG is not set, or leads to no cluster that
        answers: nothing can have been left there that this machine could take away.
    """
    if not os.environ.get("KUBECONFIG"):
        return []
    try:
        reached = cluster.connect()
        reached.reach()
    except SparkyardError:
        return []
    return [f"namespace {name}" for name in take_away(reached, f"{label},{MACHINE}={machine()}")]


def take_away(reached: Cluster, label: str) -> list[str]:
    """Delete the namespaces with a label, say which could not be, and return the others.

    Args:
        reached: the cluster.
        label: a selector: NAME, whatever its value is, or NAME=VALUE, or several with commas.
    """
    try:
        listed = reached.ask("list_namespace", label_selector=label, doing="list namespaces")
    except SparkyardError as error:
        console.note(
            f"namespaces may be left ({error.what}); kubectl delete namespace -l {label} takes "
            "them away"
        )
        return []
    metadata = [item["metadata"] for item in listed.get("items") or ()]
    names = [str(about["name"]) for about in metadata if not about.get("deletionTimestamp")]
    return [name for name in names if _deleted(reached, name)]


def _deleted(reached: Cluster, namespace: str) -> bool:
    doing = f"delete the namespace {namespace}"
    try:
        reached.ask("delete_namespace", namespace, doing=doing)
    except ClusterAbsentError:  # somebody else was quicker
        return False
    except SparkyardError as error:
        console.note(
            f"the namespace {namespace} is left ({error.what}); kubectl delete namespace "
            f"{namespace} takes it away"
        )
        return False
    # Pods at once: nothing in them is worth a grace period, and without this they go all the same.
    with contextlib.suppress(SparkyardError):
        reached.ask(
            "delete_collection_namespaced_pod", namespace, grace_period_seconds=0, doing=doing
        )
    return True
