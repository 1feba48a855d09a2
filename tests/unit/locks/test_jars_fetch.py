"""images/jars/fetch.py against a real server that answers well, badly, and not at all."""

from __future__ import annotations

import hashlib
import http.server
import socket
import ssl
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

FETCH = Path(__file__).resolve().parents[3] / "images" / "jars" / "fetch.py"
GOOD = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(GOOD).hexdigest()


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves GOOD under several kinds of misbehaviour, told by the path."""

    asked: ClassVar[list[tuple[str, str]]] = []
    users: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        span = self.headers.get("Range", "")
        self.asked.append((self.path, span))
        self.users.append(self.headers.get("Authorization", ""))
        first_time = [path for path, _ in self.asked].count(self.path) == 1
        if kind == "gone":
            return self.send_error(404)
        if kind == "down" or (kind == "busy" and first_time):
            return self.send_error(503)
        body = GOOD if kind != "wrong" else GOOD[::-1]
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and kind != "norange" else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        cut = kind == "short" or (kind in ("resume", "norange") and first_time)
        self.wfile.write(body[start : len(body) // 2] if cut else body[start:])
        return None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Be quiet."""


@pytest.fixture
def mirror() -> Iterator[str]:
    Mirror.asked.clear()
    Mirror.users.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def fetch(tmp_path: Path, url: str, *kinds: str) -> subprocess.CompletedProcess[str]:
    lock = tmp_path / "x.lock"
    lock.write_text("# Generated\n" + "".join(f"{SHA256} {len(GOOD)} {k}/{k}.jar\n" for k in kinds))
    return subprocess.run(
        [
            sys.executable,
            str(FETCH),
            str(lock),
            str(tmp_path / "cache"),
            str(tmp_path / "out"),
        ],
        env={"SPARKYARD_FETCH_PAUSE": "0", "MAVEN_MIRROR": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_good_jars_land_with_their_mode_and_the_cache_serves_them_again(
    tmp_path: Path, mirror: str
) -> None:
    assert fetch(tmp_path, mirror + "/", "good").returncode == 0
    assert (tmp_path / "out" / "good.jar").read_bytes() == GOOD
    assert (tmp_path / "out" / "good.jar").stat().st_mode & 0o777 == 0o644
    assert fetch(tmp_path, mirror, "good").returncode == 0
    assert len(Mirror.asked) == 1


def test_the_user_in_a_mirrors_url_is_told_decoded_and_shown_nowhere(
    tmp_path: Path, mirror: str
) -> None:
    told = mirror.replace("://", "://ann%40corp:p%40ss%2Fword@")
    ended = fetch(tmp_path, told, "gone")
    assert fetch(tmp_path, told, "good").returncode == 0
    assert (tmp_path / "out" / "good.jar").read_bytes() == GOOD
    assert set(Mirror.users) == {f"Basic {b64encode(b'ann@corp:p@ss/word').decode()}"}
    assert ended.stderr.startswith(f"sparkyard-fetch: not-found: {mirror}/gone")


def test_a_spoiled_cache_is_fetched_again(tmp_path: Path, mirror: str) -> None:
    fetch(tmp_path, mirror, "good")
    (tmp_path / "cache" / SHA256).write_bytes(GOOD[::-1])
    assert fetch(tmp_path, mirror, "good").returncode == 0
    assert (tmp_path / "out" / "good.jar").read_bytes() == GOOD


@pytest.mark.parametrize(
    ("kind", "said", "tries"),
    [
        ("gone", "not-found", 1),
        ("down", "http-error", 4),
        ("short", "truncated", 4),
        ("wrong", "hash-mismatch", 1),
    ],
)
def test_each_failure_is_one_clear_line(
    tmp_path: Path, mirror: str, kind: str, said: str, tries: int
) -> None:
    ended = fetch(tmp_path, mirror, kind)
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith(f"sparkyard-fetch: {said}: {mirror}/{kind}/{kind}.jar")
    assert len(Mirror.asked) == tries
    assert not (tmp_path / "out" / f"{kind}.jar").exists()


def test_a_cut_off_jar_is_gone_on_with(tmp_path: Path, mirror: str) -> None:
    assert fetch(tmp_path, mirror, "resume").returncode == 0
    assert [span for _, span in Mirror.asked] == ["", f"bytes={len(GOOD) // 2}-"]


@pytest.mark.parametrize("kind", ["norange", "busy"])
def test_a_mirror_that_recovers_is_enough(tmp_path: Path, mirror: str, kind: str) -> None:
    assert fetch(tmp_path, mirror, kind).returncode == 0


def test_a_wrong_part_from_before_is_thrown_away(tmp_path: Path, mirror: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"{SHA256}.part").write_bytes(GOOD[::-1][:1000])
    assert fetch(tmp_path, mirror, "good").returncode == 0
    assert [span for _, span in Mirror.asked] == ["bytes=1000-", ""]


def test_no_host_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ended = fetch(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}", "x")
    assert ended.stderr.startswith("sparkyard-fetch: unreachable: ")


def test_an_untrusted_certificate_is_said(tmp_path: Path) -> None:
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("no openssl here")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(tmp_path / "cert", tmp_path / "key")
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ended = fetch(tmp_path, f"https://localhost:{server.server_port}", "good")
        server.shutdown()
    assert ended.stderr.startswith("sparkyard-fetch: certificate: https://localhost")


def test_every_failure_is_told(tmp_path: Path, mirror: str) -> None:
    assert len(fetch(tmp_path, mirror, "gone", "wrong").stderr.splitlines()) == 2


def test_a_line_that_is_no_jar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.lock").write_text("what\n")
    ended = subprocess.run(
        [sys.executable, str(FETCH), str(tmp_path / "x.lock"), "c", "d"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr.startswith("sparkyard-fetch: bad-lock: ")
