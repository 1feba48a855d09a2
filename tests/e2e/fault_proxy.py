"""A proxy before a registry that does to single requests what networks and servers do to them.

It answers itself, breaks connections off, trickles, or changes what passes; all else it hands on.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BLOCK = 64 << 10


@dataclass
class Fault:
    """What happens to some requests.

    Attributes:
        method: of the requests, a regular expression.
        path: what is searched for in their paths, a regular expression.
        does: what happens then.
        after: so many matching requests pass before.
        times: to so many of them it happens.
    """

    method: str
    path: str
    does: Callable[[Exchange], None]
    after: int = 0
    times: int = 1
    happened: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def takes(self, method: str, path: str) -> bool:
        """Tell whether it happens to this request, and count it."""
        if not re.fullmatch(self.method, method) or not re.search(self.path, path):
            return False
        with self._lock:
            if self.after:
                self.after -= 1
                return False
            if self.happened >= self.times:
                return False
            self.happened += 1
            return True


class Exchange(BaseHTTPRequestHandler):
    """One request, handed on unless a fault takes it."""

    protocol_version = "HTTP/1.1"
    # Else the second part of each answer waits for the client's late acknowledgement of the first.
    disable_nagle_algorithm = True
    server: Proxy

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            super().handle_one_request()
            return
        self.close_connection = True

    def _handle(self) -> None:
        self.server.seen.append((self.command, self.path))
        if self.server.tokens and not self.server.tokens.let_in(self):
            return
        for fault in self.server.faults:
            if fault.takes(self.command, self.path):
                fault.does(self)
                return
        self.hand_on()

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815

    def hand_on(self, change: Callable[[bytes], bytes] | None = None) -> None:
        """Let the registry answer; `change` is applied to its answer's body."""
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=30)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "authorization"):
                    upstream.putheader(name, value)
            upstream.endheaders()
            for block in self.body():
                upstream.send(block)
            answer = upstream.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            self.reset()
            return
        finally:
            upstream.close()
        headers = {k: v for k, v in answer.getheaders() if k.lower() != "connection"}
        self.answer(answer.status, headers, change(data) if change else data)

    def body(self) -> Iterator[bytes]:
        """Give the bytes of the request's body."""
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            block = self.rfile.read(min(left, _BLOCK))
            if not block:
                raise ConnectionResetError
            left -= len(block)
            yield block

    def answer(self, status: int, headers: Mapping[str, str], data: bytes = b"") -> None:
        """Answer; the length told is the one of the answer to a HEAD where `headers` has it."""
        self.send_response_only(status)
        told = {"Content-Length": str(len(data)), **headers}
        if data and self.command != "HEAD":
            told["Content-Length"] = str(len(data))
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def reset(self) -> None:
        """Break the connection off, as a firewall or a crash does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing: `Proxy.seen` has it."""


class Proxy(ThreadingHTTPServer):
    """The proxy: `seen` are method and path of each request."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.upstream = upstream
        self.faults: Sequence[Fault] = ()
        self.tokens: Tokens | None = None
        self.seen: list[tuple[str, str]] = []

    @property
    def host(self) -> str:
        """What stands before the path in the names of images."""
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: broken connections are what this is for."""


class Tokens:
    """Gives tokens of a short life to anyone, and lets nobody in without."""

    def __init__(self, proxy: Proxy) -> None:
        self._realm = f"http://{proxy.host}/token"
        self._valid: set[str] = set()
        self.given = 0

    def expire(self) -> None:
        """Let no token be valid that was given until now."""
        self._valid.clear()

    def let_in(self, exchange: Exchange) -> bool:
        """Tell whether a request may pass; answers it where it may not."""
        if exchange.path.startswith("/token"):
            self.given += 1
            token = secrets.token_hex(8)
            self._valid.add(token)
            document = {"token": token, "expires_in": 300}
            exchange.answer(
                200, {"Content-Type": "application/json"}, json.dumps(document).encode()
            )
            return False
        if exchange.headers.get("Authorization", "").removeprefix("Bearer ") in self._valid:
            return True
        for _ in exchange.body():
            pass
        challenge = {"WWW-Authenticate": f'Bearer realm="{self._realm}",service="tests"'}
        exchange.answer(401, {**challenge, "Docker-Distribution-Api-Version": "registry/2.0"})
        return False


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """Run a proxy before a registry."""
    with Proxy(upstream) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def reset(exchange: Exchange) -> None:
    """Break off at once."""
    exchange.reset()


def reset_in_body(exchange: Exchange) -> None:
    """Break off when half of the body has come."""
    half = int(exchange.headers.get("Content-Length") or 0) // 2
    exchange.rfile.read(half)
    exchange.reset()


def done_but_unheard(exchange: Exchange) -> None:
    """Let the registry do it, and break off before its answer comes through."""
    with contextlib.suppress(AttributeError):
        heard = exchange.answer
        exchange.answer = lambda *_: exchange.reset()  # type: ignore[method-assign]
        exchange.hand_on()
        exchange.answer = heard  # type: ignore[method-assign]


def says(
    status: int, headers: Mapping[str, str] | None = None, text: str = ""
) -> Callable[..., None]:
    """Answer with a status, once the whole body has come."""

    def does(exchange: Exchange) -> None:
        for _ in exchange.body():
            pass
        exchange.answer(status, headers or {}, text.encode())

    return does


def trickles(exchange: Exchange) -> None:
    """Begin an answer, and go on with a byte now and then, for ever."""
    for _ in exchange.body():
        pass
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(600):
        time.sleep(0.1)
        exchange.wfile.write(b"z")
        exchange.wfile.flush()


def corrupts(exchange: Exchange) -> None:
    """Hand on, and change a byte of what comes back."""
    exchange.hand_on(lambda data: data[:-1] + bytes([data[-1] ^ 1]) if data else data)


def first(action: Callable[[], object]) -> Callable[[Exchange], None]:
    """Do something just before the request is handed on."""

    def does(exchange: Exchange) -> None:
        action()
        exchange.hand_on()

    return does
