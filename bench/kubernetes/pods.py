"""When was a pod created, and when did the JVM in it run? Both by this machine's clock.

The API dates its objects in whole seconds: so the moment counts at which a watch tells of them.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.kubernetes.namespace import Namespace
from sparkyard.errors import PodStartError
from sparkyard.kubernetes.cluster import Json

_WITHIN = 90.0
"""Seconds for a bare pod to come: an image that is there takes two."""


@dataclass
class Seen:
    """The pods that a watch told of: when, by their names; and the images of their containers."""

    created: dict[str, float] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)

    def take(self, event: Json, at: float) -> None:
        """Take in an event of the watch that came at a time."""
        pod = event.get("object") or {}
        name = str((pod.get("metadata") or {}).get("name", ""))
        if event.get("type") == "ADDED" and name and name not in self.created:
            self.created[name] = at
            self.images[name] = str(pod["spec"]["containers"][0]["image"])

    def before(self, moment: float, image: str) -> float | None:
        """Return when the last pod of an image was created before a moment."""
        times = [
            at for name, at in self.created.items() if at < moment and self.images[name] == image
        ]
        return max(times, default=None)


@contextlib.contextmanager
def watched(namespace: Namespace) -> Iterator[Seen]:
    """Watch the namespace's pods meanwhile."""
    seen = Seen()
    answer: Any = namespace.cluster.api.list_namespaced_pod(
        namespace.name, watch=True, _preload_content=False
    )

    def read() -> None:
        # The end of it is the connection's, closed below; how that looks is not said anywhere.
        with contextlib.suppress(Exception):
            for line in answer:
                seen.take(json.loads(line), time.time())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield seen
    finally:
        answer.shutdown()
        reader.join(timeout=5)


def bare_jvm(namespace: Namespace, seen: Seen, number: int) -> float:
    """Return the seconds from a pod's creation until a JVM has run in it and its shell calls back.

    Raises:
        PodStartError: it did not within a minute and a half.
    """
    name = f"bare-jvm-{number}"
    doing = f"create a pod in {namespace.name}"
    with socket.create_server((namespace.address, 0)) as listener:
        listener.settimeout(_WITHIN)
        port = listener.getsockname()[1]
        body = bare_pod(name, namespace.executors, namespace.address, port)
        namespace.cluster.ask("create_namespaced_pod", namespace.name, body, doing=doing)
        try:
            listener.accept()[0].close()
        except TimeoutError as error:
            raise PodStartError(
                f"The pod {name} in {namespace.name} did not call back to "
                f"{namespace.address}:{port} within {_WITHIN:.0f} s.",
                f"See whether the nodes can run {namespace.executors}, and reach this machine.",
            ) from error
        ran = time.time()
    while name not in seen.created:  # the watch is a little behind the answer, never for long
        if time.time() - ran > _WITHIN:
            raise PodStartError(f"No watch told of the pod {name}.", "Run it again.")
        time.sleep(0.01)
    return ran - seen.created[name]


def bare_pod(name: str, image: str, address: str, port: int) -> Json:
    """Return a pod that starts a JVM with nothing to do, and then opens a connection."""
    script = f"java -version && exec 3<>/dev/tcp/{address}/{port}"
    return {
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "jvm",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["bash", "-c", script],
                    "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
                }
            ],
        },
    }
