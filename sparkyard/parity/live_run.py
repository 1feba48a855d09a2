"""How are the facts of a driver and its executors got off a cluster, and nothing left behind?

A Spark job of N executors runs in a driver's pod: in one of the run's own, which is made and taken
away, or in a notebook's that runs already. What the job finds comes back as lines of text.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType

from sparkyard import console
from sparkyard.command import mask
from sparkyard.errors import (
    ClusterAbsentError,
    ClusterRefusedError,
    ClusterRightsError,
    PodStartError,
    SparkyardError,
)
from sparkyard.kubernetes.cluster import Cluster, Json
from sparkyard.parity import live_pods as pods
from sparkyard.parity.live_pods import LABEL, Request
from sparkyard.parity.live_result import (
    Found,
    Lines,
    found,
    job_failure,
    out_of_time,
    refused_executors,
)

PATIENCE = 6.0
"""Seconds that a node gets to end the pods. Then only their objects are deleted: what ran in them
ends without its driver, and a busy node takes up to a minute to say that it did."""

GONE_WITHIN = 40.0
"""Seconds after which pods that are still there are left to a person."""

NEW_TRIES = 2
"""Executors that may fail before it is no accident: Spark starts others in their place."""


def new_run() -> str:
    """Return a name for a run: a DNS label, short enough for Spark to add to it."""
    return f"parity-{secrets.token_hex(4)}"


def in_own_pod(cluster: Cluster, request: Request) -> Found:
    """Run the job in a driver's pod of its own, and return what it found.

    Raises:
        SparkyardError: it could not be done; each way of it is a class of its own.
    """
    check(cluster, request)
    where = f"in namespace {request.namespace}"
    with _taken_away(cluster, request) as made:
        doing = f"create a ConfigMap {where}"
        body = pods.config_map(request)
        try:
            cluster.ask("create_namespaced_config_map", request.namespace, body, doing=doing)
        except SparkyardError:
            made.anything = False
            raise
        console.note(f"starting driver pod {request.run} ({request.driver}) {where}")
        body = pods.driver_pod(request)
        doing = f"create a pod {where}"
        cluster.ask("create_namespaced_pod", request.namespace, body, doing=doing)
        lines, seen = Lines(request.run), Watched(request)
        while not lines.complete:
            here = pods_of(cluster, request)
            log = ""
            driver = next((pod for pod in here if pods.name_of(pod) == request.run), None)
            if driver is None:
                raise PodStartError(
                    f"The driver's pod {request.run} is gone: somebody deleted it.",
                    "Run this again.",
                )
            ended = pods.phase_of(driver) in ("Succeeded", "Failed")
            if ended or pods.phase_of(driver) == "Running":
                log = _log(cluster, request.run, request.namespace)
                lines.take(log)
            if lines.complete:
                break
            seen.look(here, log, lambda pod: _log(cluster, pod, request.namespace, lines=12))
            if lines.failed or ended:
                raise job_failure(request, lines, log, here)
            if seen.seconds > request.seconds + 15:
                raise out_of_time(request, here, log)
            time.sleep(1)
        return found(request, lines.result(), pods_of(cluster, request))


def in_running_pod(cluster: Cluster, request: Request, name: str) -> Found:
    """Run the job in a notebook's pod, as it is configured, and return what it found.

    Raises:
        SparkyardError: it could not be done; each way of it is a class of its own.
    """
    console.note(f"asking {cluster.server} (context {cluster.context})")
    cluster.reach()
    doing = f"read pod {name} in namespace {request.namespace}"
    notebook = cluster.ask("read_namespaced_pod", name, request.namespace, doing=doing)
    if pods.phase_of(notebook) != "Running":
        raise PodStartError(
            f"The pod {name} does not run. {pods.in_words(notebook)}.",
            "Name a pod that runs: kubectl get pods.",
        )
    # Without an image there is nothing that a session on Kubernetes could be started with.
    alone = pods.alone_conf(request, name) if request.executor else {}
    document = pods.given(request, pods.shared_conf(request), attached=True, alone=alone)
    container = pods.container_of(notebook)
    argv = ["/bin/sh", "-c", pods.FIND_DRIVER_PYTHON, "sh", pods.READ_GIVEN, str(len(document))]
    lines, seen = Lines(request.run), Watched(request)
    wrote, pending = "", ""
    with _taken_away(cluster, request):
        console.note(f"starting a Spark session in pod {name}, container {container}")
        stream = cluster.execute(name, request.namespace, container, argv)
        try:
            for at in range(0, len(document), 32768):
                stream.write_stdin(document[at : at + 32768])
            asked, here = 0.0, []
            while stream.is_open() and not lines.done:
                stream.update(timeout=1)
                pending += stream.read_stdout(timeout=0) if stream.peek_stdout() else ""
                whole, newline, pending = pending.rpartition("\n")
                lines.take(whole + newline)
                wrote += stream.read_stderr(timeout=0) if stream.peek_stderr() else ""
                if lines.failed:
                    break
                if time.monotonic() - asked > 2:
                    asked, here = time.monotonic(), pods_of(cluster, request)
                    if not lines.complete:
                        seen.look(
                            here, wrote, lambda pod: _log(cluster, pod, request.namespace, lines=12)
                        )
                if seen.seconds > request.seconds + 15:
                    raise out_of_time(request, here, wrote)
            lines.take(pending)
        finally:
            stream.close()
        if not lines.complete:
            raise job_failure(request, lines, wrote, here)
        return found(request, lines.result(), [notebook, *here], driver=name)


@dataclass
class Watched:
    """What the run's pods did so far: a person is told of changes, and hopeless waits are ended."""

    request: Request
    began: float = field(default_factory=time.monotonic)
    told: dict[str, str] = field(default_factory=dict)
    since: dict[tuple[str, str], float] = field(default_factory=dict)
    pulls: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def look(self, here: Sequence[Json], log: str, log_of: Callable[[str], str]) -> None:
        """Tell what has changed.

        Raises:
            PodStartError: a pod will not start, or executors fail again and again.
            ClusterRightsError: the driver may not make executors.
            ClusterRefusedError: it may, but a quota or a policy is in the way.
        """
        now = time.monotonic()
        for pod in here:
            name, words = pods.name_of(pod), pods.in_words(pod)
            if self.told.get(name) != words:
                self.told[name] = words
                console.note(f"{self.seconds:4.0f} s  {words}")
            reason, told = pods.waits_for(pod)
            began = self.since.setdefault((name, reason), now)
            if reason == "ErrImagePull":  # later it is told only that there will be another try
                self.pulls[name] = told
            if reason and pods.hopeless(pod, now - began):
                images = " ".join(pods.images_of([pod]))
                raise PodStartError(
                    f"The pod {name} does not start with the image {images}: "
                    f"{self.pulls.get(name) or told or reason} ({reason}).",
                    "Name an image that the cluster's nodes can pull (--driver, --executor), with "
                    "its registry, or see what the reason asks of the image.",
                )
        failed = [
            pod for pod in here if pods.died_of(pod) and pods.name_of(pod) != self.request.run
        ]
        if len(failed) >= NEW_TRIES:
            raise PodStartError(
                f"Executors end before they have done anything. {pods.in_words(failed[-1])}.",
                "The lines above are the last of one of them.",
                detail=mask(log_of(pods.name_of(failed[-1]))),
            )
        refused = pods.refused_in(log)
        if refused:
            raise refused_executors(self.request, refused)


