"""How is an HTTP host asked, so that every question ends? One try each; who asks may try again.

A host that is silent, or that trickles, is left after the seconds in `Limits`: no answer, however
slow, holds a push for ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, cast
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError
from urllib3.util import Timeout, make_headers

from sparkyard import settings as setting
from sparkyard.errors import CertificateError, FileAccessError, HashMismatchError
from sparkyard.registry.oci import LOOPBACK, Descriptor
from sparkyard.settings import Settings

BLOCK = 256 << 10
"""Bytes handed to the network at once."""
_LARGEST = 16 << 20
"""Bytes of an answer that is held in memory: four times what the OCI specification asks of
manifests."""


@dataclass(frozen=True)
class Limits:
    """How long a host is waited for, in seconds, and how often it is asked.

    Attributes:
        retries: tries after the first.
        backoff: wait before the first retry; doubled for each further one.
        longest_wait: a Retry-After above it is not waited for.
        connect: until a connection stands.
        silence: without a byte; twice that until an answer's headers are complete.
        rate: least bytes a second, of bodies, once `grace` seconds are over.
    """

    retries: int = 5
    backoff: float = 0.5
    longest_wait: float = 60
    connect: float = 10
    silence: float = 120
    rate: int = 1024
    grace: float = 30


_POOL = re.compile(r"^\w+\(host=[^)]*\): ")
"""What urllib3 begins its messages with."""


class Unanswered(Exception):  # noqa: N818 - an event between two modules, shown to nobody
    """A try without an answer; `again` tells whether another one may help."""

    def __init__(self, why: str, *, again: bool = True) -> None:
        super().__init__(why)
        self.again = again


@dataclass(frozen=True)
class Answer:
    """What a host said: its status, its headers, the bytes of its body."""

    status: int
    headers: Mapping[str, str]
    data: bytes = b""


class Body:
    """A blob on its way: read by the client, checked against its descriptor; `done` bytes are."""

    def __init__(
        self,
        descriptor: Descriptor,
        stream: IO[bytes],
        pace: Pace,
        tell: Callable[[int], None],
    ) -> None:
        self._descriptor = descriptor
        self._stream = stream
        self._pace = pace
        self._tell = tell
        self._hash = hashlib.sha256()
        self.done = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; the last ones only when all of them are the blob's."""
        try:
            block = self._stream.read(size)
        except OSError as error:
            # urllib3 would take it for a fault of the connection.
            raise FileAccessError(
                f"{self._descriptor.digest} cannot be read: {error.strerror or error}.",
                "Build the image again.",
            ) from error
        self._hash.update(block)
        self.done += len(block)
        self._pace.check(len(block))
        if self.done >= self._descriptor.size:
            # The last bytes go out only when all of them, and no more, are the blob.
            digest = f"sha256:{self._hash.hexdigest()}"
            if digest != self._descriptor.digest or self._stream.read(1):
                raise self._other()
        elif not block:
            raise self._other()
        self._tell(len(block))
        return block

    def _other(self) -> HashMismatchError:
        return HashMismatchError(
            f"What this machine holds as {self._descriptor.digest} is another content.",
            "Its store is damaged: build the image again without cache.",
        )


