"""Does a registry's client tell apart what it was told, and get through what goes wrong?"""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from sparkyard.errors import (
    HashMismatchError,
    ReferenceFormatError,
    RegistryAbsentError,
    RegistryCredentialsError,
    RegistryRefusedError,
    RegistryUnreachableError,
)
from sparkyard.registry import oci
from sparkyard.registry import registry as registry_module
from sparkyard.registry.http import Limits
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.registry.registry import Registry
from sparkyard.settings import Settings
from tests.unit.tiny_registry import API, RESET, Asked, Reply, Tiny, error, serving

QUICK = Limits(retries=3, backoff=0.01, longest_wait=2, connect=2, silence=2, grace=0.3)
PASSWORD = "pass-9f3c"  # noqa: S105
DATA = bytes(range(256)) * 4096
BLOB = Descriptor("application/octet-stream", oci.digest_of(DATA), len(DATA))
MANIFEST = Content(oci.MANIFEST, b'{"schemaVersion": 2}')


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many tries at what another may be storing, at shorter intervals."""
    pauses = [pause / 20 for pause in registry_module._UNTIL_WRITTEN]
    monkeypatch.setattr(registry_module, "_UNTIL_WRITTEN", pauses)


@pytest.fixture
def tiny() -> Iterator[Tiny]:
    made = Tiny()
    with serving(made):
        yield made


@pytest.fixture(autouse=True)
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration of docker, so that nobody's own credentials are used."""
    directory = tmp_path / "docker"
    directory.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(directory))
    return directory


def log_in(directory: Path, host: str, **entry: str) -> None:
    pair = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
    document = {"auths": {host: entry or {"auth": pair}}}
    (directory / "config.json").write_text(json.dumps(document))


def client(tiny: Tiny, limits: Limits = QUICK) -> Registry:
    return Registry(tiny.host, Settings(ca_bundle="none"), limits=limits)


def put(registry: Registry, data: bytes = DATA) -> None:
    registry.put_blob("a/b", BLOB, lambda: io.BytesIO(data))


def once(tiny: Tiny, method: str, part: str, *replies: Reply) -> None:
    """Let the first requests of that kind be answered with these."""
    left = list(replies)

    def fault(asked: Asked) -> Reply | None:
        return left.pop(0) if left and asked.method == method and part in asked.path else None

    tiny.fault = fault


