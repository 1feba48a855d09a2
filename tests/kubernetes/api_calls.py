"""Which calls does Spark make of the API server, and which rights do they take?

Spark's own client writes each request and its answer into the log, if its logger is told to. An
account can make such a call again, and is told whether it may.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes import config

from tests.kubernetes.kube import Kube

RECORDER = r"""
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
logger.http.name = io.fabric8.kubernetes.client.http.HttpLoggingInterceptor
logger.http.level = trace
logger.http.additivity = false
logger.http.appenderRef.calls.ref = calls
appender.calls.type = Console
appender.calls.name = calls
appender.calls.target = SYSTEM_ERR
appender.calls.layout.type = PatternLayout
appender.calls.layout.pattern = API %m%n
# Requests' and answers' first lines: tokens stand in the others.
appender.calls.filter.lines.type = RegexFilter
appender.calls.filter.lines.regex = > [A-Z]+ https?://.*|< \\d+ .*
appender.calls.filter.lines.onMatch = ACCEPT
appender.calls.filter.lines.onMismatch = DENY
"""
"""A log4j2 configuration that adds the calls to an ordinary log."""

_CALL = re.compile(r"^API > ([A-Z]+) (\S+)", re.MULTILINE)
_PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)/namespaces/(?P<namespace>[^/]+)"
    r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>.+))?)?"
)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, order=True)
class Right:
    """What a rule of a Role allows: one verb on one resource."""

    resource: str
    verb: str
    group: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


def rights_of(role: Mapping[str, Any]) -> Iterator[Right]:
    """Return the rights that a Role gives, one by one."""
    for rule in role["rules"]:
        for group, resource, verb in itertools.product(
            rule["apiGroups"], rule["resources"], rule["verbs"]
        ):
            yield Right(resource, verb, group)


def rights_taken(method: str, url: str) -> set[Right]:
    """Return the rights that a request takes.

    Raises:
        ValueError: it is not about objects of a namespace.
    """
    parts = urlsplit(url)
    if parts.path.endswith("/selfsubjectaccessreviews"):
        return set()  # whoever is known to a cluster may ask what they may
    found = _PATH.fullmatch(parts.path)
    if not found:
        raise ValueError(f"no request about objects of a namespace: {method} {url}")
    asked = parse_qs(parts.query)
    if method == "GET" and asked.get("watch") == ["true"]:
        verbs = ["watch"]
    elif method == "GET":
        verbs = ["get" if found["name"] else "list"]
    elif method == "DELETE":
        verbs = ["delete" if found["name"] else "deletecollection"]
    elif method == "PATCH" and "fieldManager" in asked:
        verbs = ["patch", "create"]  # a server-side apply, of what may not be there yet
    else:
        verbs = [_VERBS[method]]
    resource = found["resource"] + (f"/{found['sub']}" if found["sub"] else "")
    return {Right(resource, verb, found["group"] or "") for verb in verbs}


def calls(log: str) -> list[tuple[str, str]]:
    """Return the calls in a log: the method and the address of each."""
    return _CALL.findall(log)


def recorded(log: str) -> set[Right]:
    """Return the rights that the calls in a log take."""
    return {right for call in calls(log) for right in rights_taken(*call)}


def refused(log: str) -> list[str]:
    """Return the answers in a log with which the API server refused a call.

    Events apart: they are asked for where a pod takes long, and their refusal does no harm.
    """
    exchanges = re.findall(r"^API (?:> [A-Z]+ (\S+)|(< 40[13] .*))", log, re.MULTILINE)
    found, asked = [], ""
    for url, answer in exchanges:
        if url:
            asked = urlsplit(url).path
        elif not asked.endswith("/events"):
            found.append(f"API {answer}")
    return found


class Account:
    """A service account that makes calls of a log again, with a token of its own."""

    def __init__(self, kube: Kube, name: str):
        self._token = kube.token(name)
        given = json.loads(kube.kubeconfig_of(self._token))
        self._client = config.new_client_from_config_dict(given)  # type: ignore[no-untyped-call,unused-ignore]

    def status(self, method: str, url: str) -> int:
        """Make a call of a log again, as a dry run, and return the status of the answer.

        The API server looks at rights before it looks at what it is given: so that is no more than
        a name, or nothing that could be made.
        """
        parts = urlsplit(url)
        query = parts.query if method == "GET" else f"{parts.query}&dryRun=All"
        headers, body = {"Authorization": f"Bearer {self._token}"}, None
        if method == "PATCH":
            headers["Content-Type"], body = "application/apply-patch+yaml", _named(parts.path)
        elif method == "POST":
            headers["Content-Type"], body = "application/json", "no object"
        answer = self._client.rest_client.pool_manager.request(
            method,
            f"{self._client.configuration.host}{parts.path}?{query.strip('&')}",
            headers=headers,
            body=body,
            preload_content=False,  # what is watched comes without an end
            retries=False,
        )
        answer.close()
        status: int = answer.status
        return status


def _named(path: str) -> str:
    """Return the least that an object at a path can be applied with."""
    *_, resource, name = path.split("/")
    found: dict[str, Any] = {"apiVersion": "v1", "metadata": {"name": name}}
    if resource == "services":
        return json.dumps({**found, "kind": "Service", "spec": {"ports": [{"port": 1}]}})
    return json.dumps({**found, "kind": "ConfigMap"})