class Pace:
    """The least rate of a body, over its whole time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._began = time.monotonic()
        self._bytes = 0

    def check(self, more: int) -> None:
        """Count bytes.

        Raises:
            Unanswered: they come slower than the limit.
        """
        self._bytes += more
        seconds = time.monotonic() - self._began
        if seconds > self._limits.grace and self._bytes < seconds * self._limits.rate:
            raise Unanswered(f"{self._bytes} bytes in {seconds:.0f} s: too slow")


class Connections:
    """Connections to a registry and to what it refers to; may be used by several threads."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self.limits = limits
        self._settings = settings
        self._lock = threading.Lock()
        self._managers: dict[str, urllib3.PoolManager] = {}

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Body | None = None
    ) -> Answer:
        """Return the answer to one question, no redirect followed.

        Raises:
            Unanswered: there was none.
            CertificateError: the host is not the one that the CA bundle vouches for.
        """
        response = self.open(method, url, headers, body)
        try:
            data = b"".join(self.received(response, _LARGEST))
        finally:
            response.release_conn()
        return Answer(response.status, response.headers, data)

    def open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Body | None = None
    ) -> urllib3.BaseHTTPResponse:
        """Return the beginning of an answer; its body is still to be read. Raises as `ask`."""
        try:
            return self._manager(url).request(
                method,
                url,
                headers=dict(headers),
                body=cast(Any, body),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
                timeout=Timeout(connect=self.limits.connect, read=self.limits.silence),
            )
        except SSLError as error:
            raise self._distrusted(urlsplit(url).netloc, error) from error
        except HTTPError as error:
            raise Unanswered(_reason(error)) from error

    def received(
        self, response: urllib3.BaseHTTPResponse, at_most: int | None = None
    ) -> Iterator[bytes]:
        """Give the body of an answer as it comes.

        Raises:
            Unanswered: it breaks off, trickles, or is longer than `at_most` bytes.
        """
        pace = Pace(self.limits)
        total = 0
        try:
            while block := response.read1(BLOCK):
                pace.check(len(block))
                total += len(block)
                if at_most is not None and total > at_most:
                    raise Unanswered(f"the answer has over {at_most} bytes", again=False)
                yield block
        except (HTTPError, OSError) as error:
            response.close()
            raise Unanswered(_reason(error)) from error
        except BaseException:
            response.close()
            raise

    def close(self) -> None:
        """End all connections."""
        for manager in self._managers.values():
            manager.clear()

    def _manager(self, url: str) -> urllib3.PoolManager:
        proxy = _proxy(url)
        with self._lock:
            if proxy not in self._managers:
                self._managers[proxy] = self._make(proxy)
            return self._managers[proxy]

    def _make(self, proxy: str) -> urllib3.PoolManager:
        bundle = setting.ca_bundle(self._settings)
        options: dict[str, Any] = {
            "num_pools": 8,
            "maxsize": 16,
            "blocksize": BLOCK,
            "cert_reqs": "CERT_REQUIRED",
            "ca_certs": str(bundle) if bundle else None,
        }
        if proxy:
            parts = urlsplit(proxy)
            secret = f"{parts.username}:{parts.password or ''}" if parts.username else None
            headers = make_headers(proxy_basic_auth=secret) if secret else None
            bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
            manager: urllib3.PoolManager = urllib3.ProxyManager(
                bare, proxy_headers=headers, **options
            )
        else:
            manager = urllib3.PoolManager(**options)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        return manager

    def _distrusted(self, host: str, error: SSLError) -> Exception:
        said = str(error)
        if "CERTIFICATE_VERIFY_FAILED" in said or "doesn't match" in said:
            bundle = setting.ca_bundle(self._settings)
            return CertificateError(
                f"{host} has a certificate that the CA bundle ({bundle or 'of the system'}) "
                f"does not vouch for: {_short(said)}.",
                "Set SPARKYARD_CA_BUNDLE to a PEM file in which the registry's authority stands "
                "too.",
            )
        return Unanswered(
            f"no TLS is spoken there ({_short(said)})", again="WRONG_VERSION" not in said
        )


def is_loopback(url: str) -> bool:
    """Tell whether a URL is of this machine, where plain HTTP is good enough."""
    host = urlsplit(url).hostname or ""
    return host in LOOPBACK or f"[{host}]" in LOOPBACK


class _Watch:
    """Ends a connection on which an answer's headers are not complete in time.

    A timeout of the socket begins anew with every byte that trickles in. What came until then
    would be taken for all of the headers.
    """

    def __init__(self, connection: HTTPConnection) -> None:
        self._socket = cast(socket.socket | None, connection.sock)
        seconds = connection.timeout
        self._timer = threading.Timer(2 * seconds if seconds else 0, self._end)
        self._timer.daemon = True
        self._wanted = bool(seconds and self._socket)
        self._ended = False

    def __enter__(self) -> None:
        if self._wanted:
            self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._ended:
            raise TimeoutError("the answer's headers trickle in")

    def _end(self) -> None:
        self._ended = True
        with contextlib.suppress(OSError):
            # Below TLS, which another thread is reading.
            socket.socket.shutdown(cast(socket.socket, self._socket), socket.SHUT_RDWR)


class _Plain(HTTPConnection):
    def getresponse(self) -> Any:
        with _Watch(self):
            return super().getresponse()


class _Secure(HTTPSConnection):
    def getresponse(self) -> Any:
        with _Watch(self):
            return super().getresponse()


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


def _proxy(url: str) -> str:
    parts = urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.netloc):
        return ""
    return urllib.request.getproxies().get(parts.scheme, "")


def _reason(error: Exception) -> str:
    """Return a line on what went wrong, without the URL, whose query may be a secret."""
    if isinstance(error, NewConnectionError):
        return _short(str(error).rpartition(": ")[2])
    inner = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], Exception) else error
    said = str(inner) or type(inner).__name__
    return _short(_POOL.sub("", said))


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
