"""Which calls does Spark make of the API server, and which rights do they take?

Spark's own client writes each request and its answer into the log, if its logger is told to.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

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


def recorded(log: str) -> set[Right]:
    """Return the rights that the calls in a log take."""
    return {right for call in _CALL.findall(log) for right in rights_taken(*call)}


def refused(log: str) -> list[str]:
    """Return the answers in a log with which the API server refused a call."""
    return re.findall(r"^API < 40[13] .*", log, re.MULTILINE)