class TestAbsence:
    def test_a_registrys_own_404_is_absence(self, tiny: Tiny) -> None:
        registry = client(tiny)
        assert registry.resolve("a/b", "one") is None
        assert registry.has_blob("a/b", BLOB.digest) is False
        with pytest.raises(RegistryAbsentError, match="a/b:one does not exist"):
            registry.manifest("a/b", "one")

    def test_it_is_without_the_header_too_when_the_body_is_of_the_protocol(
        self, tiny: Tiny
    ) -> None:
        unknown = Reply(404, {}, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')
        tiny.fault = lambda asked: unknown if asked.path != "/v2/" else None
        registry = client(tiny)
        assert registry.resolve("a/b", "one") is None
        assert registry.has_blob("a/b", BLOB.digest) is False
        assert registry.tags("a/b") == ()

    def test_the_404_of_a_proxy_is_none(self, tiny: Tiny) -> None:
        page = Reply(404, {"Content-Type": "text/html"}, b"<html>default backend - 404</html>")
        tiny.fault = lambda asked: page if asked.path != "/v2/" else None
        asks: list[Callable[[Registry], object]] = [
            lambda r: r.resolve("a/b", "one"),
            lambda r: r.has_blob("a/b", BLOB.digest),
            lambda r: r.tags("a/b"),
            lambda r: r.manifest("a/b", "one"),
        ]
        for ask in asks:
            with pytest.raises(RegistryUnreachableError, match="not known"):
                ask(client(tiny))

    @pytest.mark.parametrize("status", [200, 404, 301])
    def test_what_is_no_registry_is_not_asked(self, tiny: Tiny, status: int) -> None:
        tiny.fault = lambda _: Reply(status, {"Location": "/login"}, b"<html>hello</html>")
        with pytest.raises(RegistryUnreachableError, match="is no registry"):
            client(tiny).resolve("a/b", "one")

    def test_nobody_there_is_no_absence(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        gone = Registry(f"127.0.0.1:{port}", Settings(), limits=QUICK)
        with pytest.raises(RegistryUnreachableError, match=r"refused \(4 tries") as raised:
            gone.resolve("a/b", "one")
        assert "nox -s registry" in raised.value.remedy

    @pytest.mark.parametrize("status", [500, 502, 503, 429])
    def test_an_outage_is_no_absence(self, tiny: Tiny, status: int) -> None:
        tiny.fault = lambda asked: Reply(status, API) if "manifests" in asked.path else None
        with pytest.raises(RegistryUnreachableError, match=str(status)):
            client(tiny).resolve("a/b", "one")
        assert tiny.count("HEAD", "manifests") >= QUICK.retries + 1


class TestTries:
    @pytest.mark.parametrize("fault", [Reply(503), Reply(500), Reply(429), RESET])
    def test_a_passing_fault_is_got_through(self, tiny: Tiny, fault: Reply) -> None:
        tiny.manifests["a/b", "one"] = (oci.MANIFEST, MANIFEST.data)
        once(tiny, "HEAD", "manifests", fault, fault)
        found = client(tiny).resolve("a/b", "one")
        assert found == MANIFEST.descriptor

    def test_retry_after_is_waited_for(self, tiny: Tiny) -> None:
        once(tiny, "HEAD", "manifests", Reply(429, {"Retry-After": "1"}))
        began = time.monotonic()
        assert client(tiny).resolve("a/b", "one") is None
        assert time.monotonic() - began >= 1

    def test_a_long_retry_after_is_not(self, tiny: Tiny) -> None:
        once(tiny, "HEAD", "manifests", *[Reply(429, {"Retry-After": "3600"})] * 9)
        with pytest.raises(RegistryUnreachableError, match="429"):
            client(tiny).resolve("a/b", "one")

    @pytest.mark.parametrize(
        "fault", [RESET, Reply(500), Reply(503), error(404, "BLOB_UPLOAD_UNKNOWN")]
    )
    def test_a_blob_is_sent_whole_again(self, tiny: Tiny, fault: Reply) -> None:
        once(tiny, "PUT", "blobs", fault)
        registry = client(tiny)
        put(registry)
        assert tiny.blobs["a/b", BLOB.digest] == DATA
        assert (registry.sent.blobs, tiny.count("PUT", "blobs")) == (1, 2)

    @pytest.mark.parametrize(
        ("answer", "asked"),
        [
            (Reply(400, {}, b"<html>bad request</html>"), 1),
            (error(400, "UNSUPPORTED"), 1),
            (Reply(404, {}, b"<html>default backend</html>"), 1),
            (Reply(411, API), 1),
            (Reply(413, API), 1),
            (error(400, "DIGEST_INVALID"), 2),  # bytes may change on the way, once
            (error(404, "BLOB_UPLOAD_UNKNOWN"), 4),
        ],
    )
    def test_an_answer_that_will_not_change_is_final(
        self, tiny: Tiny, answer: Reply, asked: int
    ) -> None:
        tiny.fault = lambda a: answer if a.method == "PUT" else None
        with pytest.raises(RegistryRefusedError, match=f"HTTP {answer.status}"):
            put(client(tiny))
        assert tiny.count("PUT", "blobs") == asked

    def test_a_blob_whose_answer_was_lost_is_not_sent_again(self, tiny: Tiny) -> None:
        tiny.after = lambda asked: RESET if asked.method == "PUT" else None
        put(client(tiny))
        assert tiny.count("PUT", "blobs") == 1

    def test_bytes_of_failed_tries_count(self, tiny: Tiny) -> None:
        once(tiny, "PUT", "blobs", Reply(503))
        registry = client(tiny)
        told: list[int] = []
        registry.put_blob("a/b", BLOB, lambda: io.BytesIO(DATA), told.append)
        assert registry.sent.bytes == 2 * len(DATA)
        assert sum(told) == len(DATA)

    def test_a_download_goes_on_where_it_broke_off(self, tiny: Tiny) -> None:
        tiny.blobs["a/b", BLOB.digest] = DATA
        half = Reply(200, API, DATA[:300_000], reset=True, length=len(DATA))
        once(tiny, "GET", "blobs", half)
        assert b"".join(client(tiny).blob("a/b", BLOB)) == DATA
        assert tiny.asked[-1].headers["Range"].startswith("bytes=")

    @pytest.mark.parametrize("data", [DATA[:-1] + b"!", DATA[:-1], DATA + b"!"])
    def test_a_blob_that_came_as_something_else_is_told(self, tiny: Tiny, data: bytes) -> None:
        tiny.blobs["a/b", BLOB.digest] = data
        with pytest.raises(HashMismatchError, match="another content"):
            list(client(tiny).blob("a/b", BLOB))

    def test_a_missing_blob_is_absent(self, tiny: Tiny) -> None:
        with pytest.raises(RegistryAbsentError):
            list(client(tiny).blob("a/b", BLOB))


class TestSlowness:
    def test_a_trickling_body_is_left(self, tiny: Tiny) -> None:
        slow = Reply(200, {**API, "Content-Type": oci.MANIFEST}, b"x" * 200, slow=0.05)
        tiny.fault = lambda asked: slow if asked.method == "GET" and asked.path != "/v2/" else None
        with pytest.raises(RegistryUnreachableError, match="too slow"):
            client(tiny, Limits(retries=1, backoff=0.01, silence=2, grace=0.3)).manifest("a", "b")

    def test_trickling_headers_are_left(self) -> None:
        server = socket.create_server(("127.0.0.1", 0))

        def trickle() -> None:
            with server.accept()[0] as connection:
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    for _ in range(600):  # half a minute
                        connection.sendall(b"x")
                        time.sleep(0.05)
                except OSError:
                    return

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        limits = Limits(retries=0, silence=0.3)
        slow = Registry(f"127.0.0.1:{server.getsockname()[1]}", Settings(), limits=limits)
        began = time.monotonic()
        with pytest.raises(RegistryUnreachableError):
            slow.ping()
        assert time.monotonic() - began < 20
        server.close()

    def test_silence_is_left(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            host = f"127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(RegistryUnreachableError, match="timed out"):
                Registry(host, Settings(), limits=Limits(retries=0, silence=0.2)).ping()


class TestContent:
    def test_a_manifest_comes_back_as_it_was_stored(self, tiny: Tiny) -> None:
        registry = client(tiny)
        registry.put_manifest("a/b", "one", MANIFEST)
        assert registry.manifest("a/b", "one") == MANIFEST
        assert registry.manifest("a/b", MANIFEST.digest) == MANIFEST

    def test_a_flipped_byte_in_a_manifest_is_found(self, tiny: Tiny) -> None:
        flipped = MANIFEST.data.replace(b"2", b"3")
        headers = {**API, "Docker-Content-Digest": MANIFEST.digest, "Content-Type": oci.MANIFEST}
        tiny.fault = lambda a: Reply(200, headers, flipped) if a.method == "GET" and (
            "manifests" in a.path
        ) else None  # fmt: skip
        for reference in ("one", MANIFEST.digest):
            with pytest.raises(HashMismatchError):
                client(tiny).manifest("a/b", reference)

    def test_a_manifest_that_is_being_written_is_read_again(self, tiny: Tiny) -> None:
        client(tiny).put_manifest("a/b", "one", MANIFEST)
        headers = {**API, "Docker-Content-Digest": MANIFEST.digest, "Content-Type": oci.MANIFEST}
        part = [Reply(200, headers, MANIFEST.data[:-9]), Reply(200, headers, b"")]
        tiny.fault = lambda a: part.pop() if a.method == "GET" and (
            "manifests" in a.path and part
        ) else None  # fmt: skip
        assert client(tiny).manifest("a/b", MANIFEST.digest) == MANIFEST
        assert not part

    def test_a_manifest_of_blobs_that_another_is_storing_is_sent_again(self, tiny: Tiny) -> None:
        unknown = [error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown") for _ in range(2)]
        tiny.fault = lambda a: unknown.pop() if a.method == "PUT" and unknown else None
        client(tiny).put_manifest("a/b", "one", MANIFEST)
        assert not unknown
        assert client(tiny).manifest("a/b", "one") == MANIFEST

    def test_a_manifest_of_blobs_that_are_not_there_is_refused(self, tiny: Tiny) -> None:
        unknown = error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown", BLOB.digest)
        tiny.fault = lambda a: unknown if a.method == "PUT" else None
        with pytest.raises(RegistryRefusedError, match=f"blob unknown.*{BLOB.digest}"):
            client(tiny).put_manifest("a/b", "one", MANIFEST)

    def test_a_damaged_blob_of_this_machine_is_not_stored(self, tiny: Tiny) -> None:
        for data in (DATA[:-1] + b"!", DATA[:-5], DATA + b"more"):
            with pytest.raises(HashMismatchError, match="this machine"):
                put(client(tiny), data)
        assert tiny.blobs == {}

    def test_tags_of_all_pages_are_listed(self, tiny: Tiny) -> None:
        def pages(asked: Asked) -> Reply | None:
            if "tags" not in asked.path:
                return None
            if "last" in asked.query:
                return Reply(200, API, b'{"tags": ["c"]}')
            more = {**API, "Link": '</v2/a/b/tags/list?last=b&n=2>; rel="next"'}
            return Reply(200, more, b'{"tags": ["a", "b"]}')

        tiny.fault = pages
        assert client(tiny).tags("a/b") == ("a", "b", "c")

    def test_a_repository_without_tags_has_none(self, tiny: Tiny) -> None:
        tiny.fault = lambda a: Reply(200, API, b'{"tags": null}') if "tags" in a.path else None
        assert client(tiny).tags("a/b") == ()


class TestRefusals:
    def test_a_read_only_registry_is_told(self, tiny: Tiny) -> None:
        once(tiny, "POST", "blobs", error(405, "UNSUPPORTED", "The operation is unsupported."))
        with pytest.raises(RegistryRefusedError, match=r"405.*UNSUPPORTED") as raised:
            put(client(tiny))
        assert "read-only" in raised.value.remedy

    def test_a_full_disk_is_told_at_once(self, tiny: Tiny) -> None:
        full = error(500, "UNKNOWN", "unknown error", {"Err": "no space left on device"})
        tiny.fault = lambda asked: full if asked.method == "PUT" else None
        with pytest.raises(RegistryRefusedError, match="no space left") as raised:
            put(client(tiny))
        assert "full" in raised.value.remedy
        assert tiny.count("PUT", "blobs") == 1

    def test_a_delete_that_is_not_allowed_is_no_error(self, tiny: Tiny) -> None:
        once(tiny, "DELETE", "manifests", error(405, "UNSUPPORTED"))
        assert client(tiny).delete_manifest("a/b", MANIFEST.digest) is False

    def test_a_registry_that_does_not_mount_is_told_apart(self, tiny: Tiny) -> None:
        registry = client(tiny)
        assert registry.mount_blob("a/b", BLOB.digest, "c/d") is False
        tiny.blobs["c/d", BLOB.digest] = DATA
        assert registry.mount_blob("a/b", BLOB.digest, "c/d") is True
        assert tiny.blobs["a/b", BLOB.digest] == DATA

    @pytest.mark.parametrize("host", ["registry", "sparkyard/images", "https://r.example.com", ""])
    def test_a_registry_without_a_host_is_refused(self, host: str) -> None:
        with pytest.raises(ReferenceFormatError):
            Registry(host, Settings())


class TestElsewhere:
    def test_credentials_do_not_follow_a_redirect(self, tiny: Tiny, docker_config: Path) -> None:
        log_in(docker_config, tiny.host)
        other = Tiny()
        other.fault = lambda _: Reply(200, {}, DATA)
        with serving(other, "127.0.0.1") as storage:
            moved = Reply(307, {**API, "Location": f"http://{storage}/bytes?signature=s3cret"})

            def fault(asked: Asked) -> Reply | None:
                if "Authorization" not in asked.headers:
                    return Reply(401, {**API, "WWW-Authenticate": 'Basic realm="r"'})
                return moved if "blobs" in asked.path else None

            tiny.fault = fault
            assert b"".join(client(tiny).blob("a/b", BLOB)) == DATA
        assert "Authorization" in tiny.asked[-1].headers
        assert "Authorization" not in other.asked[-1].headers

    def test_an_upload_may_go_to_another_host(self, tiny: Tiny, docker_config: Path) -> None:
        log_in(docker_config, tiny.host)
        other = Tiny()
        with serving(other) as storage:
            place = f"http://{storage}/v2/a/b/blobs/uploads/x?state=1"

            def fault(asked: Asked) -> Reply | None:
                if "Authorization" not in asked.headers:
                    return Reply(401, {**API, "WWW-Authenticate": 'Basic realm="r"'})
                return Reply(202, {**API, "Location": place}) if asked.method == "POST" else None

            tiny.fault = fault
            put(client(tiny))
        assert other.blobs["a/b", BLOB.digest] == DATA
        assert other.asked[0].query == {"state": "1", "digest": BLOB.digest}
        assert "Authorization" not in other.asked[0].headers

    def test_nothing_goes_to_another_host_by_plain_http(self, tiny: Tiny) -> None:
        away = Reply(202, {**API, "Location": "http://storage.example.com/x"})
        once(tiny, "POST", "blobs", away)
        with pytest.raises(RegistryRefusedError, match="plain HTTP"):
            put(client(tiny))


class Tokens(Tiny):
    """A registry that wants bearer tokens, each good for so many questions."""

    def __init__(self, uses: int = 1000) -> None:
        super().__init__()
        self.uses = uses
        self.given = 0
        self.left: dict[str, int] = {}
        self.scopes: list[str] = []
        self.forms: list[dict[str, list[str]]] = []
        self.refuse = False
        self.fault = self._guard

    def _guard(self, asked: Asked) -> Reply | None:
        if asked.path == "/token":
            return self._token(asked)
        token = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.left.get(token, 0) > 0:
            self.left[token] -= 1
            return None
        realm = f'Bearer realm="http://{self.host}/token",service="reg",scope="x"'
        return Reply(401, {**API, "WWW-Authenticate": realm})

    def _token(self, asked: Asked) -> Reply:
        pair = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
        if asked.method == "POST":
            self.forms.append(parse_qs(asked.body.decode()))
        elif asked.headers.get("Authorization") != f"Basic {pair}" or self.refuse:
            return Reply(401, API)
        self.given += 1
        self.scopes.append(asked.query.get("scope", ""))
        self.left[f"t{self.given}"] = self.uses
        return Reply(200, {}, json.dumps({"token": f"t{self.given}"}).encode())


class TestTokens:
    @pytest.fixture
    def guarded(self) -> Iterator[Tokens]:
        made = Tokens()
        with serving(made):
            yield made

    def test_a_token_is_fetched_for_what_is_to_be_done(
        self, guarded: Tokens, docker_config: Path
    ) -> None:
        log_in(docker_config, guarded.host)
        registry = client(guarded)
        put(registry)
        assert registry.has_blob("a/b", BLOB.digest)
        assert guarded.scopes == ["repository:a/b:pull,push"]  # which is good for reading, too

    def test_a_mount_asks_for_both_repositories(self, guarded: Tokens, docker_config: Path) -> None:
        log_in(docker_config, guarded.host)
        guarded.blobs["c/d", BLOB.digest] = DATA
        assert client(guarded).mount_blob("a/b", BLOB.digest, "c/d")
        asked = next(each for each in guarded.asked if each.path == "/token")
        assert asked.query["service"] == "reg"
        assert client(guarded).resolve("a/b", "x") is None

    def test_a_token_that_ends_is_renewed(self, docker_config: Path) -> None:
        short = Tokens(uses=1)
        with serving(short):
            log_in(docker_config, short.host)
            registry = client(short)
            put(registry)
            registry.put_manifest("a/b", "one", MANIFEST)
            assert registry.manifest("a/b", "one") == MANIFEST
        assert short.given > 2

    def test_an_identity_token_is_exchanged(self, guarded: Tokens, docker_config: Path) -> None:
        log_in(docker_config, guarded.host, identitytoken="idt-77")
        assert client(guarded).resolve("a/b", "one") is None
        assert guarded.forms[0]["refresh_token"] == ["idt-77"]
        assert guarded.forms[0]["grant_type"] == ["refresh_token"]

    def test_wrong_credentials_are_told_without_them(
        self, guarded: Tokens, docker_config: Path
    ) -> None:
        guarded.refuse = True
        log_in(docker_config, guarded.host)
        with pytest.raises(RegistryCredentialsError, match="refuses the credentials") as raised:
            client(guarded).resolve("a/b", "one")
        said = f"{raised.value.what}{raised.value.remedy}{raised.value.detail}"
        assert guarded.host in said
        assert PASSWORD not in said
        assert "YW5u" not in said  # the beginning of what stands in the file

    def test_missing_credentials_are_told(self, guarded: Tokens) -> None:
        with pytest.raises(RegistryCredentialsError, match="has none for it"):
            client(guarded).resolve("a/b", "one")

    def test_a_blob_that_is_denied_is_not_asked_for_again(
        self, guarded: Tokens, docker_config: Path
    ) -> None:
        log_in(docker_config, guarded.host)
        guarded.after = lambda a: (
            Reply(401, {**API, "WWW-Authenticate": f'Bearer realm="http://{guarded.host}/token"'})
            if "blobs" in a.path
            else None
        )
        with pytest.raises(RegistryCredentialsError, match="for reading a/b"):
            list(client(guarded).blob("a/b", BLOB))
        assert guarded.count("GET", "blobs") == 2  # the second with a new token

    def test_no_right_to_write_is_told(self, guarded: Tokens, docker_config: Path) -> None:
        log_in(docker_config, guarded.host)
        guarded.after = lambda a: error(403, "DENIED") if a.method == "POST" else None
        with pytest.raises(RegistryCredentialsError, match="for writing a/b"):
            put(client(guarded))

    def test_no_credentials_go_by_plain_http_to_another_host(
        self, tiny: Tiny, docker_config: Path
    ) -> None:
        log_in(docker_config, tiny.host)
        realm = 'Bearer realm="http://auth.example.com/token"'
        tiny.fault = lambda _: Reply(401, {**API, "WWW-Authenticate": realm})
        with pytest.raises(RegistryCredentialsError, match="without TLS"):
            client(tiny).resolve("a/b", "one")


class TestBasic:
    def test_basic_credentials_are_sent(self, tiny: Tiny, docker_config: Path) -> None:
        log_in(docker_config, tiny.host)
        pair = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
        challenge = Reply(401, {**API, "WWW-Authenticate": 'Basic realm="registry"'})
        tiny.fault = lambda a: (
            None if a.headers.get("Authorization") == f"Basic {pair}" else challenge
        )
        assert client(tiny).resolve("a/b", "one") is None

    def test_refused_ones_are_told(self, tiny: Tiny, docker_config: Path) -> None:
        log_in(docker_config, tiny.host)
        tiny.fault = lambda _: Reply(401, {**API, "WWW-Authenticate": 'Basic realm="registry"'})
        with pytest.raises(RegistryCredentialsError, match="refuses the credentials"):
            client(tiny).ping()

    def test_a_login_of_something_else_is_no_registrys(self, tiny: Tiny) -> None:
        tiny.fault = lambda _: Reply(401, {"WWW-Authenticate": "Negotiate"})
        with pytest.raises(RegistryUnreachableError, match="no registry asks for"):
            client(tiny).ping()
