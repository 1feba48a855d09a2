"""What does a live parity run make on a cluster, and what do its pods say of themselves?

Everything that it makes bears the label `LABEL`=<run>: so all of it can be found, and taken away.
The pods' states are read from the API's JSON by pure functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkyard.facts import facts
from sparkyard.facts.look_inside import FIND_PYTHON
from sparkyard.parity import live_job, live_probe
from sparkyard.parity.live_job import API_SERVER, POD_IP

LABEL = "io.sparkyard.parity"
MOUNT = "/run/sparkyard"
MASTER = "k8s://https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)"
"""Every pod is given these variables: it needs no DNS to find its API server."""

READ_GIVEN = (
    "import json,sys;"
    "GIVEN=json.loads(sys.stdin.buffer.read(int(sys.argv[1])).decode());"
    "exec(compile(GIVEN['job'],'parity','exec'))"
)
"""Python that runs the job. It reads no more than the document: an open stream has no end."""

# The driver's own interpreter, with its packages: it runs PySpark. `jupyter` is no interpreter.
FIND_DRIVER_PYTHON = """
for python in "${PYSPARK_DRIVER_PYTHON:-python3}" "${PYSPARK_PYTHON:-python3}" python3 python; do
    found=$(command -v "$python" 2>/dev/null) || continue
    "$found" -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null || continue
    exec "$found" -B -c "$@"
done
echo "there is no Python 3.6 or newer" >&2
exit 97
"""

_STUCK = {
    "ErrImageNeverPull": 2.0,
    "InvalidImageName": 0.0,
    "ImagePullBackOff": 0.0,
    "ErrImagePull": 8.0,
    "ImageInspectError": 2.0,
    "RegistryUnavailable": 8.0,
    "CreateContainerConfigError": 3.0,
    "CreateContainerError": 3.0,
    "RunContainerError": 3.0,
    "CrashLoopBackOff": 0.0,
}
"""Why a container waits that will not come, and the seconds for which that may pass by itself."""


@dataclass(frozen=True)
class Request:
    """A live parity run: what is asked for.

    Attributes:
        run: its name, a DNS label: names and labels of all that it makes.
        namespace: where.
        driver: the driver's image; without meaning for a pod that runs already.
        executor: the executors' image; empty for what a running pod is configured for.
        executors: how many.
        account: the driver's service account.
        seconds: within which all has to be done.
    """

    run: str
    namespace: str
    driver: str
    executor: str
    executors: int
    account: str
    seconds: float


def given(
    request: Request,
    conf: Mapping[str, str],
    *,
    attached: bool,
    alone: Mapping[str, str] | None = None,
) -> str:
    """Return the document that the job reads: ASCII, so that characters are bytes.

    Args:
        request: what is asked for.
        conf: Spark's configuration, over what the pod has of its own.
        attached: whether the job's standard input stays open for as long as it is wanted.
        alone: what to add where the pod's own configuration leads to no Kubernetes.
    """
    probe = f"COLLECTOR = {facts.collector_source()!r}\nRUN = {request.run!r}\n" + Path(
        live_probe.__file__
    ).read_text(encoding="utf-8")
    return json.dumps(
        {
            "run": request.run,
            "job": Path(live_job.__file__).read_text(encoding="utf-8"),
            "probe": probe,
            "find_python": FIND_PYTHON,
            "executors": request.executors,
            "seconds": request.seconds,
            "conf": dict(conf),
            "alone": dict(alone or {}),
            "attached": attached,
        }
    )


def shared_conf(request: Request) -> dict[str, str]:
    """Return the part of Spark's configuration that any run needs, whatever else is configured."""
    return {
        "spark.app.name": request.run,
        "spark.executor.instances": str(request.executors),
        "spark.dynamicAllocation.enabled": "false",
        "spark.ui.enabled": "false",
        "spark.eventLog.enabled": "false",
        # Milliseconds: on a busy node Spark's own 10 s are not enough to begin with.
        "spark.kubernetes.driver.requestTimeout": "30000",
        "spark.kubernetes.driver.connectionTimeout": "30000",
        # Executors load a plugin as well: those of another image may not have it.
        "spark.plugins": "",
        # All executors are to be there before the first task, so that each gets one.
        "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        "spark.scheduler.maxRegisteredResourcesWaitingTime": f"{request.seconds:.0f}s",
        f"spark.kubernetes.executor.label.{LABEL}": request.run,
        "spark.kubernetes.executor.podNamePrefix": request.run,
        "spark.kubernetes.executor.request.cores": "100m",  # a look takes seconds, not a core
        # One that fails stays, to be asked why.
        "spark.kubernetes.executor.deleteOnTermination": "false",
        **({"spark.kubernetes.container.image": request.executor,
            "spark.kubernetes.executor.container.image": request.executor}
           if request.executor else {}),
    }  # fmt: skip


