"""Where do measures on a Kubernetes run? A namespace of their own, and drivers beside the cluster.

The drivers are containers on this machine's network. They show the token of the service account
`notebook`, with the rights of deploy/kubernetes. All that is made goes at the end, at a Ctrl-C or
SIGTERM too. What a killed run left, the next one takes away: one at a time runs on a machine.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from kubernetes import utils

from sparkyard import console
from sparkyard.command import mask, run
from sparkyard.engine import engine
from sparkyard.errors import (
    ClusterJobError,
    ClusterRefusedError,
    ClusterRightsError,
    CommandFailedError,
    ImageMissingError,
)
from sparkyard.kubernetes import access, cluster, leftovers
from sparkyard.kubernetes.cluster import Cluster, Json
from sparkyard.plan.plan import Site

LABEL = "io.sparkyard.bench"
"""On all that a run makes, in the engine and on the cluster; its value names this machine."""
PROGRAMS = Path(__file__).parent / "programs"
"""What is copied into a driver's container, and run there."""
_THERE = "/tmp/bench"  # noqa: S108 - in a container
_SECONDS = 1200.0
"""For one program: more than twice what the longest took on two cores."""

SMALL = {
    # The cores are there to measure with, and two executors are to fit beside what runs already.
    "spark.kubernetes.executor.request.cores": "100m",
    "spark.kubernetes.driver.request.cores": "100m",
    "spark.executor.instances": "2",
    "spark.executor.cores": "1",
    "spark.kubernetes.allocation.batch.delay": "500ms",
    "spark.ui.enabled": "false",
}
LOCAL = {"spark.master": "local[*]"}


@dataclass(frozen=True)
class Namespace:
    """A namespace to measure in.

    Attributes:
        cluster: whose it is.
        name: of it.
        address: by which its pods reach this machine.
        driver: the image of drivers.
        executors: the image of executors.
        label: NAME=VALUE, for what is made in the engine.
    """

    cluster: Cluster
    name: str
    address: str
    driver: str
    executors: str
    label: str

    @contextlib.contextmanager
    def container(self, environment: Mapping[str, str] | None = None) -> Iterator[Driver]:
        """Give a fresh container of the driver's image.

        Args:
            environment: variables whose values are secrets: they are not named on a command line.
        """
        name = f"{self.name}-driver"
        variables = {
            "SPARK_MASTER": f"k8s://{self.cluster.api.api_client.configuration.host}",
            "SPARK_NAMESPACE": self.name,
            "SPARK_EXECUTOR_IMAGE": self.executors,
            "SPARK_EXECUTOR_SERVICE_ACCOUNT": "spark-executor",
            **(environment or {}),
        }
        argv = ["docker", "run", "--detach", "--rm", "--pull", "never", "--network", "host"]
        argv += ["--name", name, "--label", self.label]
        argv += [word for variable in variables for word in ("--env", variable)]
        with removed(name):
            run([*argv, self.driver, "sleep", "infinity"], env=variables)
            run(["docker", "cp", f"{PROGRAMS}/.", f"{name}:{_THERE}"])
            write = "umask 077 && mkdir -p ~/.kube && cat > ~/.kube/config"
            shown = ["docker", "exec", "--interactive", name, "sh", "-c", write]
            run(
                shown,
                stdin=access.kubeconfig(self.cluster, _token(self.cluster, self.name)),
            )
            yield Driver(name)


@dataclass(frozen=True)
class Driver:
    """A container in which PROGRAMS run."""

    name: str

    def run(self, program: str, conf: Mapping[str, str], **given: object) -> dict[str, Any]:
        """Run a program and return its answer.

        Args:
            program: its name.
            conf: Spark's configuration, over SMALL; a `spark.master` there wins over the cluster.
            given: what else the program wants to know.

        Raises:
            ClusterJobError: it failed, or took more than twenty minutes.
        """
        document = json.dumps({**given, "conf": {**SMALL, **conf}})
        argv = ["docker", "exec", "--env", f"BENCH={document}"]
        if "spark.master" in conf:
            argv += ["--env", f"SPARK_MASTER={conf['spark.master']}"]
        argv += [self.name, "entrypoint", "python", f"{_THERE}/{program}.py"]
        try:
            return answer_in(run(argv, timeout=_SECONDS).stdout)
        except CommandFailedError as error:
            raise ClusterJobError(
                f"The bench's program {program} failed.",
                "The lines above are its last. The cluster's nodes must be able to run images of "
                "this machine's engine, and its pods to reach this machine.",
                detail=error.detail or mask(error.what),
            ) from error


