"""Which Kubernetes does KUBECONFIG lead to, and what does it mean when it will not do something?

The official client reads the kubeconfig and speaks to the API server. What comes back is the plain
JSON of the API: so a newer client does not stumble over what an older server leaves out.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import urllib3
import yaml  # type: ignore[import-untyped,unused-ignore]
from kubernetes import client
from kubernetes.config import ConfigException, load_kube_config
from kubernetes.stream import stream

from sparkyard.command import mask
from sparkyard.errors import (
    ClusterAbsentError,
    ClusterNotConfiguredError,
    ClusterRefusedError,
    ClusterRightsError,
    ClusterUnreachableError,
    SparkyardError,
    UnknownNameError,
)
from sparkyard.names import nearest

CONNECT_SECONDS = 6.0
"""One attempt to connect. There is one more (`Configuration.retries`): under 15 s in all."""

ANSWER_SECONDS = 30.0
"""An answer to one question: admission webhooks have up to 30 s, all else takes less than one."""

Json = dict[str, Any]
"""An object of the API, as its JSON: its fields are the API's own."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that can be asked; `namespace` is the context's own, "default" without one."""

    api: client.CoreV1Api
    context: str
    server: str
    namespace: str

    def reach(self) -> None:
        """See that the API server answers and accepts the credentials, within 15 seconds.

        Raises:
            ClusterUnreachableError: there is no answer.
            ClusterRightsError: it does not know who asks.
        """
        self._call("get_api_resources", (), "say what it serves", {}, CONNECT_SECONDS)

    def ask(self, method: str, *words: str | Json, doing: str, **options: Any) -> Json:
        """Call a method of the API's core group and return the JSON that it answers with.

        Args:
            method: a method of `CoreV1Api`.
            words: its positional arguments: a name, a namespace, an object.
            doing: what this is for, as errors put it ("create a pod in spark").
            options: its other arguments.

        Raises:
            ClusterUnreachableError: there is no answer.
            ClusterRightsError: it does not know who asks, or does not allow it.
            ClusterAbsentError: there is no such object or namespace.
            ClusterRefusedError: it allows it, but would not take this object.
        """
        return dict(json.loads(self._call(method, words, doing, options) or b"{}"))

    def log(self, pod: str, namespace: str, *, lines: int | None = None) -> str:
        """Return what a pod's only container has written, the last `lines` of it when given.

        Raises:
            SparkyardError: as `ask`.
        """
        options = {"tail_lines": lines} if lines else {}
        doing = f"read the log of pod {pod}"
        return self._call("read_namespaced_pod_log", (pod, namespace), doing, options).decode(
            errors="replace"
        )

    def execute(self, pod: str, namespace: str, container: str, argv: list[str]) -> Any:
        """Start a command in a running container and return the open stream of it.

        Raises:
            SparkyardError: as `ask`.
        """
        doing = f"run a command in pod {pod}"
        try:
            # A client of its own: the stream takes the place of its way of calling.
            api = client.CoreV1Api(client.ApiClient(self.api.api_client.configuration))
            return stream(
                api.connect_get_namespaced_pod_exec,
                pod, namespace, container=container, command=argv,
                stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
            )  # fmt: skip
        except Exception as error:
            self._explain(error, doing)

    def _call(
        self,
        method: str,
        words: tuple[str | Json, ...],
        doing: str,
        options: dict[str, Any],
        within: float = ANSWER_SECONDS,
    ) -> bytes:
        call: Callable[..., Any] = getattr(self.api, method)
        try:
            answer = call(
                *words,
                _preload_content=False,
                _request_timeout=(CONNECT_SECONDS, within),
                **options,
            )
            status = int(answer.status)
            body = bytes(answer.data or b"")
        except Exception as error:
            self._explain(error, doing)
        if status >= 300:
            raise refusal(status, body.decode(errors="replace"), doing, self.server)
        return body

    def _explain(self, error: Exception, doing: str) -> NoReturn:
        if isinstance(error, client.ApiException):
            status = error.status or 0
            if not status:  # how a stream or a handshake that failed is told
                raise unreachable(self.server, str(error.reason), doing) from error
            text = error.body.decode(errors="replace") if isinstance(error.body, bytes) else None
            raise refusal(status, text or str(error.body or ""), doing, self.server) from error
        if isinstance(error, (urllib3.exceptions.HTTPError, OSError, ConfigException)):
            raise unreachable(self.server, str(error), doing) from error
        raise error


def connect(context: str | None = None, environment: dict[str, str] | None = None) -> Cluster:
    """Return the cluster that KUBECONFIG names, else ~/.kube/config; nothing is asked of it yet.

    Raises:
        ClusterNotConfiguredError: there is no such file, or it is no kubeconfig.
        UnknownNameError: it has no such context.
    """
    environment = dict(os.environ) if environment is None else environment
    named = environment.get("KUBECONFIG", "")
    home = Path(environment.get("HOME", "/")) / ".kube" / "config"
    paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part]
    if not paths and not home.is_file():
        raise ClusterNotConfiguredError(
            f"KUBECONFIG is not set, and there is no {home}: no cluster is known.",
            "Set KUBECONFIG to the file that your cluster's administrators gave you.",
        )
    paths = paths or [home]
    there = [path for path in paths if path.exists()]
    if not there:
        raise ClusterNotConfiguredError(
            f"KUBECONFIG is {named}, and there is no such file.",
            "Set it to the file that your cluster's administrators gave you.",
        )
    read = [_read(path) for path in there]
    contexts = [str(entry.get("name")) for one in read for entry in one.get("contexts") or []]
    default = next((str(one["current-context"]) for one in read if one.get("current-context")), "")
    listed = os.pathsep.join(map(str, there))
    chosen = context or default
    if not chosen:
        raise ClusterNotConfiguredError(
            f"{listed} has no current context.",
            f"Choose one with --context: {', '.join(contexts) or 'it has none'}.",
        )
    if chosen not in contexts:
        raise UnknownNameError(
            f'{listed} has no context "{chosen}".',
            nearest(chosen, contexts) if contexts else "It has none at all: take another file.",
        )
    namespace = next(
        (entry.get("context") or {}).get("namespace")
        for one in read
        for entry in one.get("contexts") or []
        if str(entry["name"]) == chosen
    )
    return _load(listed, chosen, str(namespace or "default"))


def _read(path: Path) -> Json:
    """Return a kubeconfig as YAML; errors tell a place in it, and never what stands there."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ClusterNotConfiguredError(
            f"The kubeconfig {path} cannot be read: {why}.", "Set KUBECONFIG to another file."
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise _no_kubeconfig(path, f"it is not YAML{place}") from error
    if not isinstance(content, dict):
        raise _no_kubeconfig(path, "it is no mapping")
    for part in ("contexts", "clusters", "users"):
        entries = content.get(part) or []
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and "name" in entry for entry in entries
        ):
            raise _no_kubeconfig(path, f"its {part} are no list of named entries")
    return content