def alone_conf(request: Request, pod: str) -> dict[str, str]:
    """Return what a driver in a pod needs where nothing there speaks of Kubernetes."""
    return {
        "spark.master": f"k8s://https://{API_SERVER}",
        "spark.kubernetes.namespace": request.namespace,
        "spark.driver.host": POD_IP,
        "spark.driver.bindAddress": POD_IP,
        # Executors are the driver's dependents: they go when its pod goes, whatever happens here.
        "spark.kubernetes.driver.pod.name": pod,
        "spark.kubernetes.container.image.pullPolicy": "IfNotPresent",
    }


def own_conf(request: Request) -> dict[str, str]:
    """Return the configuration of a driver in a pod of the run's own."""
    return {
        **shared_conf(request),
        **alone_conf(request, request.run),
        "spark.kubernetes.executor.podTemplateFile": f"{MOUNT}/executor.json",
        "spark.kubernetes.executor.podTemplateContainerName": "executor",
        # Spark would mount its own directory over the one that is to be looked at.
        "spark.kubernetes.executor.disableConfigMap": "true",
        "spark.kubernetes.allocation.batch.size": str(request.executors),
        "spark.kubernetes.executor.limit.cores": "2",
        "spark.executor.cores": "1",
        "spark.executor.memory": "512m",
        "spark.executor.memoryOverhead": "512m",  # the probe runs beside the JVM
        "spark.driver.memory": "512m",
        "spark.authenticate": "true",
    }


def config_map(request: Request) -> dict[str, Any]:
    """Return the ConfigMap with the job, and the template of executor pods."""
    template = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": _POD_SECURITY,
            "containers": [
                {
                    "name": "executor",
                    "securityContext": _SECURITY,
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(request),
        "data": {
            "given.json": given(request, own_conf(request), attached=False),
            "executor.json": json.dumps(template),
        },
    }


def driver_pod(request: Request) -> dict[str, Any]:
    """Return the driver's pod. The image's own entrypoint stays: it is part of what runs."""
    size = len(given(request, own_conf(request), attached=False))
    script = f"exec <{MOUNT}/given.json\n{FIND_DRIVER_PYTHON}"
    variables = {  # for an image that composes its configuration from them
        "SPARK_MASTER": MASTER,
        "SPARK_NAMESPACE": request.namespace,
        "SPARK_EXECUTOR_IMAGE": request.executor,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(request, {"spark-role": "driver"}),
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": request.account,
            "automountServiceAccountToken": True,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            # Should nobody be left to take it away, it ends by itself.
            "activeDeadlineSeconds": int(request.seconds) + 60,
            "securityContext": _POD_SECURITY,
            "containers": [
                {
                    "name": "driver",
                    "image": request.driver,
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["/bin/sh", "-c", script, "sh", READ_GIVEN, str(size)],
                    "workingDir": "/tmp",  # noqa: S108 - in the pod
                    "env": [
                        *({"name": name, "value": value} for name, value in variables.items()),
                        {
                            "name": "SPARKYARD_POD_IP",
                            "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}},
                        },
                    ],
                    "resources": {
                        "requests": {"cpu": "100m", "memory": "1Gi"},
                        "limits": {"cpu": "2", "memory": "2Gi"},
                    },
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "securityContext": _SECURITY,
                    "volumeMounts": [
                        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
                        {"name": "given", "mountPath": MOUNT, "readOnly": True},
                    ],
                }
            ],
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "given", "configMap": {"name": request.run}},
            ],
        },
    }


_POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def _metadata(request: Request, more: Mapping[str, str] | None = None) -> dict[str, Any]:
    labels = {LABEL: request.run, "app.kubernetes.io/name": "sparkyard-parity", **(more or {})}
    return {"name": request.run, "namespace": request.namespace, "labels": labels}


# --- what pods say --------------------------------------------------------------------------


def name_of(pod: Mapping[str, Any]) -> str:
    """Return a pod's name."""
    return str(pod["metadata"]["name"])


def application_of(pod: Mapping[str, Any]) -> str:
    """Return the Spark application that an executor's pod belongs to; empty for other pods."""
    return str((pod["metadata"].get("labels") or {}).get("spark-app-selector") or "")


def phase_of(pod: Mapping[str, Any]) -> str:
    """Return a pod's phase: Pending, Running, Succeeded, Failed, Unknown."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def waits_for(pod: Mapping[str, Any]) -> tuple[str, str]:
    """Return why a pod does not run yet, as a reason of the API's and its words; else nothing."""
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting")
        if waiting and waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return str(waiting["reason"]), _line(waiting.get("message"))
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("reason") or "Unschedulable"), _line(condition.get("message"))
    return "", ""


def died_of(pod: Mapping[str, Any]) -> str:
    """Return of what a pod ended that should not have ended; empty where it did not."""
    status = pod.get("status") or {}
    if phase_of(pod) != "Failed":
        return ""
    for container in status.get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated")
        if ended:
            reason = str(ended.get("reason") or "Error")
            return f"{reason}, exit code {ended.get('exitCode')}"
    reason, message = status.get("reason") or "Failed", status.get("message") or "no reason given"
    return _line(f"{reason}: {message}")


def hopeless(pod: Mapping[str, Any], seconds: float) -> bool:
    """Tell whether waiting for a pod makes no sense, when it has waited like this for a while."""
    limit = _STUCK.get(waits_for(pod)[0])
    return limit is not None and seconds >= limit


def in_words(pod: Mapping[str, Any]) -> str:
    """Return one line on what a pod does, or what keeps it."""
    reason, words = waits_for(pod)
    if died := died_of(pod):
        return f"{name_of(pod)}: {died}"
    if reason:
        return f"{name_of(pod)}: {reason}{': ' if words else ''}{words}"
    return f"{name_of(pod)}: {phase_of(pod)}"


def images_of(pods: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the images of pods, as they were asked for, each once."""
    named = {str(each["image"]) for pod in pods for each in pod["spec"]["containers"]}
    return sorted(named)


def refused_in(log: str) -> str:
    """Return what the API server refused to a driver, as it stands in the driver's log."""
    found = re.search(r"(?:Message:|message=) *([^\n]*?(?:is forbidden|exceeded quota)[^\n]*)", log)
    if not found:
        return ""
    return _line(re.split(r"\. Received status|, metadata=|, reason=", found.group(1))[0])


def container_of(pod: Mapping[str, Any]) -> str:
    """Return the container of a notebook's pod that is the notebook."""
    names: Sequence[str] = [str(each["name"]) for each in pod["spec"]["containers"]]
    notes = pod["metadata"].get("annotations") or {}
    marked = str(notes.get("kubectl.kubernetes.io/default-container"))
    return next((name for name in (marked, "notebook") if name in names), names[0])


def _line(text: object) -> str:
    return " ".join(str(text or "").split())[:300].rstrip(".")
