"""How does a registry want to be told who asks? Basic, or bearer tokens that it has us fetch.

The token protocol is that of the CNCF distribution project, with the exchange of identity tokens
after OAuth 2. Tokens are kept by what they allow, until shortly before they expire.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from sparkyard.errors import RegistryCredentialsError, RegistryUnreachableError
from sparkyard.registry import credentials
from sparkyard.registry.credentials import Credentials
from sparkyard.registry.http import Answer, is_loopback

PULL = "pull"
PUSH = "pull,push"
DELETE = "delete"

_LIFE = 60
"""Seconds that a token lives which does not say: the token protocol's own default."""
_LEEWAY = 10
"""Seconds before its end at which a token is not used any more."""

_PART = re.compile(r'([A-Za-z_]+)=(?:"([^"]*)"|([^\s,"]+))')

Ask = Callable[[str, str, Mapping[str, str], bytes | None], Answer]
"""Method, URL, headers, body to answer; tries again by itself."""


@dataclass(frozen=True)
class Challenge:
    """What a registry asks for: `scheme` in lower case, its parts by name."""

    scheme: str
    parts: Mapping[str, str]


@dataclass(frozen=True)
class Scope:
    """What is to be done in a repository; `source` is another one that a blob is mounted from."""

    repository: str
    actions: str = PULL
    source: str = ""

    def words(self) -> tuple[str, ...]:
        """Return it as the scopes of a token."""
        own = f"repository:{self.repository}:{self.actions}"
        return (own, f"repository:{self.source}:{PULL}") if self.source else (own,)


def parse(header: str) -> Challenge | None:
    """Return the challenge in a WWW-Authenticate header that can be met, None without one."""
    challenges = {}
    for scheme in ("Bearer", "Basic"):
        match = re.search(rf"(?i)(?:^|[,\s]){scheme}\s+(.*)", header) or re.fullmatch(
            rf"(?i){scheme}()", header.strip()
        )
        if match:
            parts = {name.lower(): one or two for name, one, two in _PART.findall(match.group(1))}
            challenges[scheme.lower()] = Challenge(scheme.lower(), parts)
    return challenges.get("bearer") or challenges.get("basic")


class Authority:
    """Gives the Authorization header for a question; may be used by several threads."""

    def __init__(self, host: str, ask: Ask) -> None:
        self._host = host
        self._ask = ask
        self._lock = threading.Lock()
        self._challenge: Challenge | None = None
        self._known: Credentials | None = None
        self._looked = False
        self._tokens: dict[tuple[str, ...], tuple[str, float]] = {}

    def learn(self, answer: Answer) -> None:
        """Take in the challenge of an answer with status 401.

        Raises:
            RegistryUnreachableError: it has none that a registry would send.
        """
        challenge = parse(answer.headers.get("WWW-Authenticate", ""))
        if challenge is None or (challenge.scheme == "bearer" and "realm" not in challenge.parts):
            raise RegistryUnreachableError(
                f"What answers at {self._host} wants a login that no registry asks for.",
                "Look at it with a browser: it may be a proxy. Set REGISTRY to the registry's "
                "own host.",
            )
        with self._lock:
            self._challenge = challenge

    def header(self, scope: Scope | None) -> dict[str, str]:
        """Return the header for a question, empty where the registry asked for none.

        Raises:
            RegistryCredentialsError: there are no credentials, or they are refused.
        """
        with self._lock:
            if self._challenge is None:
                return {}
            if self._challenge.scheme == "basic":
                return {"Authorization": self._basic()}
            return {"Authorization": f"Bearer {self._token(self._challenge, scope)}"}

    def forget(self, scope: Scope | None) -> None:
        """Use the token of this scope no more."""
        with self._lock:
            for words in self._covering(scope):
                self._tokens.pop(words, None)

    @property
    def basic(self) -> bool:
        """Whether the registry wants the credentials themselves with each question."""
        return self._challenge is not None and self._challenge.scheme == "basic"

    @property
    def anonymous(self) -> bool:
        """Whether there are no credentials for this registry."""
        return self._credentials() is None

    def _credentials(self) -> Credentials | None:
        if not self._looked:
            self._known = credentials.find(self._host)
            self._looked = True
        return self._known

    def _basic(self) -> str:
        known = self._credentials()
        if known is None or not known.user:
            raise wanted(self._host)
        pair = f"{known.user}:{known.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    def _covering(self, scope: Scope | None) -> list[tuple[str, ...]]:
        """Return the scopes with which this one may be had, the least first."""
        if scope is None:
            return [()]
        more = [Scope(scope.repository, PUSH).words()] if scope.actions == PULL else []
        return [scope.words(), *more]

    def _token(self, challenge: Challenge, scope: Scope | None) -> str:
        for words in self._covering(scope):
            token, ends = self._tokens.get(words, ("", 0.0))
            if token and time.monotonic() < ends:
                return token
        words = scope.words() if scope else ()
        token, life = self._fetch(challenge, words)
        self._tokens[words] = (token, time.monotonic() + max(life - _LEEWAY, 1))
        return token

    def _fetch(self, challenge: Challenge, words: tuple[str, ...]) -> tuple[str, float]:
        realm = challenge.parts["realm"]
        if urlsplit(realm).scheme != "https" and not is_loopback(realm):
            raise RegistryCredentialsError(
                f"{self._host} wants credentials sent to {_place(realm)} without TLS.",
                "Nothing was sent. Ask those who run the registry to serve tokens by https.",
            )
        known = self._credentials()
        service = challenge.parts.get("service", "")
        if known and known.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": known.identity_token,
                "service": service,
                "client_id": "sparkyard",
                "scope": " ".join(words),
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._ask("POST", realm, headers, urlencode(form).encode())
        else:
            query = [("service", service)] if service else []
            query += [("scope", word) for word in words]
            headers = {"Authorization": self._basic()} if known else {}
            joint = "&" if urlsplit(realm).query else "?"
            answer = self._ask("GET", f"{realm}{joint}{urlencode(query)}", headers, None)
        return self._read(answer, realm)

    def _read(self, answer: Answer, realm: str) -> tuple[str, float]:
        if answer.status in (400, 401, 403):
            raise refused(self._host) if self._credentials() else wanted(self._host)
        try:
            document = json.loads(answer.data)
            token = str(document.get("token") or document["access_token"])
            life = float(document.get("expires_in") or _LIFE)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RegistryUnreachableError(
                f"{_place(realm)}, where {self._host} has tokens fetched, gives none "
                f"(HTTP {answer.status}).",
                "Run the same command again; if it stays so, ask those who run the registry.",
            ) from None
        return token, life


def wanted(host: str) -> RegistryCredentialsError:
    """Return the error for a registry that wants credentials, where there are none."""
    return RegistryCredentialsError(
        f"The registry {host} wants credentials, and docker's configuration "
        f"({credentials.config_file()}) has none for it.",
        f"Log in: `docker login {host}`.",
    )


def refused(host: str, what: str = "") -> RegistryCredentialsError:
    """Return the error for credentials that do not let us in, or not to `what`."""
    return RegistryCredentialsError(
        f"The registry {host} refuses the credentials in docker's configuration "
        f"({credentials.config_file()})" + (f" for {what}." if what else "."),
        f"Log in again: `docker login {host}`; or ask for the right to do this.",
    )


def _place(url: str) -> str:
    """Return scheme and host of a URL: what follows may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
