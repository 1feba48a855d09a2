"""What does a driver of a Kubernetes need, and what of it cannot work?"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from refused import UNAVAILABLE, RefusedError, reading, shown
from sources import Conf

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts a pod's own namespace and token."""

PATIENCE = 5.0
"""Seconds in which the API server has to take a connection."""


def is_master(conf: Mapping[str, str]) -> bool:
    """Tell whether the master is a Kubernetes."""
    return conf.get("spark.master", "").startswith("k8s://")


def in_cluster_mode(conf: Mapping[str, str]) -> bool:
    """Tell whether the driver runs in a pod of its own, and not here."""
    return conf.get("spark.submit.deployMode") == "cluster"


def complete(known: Conf, environment: Mapping[str, str]) -> Conf:
    """Return what was not said and is needed.

    Raises:
        RefusedError: the API server does not answer, there is nothing to show to it, executors
            would not find the driver, or one of its ports is taken.
    """
    host, port, tls = api_server(known)
    if tls:  # through `kubectl proxy`, without TLS, it is the proxy that shows credentials
        check_credentials(known, environment)
    here = reach(host, port)
    pod = of_pod(known, environment)
    found = {key: value for key, value in pod.items() if not known.get(key)}
    if in_cluster_mode(known):
        return found
    found |= driver_address(known, here)
    check_ports(known | found)
    return found


def api_server(conf: Mapping[str, str]) -> tuple[str, int, bool]:
    """Return host and port of the API server, and whether it is spoken to by TLS."""
    text = conf["spark.master"].removeprefix("k8s://")
    host, port, tls = "", 0, not text.startswith("http://")
    with suppress(ValueError):  # of brackets that are not closed, of a port that is none
        url = urlsplit(text if "://" in text else f"https://{text}")
        host, port = url.hostname or "", url.port or (443 if tls else 80)
    if not host or not port:
        raise RefusedError(
            f"The master {shown('spark.master', conf['spark.master'])} names no API server.",
            "Set SPARK_MASTER=k8s://https://host:port (kubectl cluster-info tells it).",
        )
    return host, port, tls


def check_credentials(conf: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Refuse to talk to an API server with nothing to show it."""
    with reading(SERVICE_ACCOUNT):
        in_pod = (SERVICE_ACCOUNT / "token").exists()
    given = any(
        key.startswith("spark.kubernetes.authenticate.") and "Name" not in key for key in conf
    )
    named = environment.get("KUBECONFIG", "")
    files = [Path(each) for each in named.split(os.pathsep) if each]
    files = files or [Path(environment.get("HOME", "/")) / ".kube/config"]
    if (in_pod and not named) or given or any(os.access(file, os.R_OK) for file in files):
        return
    what = (
        f"KUBECONFIG={named} names no file that can be read"
        if named
        else "There is no KUBECONFIG, and this is no pod with a service account"
    )
    raise RefusedError(
        f"{what}: nothing to show to {shown('spark.master', conf['spark.master'])}.",
        "Mount a kubeconfig and set KUBECONFIG, or set SPARK_MASTER to a `kubectl proxy`.",
    )


def reach(host: str, port: int) -> str:
    """Return the address with which this machine reaches the API server.

    Raises:
        RefusedError: the API server's name does not resolve, or it takes no connection.
    """
    try:
        with socket.create_connection((host, port), PATIENCE) as connection:
            return str(connection.getsockname()[0])
    except OSError as error:
        raise RefusedError(
            f"The API server {host}:{port} does not answer: {error.strerror or error}.",
            "Check SPARK_MASTER, and whether this machine or pod may reach it.",
            UNAVAILABLE,
        ) from None


def driver_address(conf: Conf, here: str) -> Conf:
    """Return where executors find the driver, and what it binds to.

    Raises:
        RefusedError: pods cannot reach that address, whatever it is.
    """
    host = conf.get("spark.driver.host") or here
    if host == "localhost" or host.startswith("127.") or host == "::1":
        raise RefusedError(
            f"The driver's address would be {host}, which pods cannot reach.",
            "Set SPARK_DRIVER_HOST to an address of this machine that the cluster's pods reach.",
        )
    found = {"spark.driver.host": host}
    if not conf.get("spark.driver.bindAddress"):
        here_too = _not_bound(host, 0) is None
        found["spark.driver.bindAddress"] = host if here_too else "0.0.0.0"  # noqa: S104
    return found


def check_ports(conf: Mapping[str, str]) -> None:
    """Refuse ports of the driver's that another session has, or that it cannot have."""
    # What it has none of its own for, the driver has with the executors' setting.
    managers = conf.get("spark.blockManager.port", "0")
    address = conf["spark.driver.bindAddress"]
    for key, default in (("spark.driver.port", "0"), ("spark.driver.blockManager.port", managers)):
        port = conf.get(key, default)
        why = _not_bound(address, int(port)) if port.isdigit() and int(port) else None
        if why and why.errno == errno.EADDRINUSE:
            raise RefusedError(
                f"Port {port} ({key}) is taken on this machine, by another session maybe.",
                "Stop that session (its kernel), or give this one another port: "
                "SPARK_DRIVER_PORT, SPARK_BLOCKMANAGER_PORT.",
            )
        if why:
            raise RefusedError(
                f"Port {port} ({key}) cannot be bound at {address}: {why.strerror or why}.",
                f"Correct {key} or spark.driver.bindAddress.",
            )


def _not_bound(host: str, port: int) -> OSError | None:
    """Return why this machine cannot have a port, None where it can."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host, port))
    except OSError as error:
        return error
    return None


def of_pod(conf: Mapping[str, str], environment: Mapping[str, str]) -> Conf:
    """Return what a driver in a pod takes from there: executors go when that pod goes."""
    file = SERVICE_ACCOUNT / "namespace"
    with reading(file):
        if not file.exists():
            return {}
        namespace = file.read_text().strip()
    found = {"spark.kubernetes.namespace": namespace}
    beside = (conf.get("spark.kubernetes.namespace") or namespace) == namespace
    if beside and not in_cluster_mode(conf):
        found["spark.kubernetes.driver.pod.name"] = environment.get("HOSTNAME", "")
    return found
