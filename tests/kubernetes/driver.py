"""How do tests start a notebook whose executors are pods: beside a cluster, and in a pod of it?"""

from __future__ import annotations

import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.cluster import QUICK_START
from tests.kubernetes.kube import Document, Kube, Pod
from tests.notebook import Cell, Place, run_notebook
from tests.support import Lab

NOTEBOOKS = Path(__file__).parent / "notebooks"
FRAGMENTS = "/etc/spark/conf.d"
SMALL = {
    "00-small.conf": f"""
# A cluster of few cores is to hold all that tests ask for.
spark.kubernetes.executor.request.cores  100m
spark.kubernetes.driver.request.cores    100m
spark.executor.defaultJavaOptions        {QUICK_START}
spark.driver.defaultJavaOptions          {QUICK_START}
"""
}
KUBECONFIG = "/run/kubeconfig"
"""Where a container beside the cluster finds its kubeconfig."""

TWO = {
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "90s",
}
"""Settings of a session whose first job waits for both executors."""


@contextmanager
def side_by_side(count: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads for what mostly waits; at the end, what has not begun does not begin any more.

    Args:
        count: how many there are. Each start of a session takes a processor for seconds.
    """
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Notebook:
    """Where a notebook runs, the namespace of its executors, and the variables of its kernels."""

    place: Place
    kube: Kube
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self,
        source: str,
        kernel: str = "python3",
        *,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        seconds: float = 480,
    ) -> dict[str, Cell]:
        """Run a notebook: the name of one in notebooks/, or its text. Return its cells by title."""
        if "%%" not in source:
            source = next(NOTEBOOKS.glob(f"{source}.*")).read_text(encoding="utf-8")
        given = {**self.environment, **(environment or {})}
        return run_notebook(
            self.place, source, kernel, settings=settings, environment=given, seconds=seconds
        )

    def submit(self, *words: str, seconds: float = 400, **environment: str) -> Any:
        """Run spark-submit there, and return how it ended."""
        given = {**self.environment, **environment}
        return self.place.exec(
            "spark-submit", *words, environment=given, check=False, timeout=seconds
        )


@contextmanager
def outside(
    lab: Lab,
    kube: Kube,
    driver_image: str,
    executor_image: str,
    directory: Path,
    *,
    account: str = "notebook",
    network: Sequence[str] = ("--network", "host"),
    surroundings: Mapping[str, str] | None = None,
) -> Iterator[Notebook]:
    """Give a notebook's container beside the cluster, which shows a service account's token.

    Args:
        directory: where files are written that the container mounts.
        account: the service account.
        network: options of the engine's client that say by what network it is reached.
        surroundings: further variables of the container.
    """
    file = directory / "kubeconfig"
    file.write_text(kube.kubeconfig_of(kube.token(account)), encoding="utf-8")
    directory.chmod(0o755)
    file.chmod(0o644)  # the container's user is another one
    fragments = directory / "conf.d"
    fragments.mkdir()
    for name, text in SMALL.items():
        (fragments / name).write_text(text, encoding="utf-8")
    options = [*network, "--volume", f"{file}:{KUBECONFIG}:ro"]
    options += ["--volume", f"{fragments}:{FRAGMENTS}:ro"]
    environment = {
        "KUBECONFIG": KUBECONFIG,
        "SPARK_MASTER": f"k8s://{kube.server}",
        "SPARK_NAMESPACE": kube.namespace,
        "SPARK_EXECUTOR_IMAGE": executor_image,
        "SPARK_EXECUTOR_SERVICE_ACCOUNT": "spark-executor",
        **(surroundings or {}),
    }
    what = f"notebook-{secrets.token_hex(2)}"
    with lab.container(
        driver_image, "sleep", "infinity", what=what, options=options, environment=environment
    ) as container:
        yield Notebook(container, kube)


@contextmanager
def inside(
    kube: Kube,
    driver_image: str,
    executor_image: str,
    *,
    account: str = "notebook",
    fragments: Mapping[str, str] | None = None,
    volumes: Sequence[tuple[str, Document]] = (),
    of_pod: Mapping[str, Any] | None = None,
    of_container: Mapping[str, Any] | None = None,
) -> Iterator[Notebook]:
    """Give a notebook's pod.

    Args:
        account: its service account.
        fragments: files that a site mounts for Spark's configuration.
        volumes: where it mounts what.
        of_pod: further fields of its specification; of_container: of its container's.
    """
    name = f"notebook-{secrets.token_hex(2)}"
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "data": {**SMALL, **(fragments or {})},
        }
    )
    mounted = [(FRAGMENTS, {"configMap": {"name": name}}), *volumes]
    environment = {
        "SPARK_MASTER": "k8s://https://kubernetes.default.svc",
        "SPARK_EXECUTOR_IMAGE": executor_image,
        "SPARK_EXECUTOR_SERVICE_ACCOUNT": "spark-executor",
    }
    container = {
        "name": "notebook",
        "image": driver_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["tini", "-g", "--", "entrypoint", "sleep", "infinity"],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "resources": {"requests": {"memory": "1Gi", "cpu": "100m"}},
        "volumeMounts": [
            {"name": f"volume-{number}", "mountPath": path}
            for number, (path, _) in enumerate(mounted)
        ],
        **(of_container or {}),
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "notebook"}},
        "spec": {
            "serviceAccountName": account,
            "containers": [container],
            "terminationGracePeriodSeconds": 1,
            "volumes": [
                {"name": f"volume-{number}", **volume} for number, (_, volume) in enumerate(mounted)
            ],
            **(of_pod or {}),
        },
    }
    kube.apply(pod)
    made = Pod(kube, name)
    try:
        kube.wait_for(lambda: made.document()["status"].get("phase") == "Running", f"pod {name}")
        yield Notebook(made, kube)
    finally:
        kube.ctl("delete", "pod", name, "--wait=false", check=False)


@contextmanager
def kubectl_proxy(kube: Kube, port: int, account: str = "notebook") -> Iterator[str]:
    """Run `kubectl proxy` for a service account, and give what it is as Spark's master.

    Args:
        kube: its namespace has the account.
        port: of the loopback.
        account: whose rights all have who reach the port.
    """
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(kube.kubeconfig_of(kube.token(account)))
        file.flush()
        with _proxy(kube, port, file.name) as master:
            yield master


@contextmanager
def _proxy(kube: Kube, port: int, kubeconfig: str) -> Iterator[str]:
    argv = ["kubectl", "--kubeconfig", kubeconfig, "proxy", "--port", str(port)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
        try:
            kube.wait_for(lambda: _listens(port), "answer of kubectl proxy", every=0.1)
            yield f"k8s://http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