def answer_in(wrote: str) -> dict[str, Any]:
    """Return what a program answered, out of all that it wrote.

    Raises:
        ClusterJobError: it did not answer.
    """
    for line in reversed(wrote.splitlines()):
        if line.startswith("BENCH "):
            return dict(json.loads(line.removeprefix("BENCH ")))
    raise ClusterJobError(
        "A program of the bench ended without a result.",
        "The lines above are its last.",
        detail=mask("\n".join(wrote.splitlines()[-20:])),
    )


@contextlib.contextmanager
def made(site: Site) -> Iterator[Namespace]:
    """Give a new namespace with the service accounts and rights of deploy/kubernetes.

    Raises:
        ClusterNotConfiguredError: no cluster is known.
        ImageMissingError: the driver or the executors are not built.
        ClusterRightsError: you may not make namespaces there, or rights in them.
    """
    reached = cluster.connect()
    driver, executors = map(site.name, site.family.pair)
    missing = sorted({driver, executors} - set(engine.inspect([driver, executors])))
    if missing:
        raise ImageMissingError(
            f"There is no image {' and no image '.join(missing)} to measure.",
            "Build them: make jupyterhub, nox -s executors.",
        )
    reached.reach()
    value = leftovers.machine()
    label = f"{LABEL}={value}"
    address = access.address_towards(reached.api.api_client.configuration.host)
    name = f"sparkyard-bench-{secrets.token_hex(3)}"
    with _terminated_is_interrupted():
        _take_away(reached, label)
        try:
            body: Json = {"metadata": {"name": name, "labels": {LABEL: value}}}
            reached.ask("create_namespace", body, doing=f"create the namespace {name}")
            _give_rights(reached, name)
            yield Namespace(reached, name, address, driver, executors, label)
        finally:
            console.note("taking away what was made")
            _take_away(reached, label)


@contextlib.contextmanager
def removed(container: str) -> Iterator[None]:
    """Remove a container of this name afterwards, if there is one."""
    try:
        yield
    finally:
        engine.client("rm", "--force", "--volumes", container)


def _token(reached: Cluster, namespace: str) -> str:
    asked: Json = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = reached.ask(
        "create_namespaced_service_account_token", "notebook", namespace, asked,
        doing=f"get a token of the service account notebook in {namespace}",
    )  # fmt: skip
    return str(answer["status"]["token"])


def _give_rights(reached: Cluster, namespace: str) -> None:
    for right in access.rights(namespace):
        create: Callable[..., Any] = utils.create_from_dict
        try:
            create(reached.api.api_client, right, namespace=namespace)
        except utils.FailToCreateError as error:
            said = cluster.message_of(str(error.api_exceptions[0].body or ""))
            what = f"{right['kind']} {right['metadata']['name']} in {namespace}"
            status = error.api_exceptions[0].status
            kind = ClusterRightsError if status == 403 else ClusterRefusedError
            raise kind(
                f"It was refused to create {what}: {said}.", "Ask for this right."
            ) from error


def _take_away(reached: Cluster, label: str) -> None:
    """Remove containers, images and namespaces of runs on this machine."""
    containers = engine.client(
        "ps", "--all", "--quiet", "--filter", f"label={label}"
    ).stdout.split()
    if containers:
        engine.client("rm", "--force", "--volumes", *containers)
    listing = ("image", "ls", "--filter", f"label={label}", "--format", "{{.Repository}}:{{.Tag}}")
    if images := engine.client(*listing).stdout.split():
        engine.client("image", "rm", "--force", *images)
    leftovers.take_away(reached, label)


@contextlib.contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """Take a SIGTERM for a Ctrl-C, so that all is taken away."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
