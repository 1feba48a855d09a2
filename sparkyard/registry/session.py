"""How does one talk with a registry: redirects, tokens, tries, and what its answers mean?

Which questions there are stands in registry.py. May be used by several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urljoin, urlsplit

import urllib3

from sparkyard.errors import RegistryRefusedError, RegistryUnreachableError
from sparkyard.registry import auth, oci
from sparkyard.registry.auth import PULL, Authority, Scope
from sparkyard.registry.http import Answer, Body, Connections, Limits, Unanswered, is_loopback
from sparkyard.registry.retry import AGAIN, Patience, codes, is_full, said
from sparkyard.settings import Settings

OURS = "Docker-Distribution-Api-Version"
"""A header of most registries, and of nothing that stands before them."""
REDIRECTS = frozenset((301, 302, 303, 307, 308))
_HOPS = 5
_DOCKER_HUB = "registry-1.docker.io"
"""The host that serves what is named docker.io (docker's own constant)."""
_ABSENT = frozenset(("NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "NOT_FOUND"))
"""The specification's error codes for what is not there, and Harbor's."""


class Session:
    """Talk with the registry at a host; `asked` hears of each request."""

    def __init__(
        self, host: str, settings: Settings, limits: Limits, asked: Callable[[], None]
    ) -> None:
        """Prepare to ask; nothing is asked yet. Raises ReferenceFormatError: the host is none."""
        self.host = host
        plain = oci.repository(host, "any").plain_http
        served = _DOCKER_HUB if host in ("docker.io", "index.docker.io") else host
        self.root = f"{'http' if plain else 'https'}://{served}/v2/"
        self.limits = limits
        self.connections = Connections(settings, limits)
        self._asked = asked
        self._authority = Authority(host, self._foreign)
        self._pinged = False

    def ping(self) -> None:
        """Return when a registry answers there; see Registry.ping."""
        patience = self.patience("whether it is there")
        answer = self._tried(patience, lambda: self.once("GET", self.root, {}))
        if answer.status == 401:
            self._authority.learn(answer)
            if self._authority.basic:
                header = self._authority.header(None)
                answer = self._tried(patience, lambda: self.once("GET", self.root, header))
                if answer.status in (401, 403):
                    raise auth.refused(self.host)
        elif answer.status in AGAIN:
            self.expect(answer, (200,), "whether it is there", reading=True)
        elif answer.status != 200 or not (OURS in answer.headers or _is_json(answer)):
            raise RegistryUnreachableError(
                f"What answers at {self.host} is no registry: HTTP {answer.status} for /v2/.",
                "Set REGISTRY to the host and port of a registry; a path belongs into namespace.",
            )
        self._pinged = True

    def ask(
        self,
        method: str,
        place: str,
        scope: Scope,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Return the answer to a question that may be asked twice.

        Args:
            method: of HTTP.
            place: a path below /v2/, or a whole URL.
            scope: what a token must allow.
            headers: beside those that the session gives.
            body: what is sent.

        Raises:
            RegistryUnreachableError, RegistryCredentialsError, CertificateError: there is none.
        """
        url = self.url(place)
        patience = self.patience(f"for {urlsplit(url).path.removeprefix('/v2/')}")
        denied = False
        while True:
            given = {**(headers or {}), **self.authorization(url, scope)}
            answer = self._tried(patience, lambda g=given: self._follow(method, url, g, body))  # type: ignore[misc]
            if answer.status != 401 or denied:
                break
            denied = True
            self.renew(answer, scope)
        if answer.status in (401, 403):
            raise self.denied(answer, scope)
        return answer

    def once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Body | None = None
    ) -> Answer:
        """Return the answer of one try. Raises Unanswered, CertificateError."""
        self._asked()
        return self.connections.ask(method, url, headers, body)

    def open(
        self, place: str, scope: Scope, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        """Return the answer to a GET in one try, redirects followed, its body still to be read.

        Raises:
            Unanswered, CertificateError: there is none.
        """
        url = self.url(place)
        given = {**headers, **self.authorization(url, scope)}
        for _ in range(_HOPS):
            self._asked()
            response = self.connections.open("GET", url, given)
            if response.status not in REDIRECTS:
                return response
            response.drain_conn()
            url = self.location(Answer(response.status, response.headers), url)
            given = self._for(url, given)
        raise Unanswered(f"{_HOPS} redirects")

    def url(self, place: str) -> str:
        """Return the URL of a path below /v2/, once it is known that a registry is there."""
        if not self._pinged:
            self.ping()
        return place if "://" in place else f"{self.root}{place}"

    def renew(self, answer: Answer, scope: Scope) -> None:
        """Take in a 401: the next question gets a new token."""
        self._authority.learn(answer)
        self._authority.forget(scope)

    def authorization(self, url: str, scope: Scope) -> dict[str, str]:
        """Return the header for a question; empty for other hosts than the registry's own."""
        return self._authority.header(scope) if self._is_ours(url) else {}

    def patience(self, what: str) -> Patience:
        """Return the tries that a question has."""
        return Patience(self.host, what, self.limits)

    def location(self, answer: Answer, asked: str = "") -> str:
        """Return where an answer leads: absolute or relative, never from TLS to none.

        Raises:
            RegistryRefusedError: it leads to plain HTTP, or nowhere.
        """
        location = answer.headers.get("Location", "")
        if not location:
            raise RegistryRefusedError(
                f"{self.host} answers HTTP {answer.status} and does not say where to go on.",
                "Ask those who run the registry what stands before it.",
            )
        return self.resolved(asked or self.root, location)

    def resolved(self, asked: str, location: str) -> str:
        """Return a location as a URL; raises as `location`."""
        url = urljoin(asked, location)
        parts = urlsplit(url)
        if parts.scheme == "https" or is_loopback(url):
            return url
        if parts.netloc == urlsplit(self.root).netloc:
            # A registry behind a TLS proxy that does not know of it.
            return url.replace("http://", "https://", 1)
        raise RegistryRefusedError(
            f"{self.host} leads on to {parts.netloc} by plain HTTP.",
            "Nothing was sent there. Ask those who run the registry to serve its storage by https.",
        )

    def absent(self, answer: Answer) -> bool:
        """Tell whether the registry itself says that it has none.

        Raises:
            RegistryUnreachableError: something else says so.
        """
        if answer.status != 404:
            return False
        named = codes(answer)
        if named & _ABSENT or (OURS in answer.headers and not named):
            return True
        raise self._between(answer)

    def expect(
        self, answer: Answer, statuses: tuple[int, ...], what: str, *, reading: bool = False
    ) -> None:
        """Return when an answer has one of these statuses.

        Raises:
            RegistryUnreachableError: it has not, and so what the registry holds is not known.
            RegistryRefusedError: it has not, and so the registry did not take `what`.
        """
        if answer.status in statuses:
            return
        words = said(answer)
        if reading or answer.status in (429, 502, 503, 504):
            raise RegistryUnreachableError(
                f"The registry {self.host} could not be asked for {what}: "
                f"HTTP {answer.status}{words}.",
                "Run the same command again later; what was sent is kept.",
            )
        remedy = "Ask those who run the registry; the same command goes on from here."
        if answer.status == 405 or "UNSUPPORTED" in codes(answer):
            remedy = "It seems to be read-only now. Run the same command again when it is not."
        elif is_full(answer):
            remedy = "Its storage is full. Have room made there, then run the same command again."
        elif answer.status == 413:
            remedy = "What stands before it takes no body of that size: have its limit raised."
        raise RegistryRefusedError(
            f"The registry {self.host} does not take {what}: HTTP {answer.status}{words}.", remedy
        )

    def gibberish(self, what: str) -> RegistryUnreachableError:
        """Return the error for an answer that is not of the protocol."""
        return RegistryUnreachableError(
            f"{self.host} answers the question for {what} with something else.",
            "Look at what stands before the registry, then run the same command again.",
        )

    def denied(self, answer: Answer, scope: Scope) -> Exception:
        """Return the error for an answer with status 401 or 403."""
        if answer.status == 403 and OURS not in answer.headers and not codes(answer):
            return self._between(answer)
        if self._authority.anonymous:
            return auth.wanted(self.host)
        what = "reading" if scope.actions == PULL else "writing"
        return auth.refused(self.host, f"{what} {scope.repository}")

    def _between(self, answer: Answer) -> RegistryUnreachableError:
        return RegistryUnreachableError(
            f"Something between here and the registry {self.host} answers HTTP {answer.status}: "
            "what the registry holds is not known.",
            "Look at what stands before it (a proxy, an ingress), then run the same command again.",
        )

    def _foreign(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        """Return the answer of a host that gives tokens."""
        return self._tried(
            self.patience("for a token"), lambda: self.once(method, url, headers, body)
        )

    def _tried(self, patience: Patience, once: Callable[[], Answer]) -> Answer:
        while True:
            try:
                answer = once()
            except Unanswered as error:
                if not error.again:
                    raise patience.lost(str(error)) from error
                patience.again(str(error))
                continue
            if not patience.may(answer):
                return answer
            patience.again(f"HTTP {answer.status}", answer)

    def _follow(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        answer = self.once(method, url, headers, body)
        for _ in range(_HOPS):
            if answer.status not in REDIRECTS or method != "GET":
                break
            url = self.location(answer, url)
            answer = self.once(method, url, self._for(url, headers))
        return answer

    def _for(self, url: str, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that another place may see."""
        ours = self._is_ours(url)
        return {name: value for name, value in headers.items() if ours or name != "Authorization"}

    def _is_ours(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self.root)[:2]


def _is_json(answer: Answer) -> bool:
    """Tell a registry's {} and true from a page."""
    return answer.data.lstrip()[:1] in (b"{", b"[", b"t")
