"""How do tests reach a Kubernetes, and what do they make there?

Any cluster that KUBECONFIG names, through kubectl. Everything is made in namespaces of a run's own,
which bear its label, and goes with them; `nox -s tests -- --sweep` finds what a killed run left.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped,unused-ignore]

from sparkyard.command import Completed, run
from sparkyard.errors import CommandFailedError
from sparkyard.kubernetes import access, cluster
from sparkyard.kubernetes.cluster import Cluster
from sparkyard.kubernetes.leftovers import MACHINE, machine

Document = dict[str, Any]

# Phases of a pod whose containers have all ended, and will not start again.
ENDED = "Succeeded", "Failed"


def absent() -> str:
    """Return why there is no cluster to test on; empty where there is one."""
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG is not set: no cluster to test on"
    if not shutil.which("kubectl"):
        return "kubectl is not on PATH"
    return ""


@dataclass(frozen=True)
class Kube:
    """A cluster as somebody who may do anything sees it, or a namespace of it."""

    kubeconfig: str
    namespace: str = "default"

    def ctl(
        self, *words: str, stdin: str | None = None, check: bool = True, timeout: float = 120
    ) -> Completed:
        """Run kubectl in the namespace.

        Raises:
            CommandFailedError: it failed, under `check`; or took longer than `timeout` seconds.
        """
        argv = ["kubectl", "--kubeconfig", self.kubeconfig, "--namespace", self.namespace, *words]
        try:
            return run(argv, stdin=stdin, check=check, timeout=timeout)
        except CommandFailedError as error:
            error.add_note(error.detail)
            raise

    def get(self, kind: str, *words: str) -> list[Document]:
        """Return the objects of a kind, those with a label after -l for example."""
        found: Document = json.loads(self.ctl("get", kind, *words, "--output", "json").stdout)
        items: list[Document] = found["items"]
        return items

    def apply(self, *documents: Document | str) -> None:
        """Make what documents describe: of Python's types, or YAML."""
        for document in documents:
            text = document if isinstance(document, str) else json.dumps(document)
            self.ctl("apply", "--filename", "-", stdin=text)

    def executors(self, *phases: str) -> list[Document]:
        """Return the executors' pods, those in one of some phases."""
        pods = self.get("pods", "--selector", "spark-role=executor")
        return [pod for pod in pods if not phases or pod["status"].get("phase") in phases]

    def executor_names(self) -> set[str]:
        """Return the names of the executors' pods, those that have ended among them."""
        return {pod["metadata"]["name"] for pod in self.executors()}

    def wait_for(
        self, holds: Callable[[], object], what: str, seconds: float = 300, every: float = 0.5
    ) -> float:
        """Wait until something holds, and return after how many seconds it did.

        The time by default is no claim: it ends what would never come. Beside other tests on a
        busy machine a session has taken two minutes to get its executors.

        Raises:
            AssertionError: it did not in time; with the namespace's pods and events.
        """
        began = time.monotonic()
        while not holds():
            if time.monotonic() - began > seconds:
                raise AssertionError(f"no {what} in {seconds:.0f} s\n{self.seen()}")
            time.sleep(every)
        return time.monotonic() - began

    def wait_for_end(self, pods: Callable[[], list[Document]], what: str) -> None:
        """Wait a minute for the end of all that runs in some pods, and then until they are no more.

        The two differ: a pod whose containers have ended stays until its node has removed them, and
        a kubelet that missed the right moment does so with its next garbage collection, which comes
        once a minute (ContainerGCPeriod; seen on a busy machine, 62 s after the deletion).

        Raises:
            AssertionError: they did not go; with the namespace's pods and events.
        """

        def unended() -> list[Document]:
            return [pod for pod in pods() if pod["status"].get("phase") not in ENDED]

        self.wait_for(lambda: not unended(), f"end of {what}", 60)
        self.wait_for(lambda: not pods(), f"removal of {what}", 120)

    def seen(self) -> str:
        """Return what there is in the namespace, for people who look for a fault."""
        pods = self.ctl("get", "pods", "--output", "wide", check=False).stdout
        events = self.ctl("get", "events", "--sort-by=.lastTimestamp", check=False).stdout
        return f"{pods}\n{events[-4000:]}"

    def token(self, account: str) -> str:
        """Return a new token of a service account, good for an hour."""
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token"
        answer = self.ctl("create", "--raw", path, "--filename", "-", stdin=json.dumps(asked))
        token: str = json.loads(answer.stdout)["status"]["token"]
        return token

    def cluster(self) -> Cluster:
        """Return the cluster as the code under test knows it."""
        return cluster.connect(environment={"KUBECONFIG": self.kubeconfig})

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self.cluster().api.api_client.configuration.host)

    def kubeconfig_of(self, token: str) -> str:
        """Return the text of a kubeconfig that shows a token and nothing else."""
        return access.kubeconfig(self.cluster(), token, self.namespace)


@dataclass(frozen=True)
class Pod:
    """A running pod: commands run in it as in a container of the engine's."""

    kube: Kube
    name: str

    def exec(
        self,
        *argv: str,
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
        check: bool = True,
        timeout: float = 300,
    ) -> Completed:
        """Run a command in it; variables appear on its command line, so they hold no secret."""
        words = ["exec", "--stdin", self.name, "--"]
        words += ["env", *(f"{name}={value}" for name, value in (environment or {}).items())]
        words += ["entrypoint"]  # as the pod's own command: it gives any user a name and a home
        return self.kube.ctl(*words, *argv, stdin=stdin or "", check=check, timeout=timeout)

    def logs(self, *words: str) -> str:
        """Return what its container has written."""
        return self.kube.ctl("logs", self.name, *words, check=False).stdout

    def document(self) -> Document:
        """Return what the API server says of it."""
        document: Document = json.loads(
            self.kube.ctl("get", "pod", self.name, "--output", "json").stdout
        )
        return document


@contextmanager
def namespace(kube: Kube, name: str, run_label: str) -> Iterator[Kube]:
    """Give a new namespace, and delete it afterwards with all that is in it."""
    label, _, value = run_label.partition("=")
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {label: value, MACHINE: machine()}},
        }
    )
    try:
        yield Kube(kube.kubeconfig, name)
    finally:
        kube.ctl("delete", "namespace", name, "--wait=false", check=False)
        # Pods first and at once: nothing in them is worth a grace period.
        words = ["delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false"]
        Kube(kube.kubeconfig, name).ctl(*words, check=False)


def secret(kube: Kube, name: str, values: Mapping[str, str]) -> str:
    """Make a Secret that holds some values under their keys, and return its name."""
    of_name = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    kube.apply(of_name | {"stringData": dict(values)})
    return name


def manifests(directory: Path, kinds: Sequence[str]) -> list[Document]:
    """Return the objects of some kinds in a directory's manifests, in the order of the files."""
    documents = [
        document
        for file in sorted(directory.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document
    ]
    return [each for each in documents if each["kind"] in kinds]
