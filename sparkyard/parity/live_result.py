"""What did the job of a live parity run tell, and why did it not tell everything?

Lines of the job in, facts or an error out; nothing is asked of the cluster here.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sparkyard import console
from sparkyard.command import mask
from sparkyard.errors import (
    ClusterJobError,
    ClusterRefusedError,
    ClusterRightsError,
    PodStartError,
    SparkyardError,
)
from sparkyard.facts import facts
from sparkyard.facts.facts import Facts
from sparkyard.kubernetes.cluster import Json
from sparkyard.parity import live_pods as pods
from sparkyard.parity.live_pods import Request


@dataclass(frozen=True)
class Found:
    """What runs: the facts of the driver's pod and of each executor's, and the images of both."""

    driver: Facts
    executors: Mapping[str, Facts]
    driver_images: Sequence[str]
    executor_images: Sequence[str]
    spark: str


@dataclass
class Lines:
    """What the job has told so far, put together from its lines."""

    run: str
    parts: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    total: int = -1
    failed: str = ""
    kind: str = ""
    application: str = ""
    done: bool = False

    def take(self, text: str) -> None:
        """Read all of its lines in a text; reading one again changes nothing."""
        for line in text.splitlines():
            name, _, rest = line.partition(" ")
            if name != self.run:
                continue
            try:
                said = json.loads(rest)
            except ValueError:
                continue  # a line that is still being written
            if "part" in said:
                self.parts[said["part"]], self.total = said["data"], said["of"]
            if said.get("note") and said["note"] not in self.notes:
                self.notes.append(said["note"])
                console.note(said["note"])
            self.application = said.get("application", self.application)
            self.failed, self.kind = said.get("failed", self.failed), said.get("kind", self.kind)
            self.done = self.done or bool(said.get("done"))

    @property
    def complete(self) -> bool:
        """Tell whether the whole result is there."""
        return len(self.parts) == self.total

    def result(self) -> Json:
        """Return the result.

        Raises:
            ClusterJobError: it is damaged.
        """
        packed = "".join(self.parts[number] for number in sorted(self.parts))
        try:
            return dict(json.loads(zlib.decompress(base64.b64decode(packed))))
        except (ValueError, zlib.error) as error:
            raise ClusterJobError(
                f"What the job of {self.run} wrote is damaged: {error}.", "Run this again."
            ) from error


def found(request: Request, result: Json, here: Sequence[Json], driver: str | None = None) -> Found:
    """Return a job's result as facts.

    Raises:
        ClusterJobError: the driver's pod or an executor's could not be looked into.
    """
    name = driver or request.run
    failed = dict(result["failed"])
    if result["driver"] is None:
        failed[name] = result["driver_failed"]
    if failed:
        listed = "; ".join(f"{pod}: {why}" for pod, why in sorted(failed.items()))
        raise ClusterJobError(
            f"Pods could not be looked into: {mask(listed)[:500]}.",
            "Each needs a Python 3.9 or newer and a directory to write to.",
        )
    executors: dict[str, Facts] = {}
    for group in result["executors"]:
        known = facts.parse(_unpack(group["facts"]))
        executors |= {pod: replace(known, subject=pod) for pod in group["pods"]}
    if len(executors) < request.executors:
        listed = ", ".join(sorted(executors)) or "none"
        raise ClusterJobError(
            f"Only {len(executors)} of {request.executors} executors were looked into: {listed}.",
            "Others ended while the job ran: see `kubectl get events`, then run this again.",
        )
    return Found(
        replace(facts.parse(_unpack(result["driver"])), subject=name),
        executors,
        pods.images_of(pod for pod in here if pods.name_of(pod) == name),
        pods.images_of(pod for pod in here if pods.name_of(pod) in executors),
        str(result["spark"]),
    )


def job_failure(request: Request, lines: Lines, log: str, here: Sequence[Json]) -> SparkyardError:
    """Return why a job that has ended has no result."""
    refused = pods.refused_in(log) or pods.refused_in(f"Message: {lines.failed}")
    if refused:
        return refused_executors(request, refused)
    if lines.kind == "time":
        return out_of_time(request, here, log)
    if lines.kind == "master":
        return ClusterJobError(
            f"The pod's Spark is configured for {lines.failed}, which is no Kubernetes.",
            "Name the executors' image with --executor, or set spark.master to k8s://... there.",
        )
    said = [line for line in log.splitlines() if line.strip() and not line.startswith(request.run)]
    why = lines.failed or (said[-1] if said else "it wrote nothing")
    return ClusterJobError(
        f"The job in the driver's pod failed: {_brief(why)}.",
        "The lines above are the last of its log. Where they name a class that cannot be loaded or "
        "read, the two are of different Sparks: `nox -s parity` without --cluster compares them.",
        detail=mask("\n".join(line[:400] for line in said[-15:])),
    )


def out_of_time(request: Request, here: Sequence[Json], log: str) -> SparkyardError:
    """Return why there was no end in time, as far as the pods know."""
    executors = [pod for pod in here if pods.name_of(pod) != request.run]
    running = sum(pods.phase_of(pod) == "Running" for pod in executors)
    told = "; ".join(map(pods.in_words, executors)) or "no executor's pod was made"
    said = [line for line in log.splitlines() if line.strip() and not line.startswith(request.run)]
    if running >= request.executors:
        what = "all of them run, but did not register with the driver or did not do their task"
    else:
        what = f"{running} of them run"
    return PodStartError(
        f"Executors asked for: {request.executors}. After {request.seconds:.0f} s {what}. {told}.",
        "Make room on the nodes or take fewer --executors, see whether executors can reach the "
        "driver's pod (a NetworkPolicy?), or give it a longer --timeout.",
        detail=mask("\n".join(line[:400] for line in said[-8:])),
    )


def refused_executors(request: Request, refused: str) -> SparkyardError:
    """Return the error for a driver that may not make its executors."""
    if "quota" in refused:
        return ClusterRefusedError(
            f"The driver could not make executors: {mask(refused)}.",
            "Wait for other pods to end, ask for a larger quota, or take fewer --executors.",
        )
    return ClusterRightsError(
        f"The driver could not make executors: {mask(refused)}.",
        f"Give the service account {request.account} the rights of a Spark driver "
        "(deploy/kubernetes), or name another with --service-account.",
    )


def _unpack(packed: str) -> str:
    return zlib.decompress(base64.b64decode(packed)).decode()


def _brief(text: str) -> str:
    line = next((line for line in text.splitlines() if line.strip()), "no reason given")
    return mask(re.sub(r"\s+", " ", line))[:400].rstrip(". ")
