"""What does a driver need for a namespace: accounts with rights, a kubeconfig, its own address?"""

from __future__ import annotations

import base64
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped,unused-ignore]

from sparkyard import paths
from sparkyard.kubernetes import cluster
from sparkyard.kubernetes.cluster import Cluster, Json

MANIFESTS = paths.ROOT / "deploy" / "kubernetes"


def rights(namespace: str) -> list[Json]:
    """Return the service accounts and rights of deploy/kubernetes, for a namespace."""
    documents = [
        document
        for file in ("accounts.yaml", "rights.yaml")
        for document in yaml.safe_load_all((MANIFESTS / file).read_text(encoding="utf-8"))
        if document
    ]
    for document in documents:
        document["metadata"]["namespace"] = namespace
        for subject in document.get("subjects", ()):
            subject["namespace"] = namespace
    return documents


def kubeconfig(reached: Cluster, token: str, namespace: str = "default") -> str:
    """Return a kubeconfig for a cluster that shows a token, whatever the user's own shows.

    Args:
        reached: the cluster.
        token: what it shows.
        namespace: that of its context.
    """
    configuration = reached.api.api_client.configuration
    entry: Json = {"server": configuration.host}
    if configuration.ssl_ca_cert:
        authority = Path(configuration.ssl_ca_cert).read_bytes()
        entry["certificate-authority-data"] = base64.b64encode(authority).decode()
    if not configuration.verify_ssl:
        entry["insecure-skip-tls-verify"] = True
    name = "sparkyard"
    context = {"cluster": name, "user": name, "namespace": namespace}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": entry}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": context}],
            "current-context": name,
        }
    )


def address_towards(server: str) -> str:
    """Return the address by which this machine reaches a server, and pods reach this machine.

    Raises:
        ClusterUnreachableError: it does not take a connection.
    """
    url = urlsplit(server)
    port = url.port or (80 if url.scheme == "http" else 443)
    try:
        with socket.create_connection((url.hostname, port), cluster.CONNECT_SECONDS) as connection:
            return str(connection.getsockname()[0])
    except OSError as error:
        raise cluster.unreachable(server, str(error), "take a connection") from error