def check(cluster: Cluster, request: Request) -> None:
    """See that the namespace and the service account are there, where one may look at them.

    Raises:
        ClusterAbsentError: one is not.
        SparkyardError: the API server does not answer, or does not know who asks.
    """
    console.note(f"asking {cluster.server} (context {cluster.context})")
    cluster.reach()
    doing = f"run in namespace {request.namespace}"
    with contextlib.suppress(ClusterRightsError):
        cluster.ask("read_namespace", request.namespace, doing=doing)
    doing = f"run as service account {request.account} of namespace {request.namespace}"
    try:
        cluster.ask(
            "read_namespaced_service_account", request.account, request.namespace, doing=doing
        )
    except ClusterRightsError:
        pass
    except ClusterAbsentError as error:
        raise ClusterAbsentError(
            error.what,
            "Make it, with the rights of a Spark driver (deploy/kubernetes), or name another with "
            "--service-account.",
        ) from error


def pods_of(cluster: Cluster, request: Request) -> list[Json]:
    """Return all pods of a run."""
    listed = cluster.ask(
        "list_namespaced_pod",
        request.namespace,
        label_selector=f"{LABEL}={request.run}",
        doing=f"list pods in namespace {request.namespace}",
    )
    return list(listed.get("items") or ())


@dataclass
class Made:
    """Whether a run has made anything that would have to be taken away."""

    anything: bool = True


@contextlib.contextmanager
def _taken_away(cluster: Cluster, request: Request) -> Iterator[Made]:
    """Delete all that the run has made, whatever happens; a SIGTERM is taken for a Ctrl-C."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    made = Made()
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield made
    finally:
        signal.signal(signal.SIGTERM, before)
        try:
            if made.anything:
                _take_away(cluster, request)
        except (SparkyardError, KeyboardInterrupt) as error:
            console.note(
                f"not all of it could be taken away; kubectl -n {request.namespace} delete "
                f"pod,configmap -l {LABEL}={request.run} does it"
            )
            if isinstance(error, KeyboardInterrupt):
                raise


def _take_away(cluster: Cluster, request: Request) -> None:
    namespace, doing = request.namespace, f"delete what it made in namespace {request.namespace}"
    console.note("taking away what was made")
    with contextlib.suppress(ClusterAbsentError):
        cluster.ask("delete_namespaced_config_map", request.run, namespace, doing=doing)
    began = time.monotonic()
    asked: dict[str, int] = {}
    applications: set[str] = set()
    # The driver's first: it would start other executors in the place of those that go.
    while left := sorted(
        pods_of(cluster, request), key=lambda pod: pods.name_of(pod) != request.run
    ):
        grace = 1 if time.monotonic() - began < PATIENCE else 0
        for pod in left:
            name = pods.name_of(pod)
            applications.add(pods.application_of(pod))
            if asked.get(name) != grace:
                asked[name] = grace
                with contextlib.suppress(ClusterAbsentError):
                    cluster.ask(
                        "delete_namespaced_pod", name, namespace, grace_period_seconds=grace,
                        doing=doing,
                    )  # fmt: skip
        if time.monotonic() - began > GONE_WITHIN:
            raise PodStartError("Pods do not go.", "See `kubectl get pods`.")
        time.sleep(0.5)
    # The executors' own, which a driver that was cut off leaves.
    for application in filter(None, applications):
        selector = f"spark-app-selector={application}"
        with contextlib.suppress(ClusterRightsError):
            listed = cluster.ask(
                "list_namespaced_config_map", namespace, label_selector=selector, doing=doing
            )
            for each in listed.get("items") or ():
                with contextlib.suppress(ClusterAbsentError):
                    cluster.ask(
                        "delete_namespaced_config_map", pods.name_of(each), namespace, doing=doing
                    )


def _log(cluster: Cluster, pod: str, namespace: str, *, lines: int | None = None) -> str:
    """Return a log; empty where the container has not got one yet, or has it no more."""
    try:
        return cluster.log(pod, namespace, lines=lines)
    except (ClusterAbsentError, ClusterRefusedError):
        return ""