def _no_kubeconfig(path: Path | str, why: str) -> ClusterNotConfiguredError:
    return ClusterNotConfiguredError(
        f"{path} is no kubeconfig: {why}.",
        "Set KUBECONFIG to the file that your cluster's administrators gave you, or have it "
        "written anew.",
    )


def _load(listed: str, context: str, namespace: str) -> Cluster:
    configuration = client.Configuration()
    configuration.retries = 1
    load: Callable[..., None] = load_kube_config
    try:
        load(listed, context, configuration, persist_config=False)
    except (ConfigException, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        # Of the client's own messages only the first line: the rest may quote the file.
        why = mask(str(error).splitlines()[0] if str(error) else type(error).__name__)
        raise _no_kubeconfig(f"The context {context} of {listed}", why.rstrip(".")) from error
    if not re.match(r"https?://[^/]", configuration.host or ""):
        raise _no_kubeconfig(f"The context {context} of {listed}", "its server is no URL")
    api = client.CoreV1Api(client.ApiClient(configuration))
    return Cluster(api, context, mask(configuration.host), namespace)


def unreachable(server: str, reason: str, doing: str) -> SparkyardError:
    """Return the error for an API server that gave no answer."""
    known = (
        ("CERTIFICATE_VERIFY_FAILED", "its certificate is not one that the kubeconfig vouches for"),
        ("WRONG_VERSION_NUMBER", "it does not speak TLS"),
        ("SSLError", "the TLS handshake failed"),
        ("Connection refused", "nothing listens there"),
        ("Name or service not known", "its name is not known"),
        ("NameResolutionError", "its name is not known"),
        ("No route to host", "there is no route to it"),
        ("unreachable", "there is no route to it"),
        ("timed out", f"no answer within {CONNECT_SECONDS:.0f} s, twice"),
    )
    why = next((told for sign, told in known if sign in reason), mask(reason)[:200])
    return ClusterUnreachableError(
        f"The API server {server} could not be asked to {doing}: {why}.",
        "See whether `kubectl version` gets an answer: the network, a VPN, or the kubeconfig's "
        "address.",
    )


def refusal(status: int, body: str, doing: str, server: str) -> SparkyardError:  # noqa: PLR0911
    """Return the error for an answer that is no success.

    Args:
        status: its HTTP status.
        body: what it says, a Status of the API where the API server itself answered.
        doing: what was asked for.
        server: the API server's address.
    """
    said = message_of(body)
    if status == 401:
        return ClusterRightsError(
            f"The API server {server} does not accept the kubeconfig's credentials.",
            "They may have expired: log in to the cluster again, and see `kubectl get pods`.",
        )
    if status in (403, 422, 400, 409) and re.search(r"exceeded quota|failed quota", said):
        return ClusterRefusedError(
            f"It was refused to {doing}: {said}.",
            "Wait for other pods to end, ask for a larger quota, or take fewer --executors.",
        )
    if status == 403 and re.search(r"PodSecurity|denied the request|security polic", said):
        return ClusterRefusedError(
            f"It was refused to {doing}: {said}.",
            "Ask who keeps this namespace's policy what it wants of a pod.",
        )
    if status == 403:
        return ClusterRightsError(
            f"You may not {doing}: {said}.",
            "Ask for this right in the namespace, or take a --context or --namespace that has it.",
        )
    if status == 404:
        return ClusterAbsentError(
            f"It is not possible to {doing}: {said}.", "Check the name and the --namespace."
        )
    if status in (500, 502, 503, 504, 429):
        return ClusterUnreachableError(
            f"The API server {server} did not {doing}: {status}, {said}.",
            "It, or what stands before it, is busy or ill: try again later.",
        )
    return ClusterRefusedError(
        f"The API server {server} did not {doing}: {status}, {said}.", "See what it says."
    )


def message_of(body: str) -> str:
    """Return what the API server says in a Status, or the beginning of another answer."""
    try:
        said = json.loads(body).get("message")
    except (ValueError, AttributeError):
        said = None
    return mask(" ".join(str(said or body or "no reason given").split()))[:400].rstrip(".")
