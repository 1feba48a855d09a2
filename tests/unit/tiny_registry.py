"""A registry in this process, for faults that a real one cannot be made to show."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

API = {"Docker-Distribution-Api-Version": "registry/2.0"}


@dataclass(frozen=True)
class Asked:
    """One request; `path` without the query."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """An answer, or a fault: `reset` ends the connection after `data`, `slow` trickles it."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes = b""
    reset: bool = False
    length: int | None = None
    slow: float = 0


RESET = Reply(reset=True)


def error(status: int, code: str, message: str = "", detail: object = None) -> Reply:
    document = {"errors": [{"code": code, "message": message, "detail": detail}]}
    return Reply(status, API, json.dumps(document).encode())


class Tiny:
    """Keeps manifests and blobs by repository; `fault` may answer in its place."""

    def __init__(self) -> None:
        self.host = ""
        self.asked: list[Asked] = []
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.fault: Callable[[Asked], Reply | None] = lambda _: None
        self.after: Callable[[Asked], Reply | None] = lambda _: None

    def count(self, method: str, part: str) -> int:
        """How many requests of that method had `part` in their path."""
        return sum(1 for each in self.asked if each.method == method and part in each.path)

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        given = self.fault(asked) or self._answer(asked)
        return self.after(asked) or given

    def _answer(self, asked: Asked) -> Reply:
        if asked.path == "/v2/":
            return Reply(200, API, b"{}")
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs|tags)/(.+?)/?", asked.path)
        assert match, asked.path
        repository, kind, name = match.groups()
        if kind == "tags":
            tags = [tag for path, tag in self.manifests if path == repository and ":" not in tag]
            return Reply(200, API, json.dumps({"name": repository, "tags": tags}).encode())
        if kind == "manifests":
            return self._manifest(asked, repository, name)
        return self._blob(asked, repository, name)

    def _manifest(self, asked: Asked, repository: str, name: str) -> Reply:
        if asked.method == "PUT":
            stored = (asked.headers["Content-Type"], asked.body)
            digest = f"sha256:{hashlib.sha256(asked.body).hexdigest()}"
            self.manifests[repository, name] = self.manifests[repository, digest] = stored
            return Reply(201, {**API, "Docker-Content-Digest": digest})
        if (repository, name) not in self.manifests:
            return error(404, "MANIFEST_UNKNOWN")
        media_type, data = self.manifests[repository, name]
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        return Reply(
            200, {**API, "Docker-Content-Digest": digest, "Content-Type": media_type}, data
        )

    def _blob(self, asked: Asked, repository: str, name: str) -> Reply:
        if asked.method == "POST":
            return self._begin(asked, repository)
        if asked.method == "PUT":
            digest = f"sha256:{hashlib.sha256(asked.body).hexdigest()}"
            if digest != asked.query["digest"]:
                return error(400, "DIGEST_INVALID")
            self.blobs[repository, digest] = asked.body
            return Reply(201, API)
        if (repository, name) not in self.blobs:
            return error(404, "BLOB_UNKNOWN")
        data = self.blobs[repository, name]
        wanted = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("Range", ""))
        return Reply(206, API, data[int(wanted.group(1)) :]) if wanted else Reply(200, API, data)

    def _begin(self, asked: Asked, repository: str) -> Reply:
        source = (asked.query.get("from", ""), asked.query.get("mount", ""))
        if source in self.blobs:
            self.blobs[repository, source[1]] = self.blobs[source]
            return Reply(201, API)
        return Reply(202, {**API, "Location": f"/v2/{repository}/blobs/uploads/one?state=x"})


@contextmanager
def serving(handle: Tiny, address: str = "127.0.0.1", tls: Any = None) -> Iterator[str]:
    """Serve on a free port, and give host and port; `tls` is an SSL context."""

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # else each small answer waits 40 ms
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = handle.answer(Asked(self.command, parts.path, query, dict(self.headers), body))
            self._say(reply)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815

        def _say(self, reply: Reply) -> None:
            if reply.reset and not reply.data:
                self._end()
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            length = len(reply.data) if reply.length is None else reply.length
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command == "HEAD":
                return
            try:
                if reply.slow:
                    for byte in reply.data:
                        threading.Event().wait(reply.slow)
                        self.wfile.write(bytes([byte]))
                else:
                    self.wfile.write(reply.data)
            except OSError:
                self.close_connection = True
            if reply.reset:
                self._end()

        def _end(self) -> None:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

    server = ThreadingHTTPServer((address, 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    options = {"poll_interval": 0.02}
    thread = threading.Thread(target=server.serve_forever, kwargs=options, daemon=True)
    thread.start()
    handle.host = f"{address}:{server.server_address[1]}"
    try:
        yield handle.host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
