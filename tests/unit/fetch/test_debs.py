"""Are Debian packages taken from the store, the mirror, a snapshot, in this order, or refused?"""

from __future__ import annotations

import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sparkyard.errors import HashMismatchError, MirrorError, NetworkError, SparkyardError
from sparkyard.fetch import debs, store
from sparkyard.fetch.debs import Missing
from sparkyard.locks import apt_lock
from sparkyard.locks.apt_lock import LockedDeb
from sparkyard.settings import Settings
from tests.unit.small_family import STACK, deb, make

LOCKED = datetime(2026, 1, 2, tzinfo=UTC)
SNAPSHOT = "/snapshot/debian/20260102T000000Z"


@dataclass
class Host:
    """Debian's mirror, its security archive and its snapshots, on loopback."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    stalled: set[str] = field(default_factory=set)
    stall: float = 20
    asked: list[str] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(
            ca_bundle="none", apt_mirror=f"{self.url}/debian",
            apt_security_mirror=f"{self.url}/security", apt_snapshot=f"{self.url}/snapshot",
        )  # fmt: skip


@pytest.fixture
def host() -> Iterator[Host]:
    served = Host()
    released = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, *, body: bool) -> None:
            served.asked.append(f"{self.command} {self.path}")
            content = served.files.get(self.path)
            status = served.status.get(self.path, 404 if content is None else 200)
            content = content or b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body and self.path in served.stalled:
                released.wait(served.stall)
            if body:
                self.wfile.write(content[:10] if self.path in served.cut else content)

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served.url = f"http://127.0.0.1:{server.server_port}"
        server.daemon_threads = True
        yield served
        released.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("urllib3.util.Retry.DEFAULT_BACKOFF_MAX", 0.01)
    return make(tmp_path, monkeypatch)


def package(name: str, suite: str = "trixie") -> tuple[LockedDeb, bytes]:
    content = f"the content of {name} ".encode() * 50
    digest = hashlib.sha256(content).hexdigest()
    return replace(deb(name, suite=suite), sha256=digest, size=len(content)), content


def fetch(host: Host, *locked: LockedDeb) -> Missing:
    apt_lock.write(STACK, "base", locked, LOCKED)
    return debs.fetch(debs.of_lists(STACK, ["base"]), host.settings)


def test_packages_come_from_the_mirror_and_its_security_archive(host: Host) -> None:
    tini, one = package("tini")
    libc, two = package("libc6", "trixie-security")
    host.files = {f"/debian/{tini.path}": one, f"/security/{libc.path}": two}
    assert fetch(host, tini, libc) == Missing()
    assert store.place(tini.sha256).read_bytes() == one
    assert store.place(libc.sha256).read_bytes() == two


def test_what_was_fetched_once_is_asked_of_nobody_again(host: Host) -> None:
    tini, content = package("tini")
    host.files = {f"/debian/{tini.path}": content}
    fetch(host, tini)
    host.files, host.asked = {}, []
    assert fetch(host, tini) == Missing()
    assert host.asked == []
    directory = debs.lay_out(STACK, "base")
    assert [file.name for file in directory.iterdir()] == ["tini_amd64.deb"]
    assert (directory / "tini_amd64.deb").read_bytes() == content


def test_what_the_mirror_no_longer_has_comes_from_a_snapshot(host: Host) -> None:
    tini, content = package("tini")
    host.files = {f"{SNAPSHOT}/{tini.path}": content}
    assert fetch(host, tini) == Missing()
    assert store.holds(tini.sha256)


def test_what_can_be_had_nowhere_is_named_and_nothing_is_fetched(host: Host) -> None:
    gone, _ = package("gone")
    tini, content = package("tini")
    host.files = {f"/debian/{tini.path}": content}
    missing = fetch(host, tini, gone)
    assert missing == Missing((gone,))
    assert not [line for line in host.asked if line.startswith("GET")]
    with pytest.raises(
        MirrorError, match=r"Locked Debian packages are gone .*: gone 1\.0-1\."
    ) as no:
        debs.must(missing, host.settings)
    assert f"The snapshots at {host.url}/snapshot lack them as well." in no.value.what
    assert "nox -s dependencies -- --only apt" in no.value.remedy
    assert "--locked" in no.value.remedy


def test_a_snapshot_that_cannot_be_asked_is_no_other_error(host: Host) -> None:
    gone, _ = package("gone")
    apt_lock.write(STACK, "base", [gone], LOCKED)
    settings = replace(host.settings, apt_snapshot="http://127.0.0.1:9/snapshot")
    missing = debs.fetch(debs.of_lists(STACK, ["base"]), settings)
    assert missing.debs == (gone,)
    with pytest.raises(MirrorError, match=r"could not be reached: .*Connection refused"):
        debs.must(missing, settings)


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [(503, MirrorError, "503 Service Unavailable"), (403, MirrorError, "403 Forbidden")],
)
def test_a_mirror_out_of_order_is_not_taken_for_one_without_the_package(
    host: Host, status: int, error: type[SparkyardError], said: str
) -> None:
    tini, _ = package("tini")
    host.status = {f"/debian/{tini.path}": status}
    with pytest.raises(error, match=said) as refused:
        fetch(host, tini)
    assert f"{host.url}/debian/{tini.path}" in refused.value.what
    assert not [line for line in host.asked if "snapshot" in line]


def test_a_mirror_that_nobody_serves(host: Host) -> None:
    tini, _ = package("tini")
    apt_lock.write(STACK, "base", [tini], LOCKED)
    settings = replace(host.settings, apt_mirror="http://me:s3cret@127.0.0.1:9/debian")
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1 .* tini.*Connection refused") as refused:
        debs.fetch(debs.of_lists(STACK, ["base"]), settings)
    assert "s3cret" not in refused.value.what


def test_another_file_in_its_place(host: Host) -> None:
    tini, _ = package("tini")
    host.files = {f"/debian/{tini.path}": b"<html>Please log in.</html>"}
    with pytest.raises(HashMismatchError, match=r"is not the tini 1\.0-1 of the lock"):
        fetch(host, tini)
    assert store.size().files == 0


def test_a_file_that_is_cut_off_is_tried_again_and_then_told(host: Host) -> None:
    tini, content = package("tini")
    path = f"/debian/{tini.path}"
    host.files, host.cut = {path: content}, {path}
    with pytest.raises(NetworkError, match="was cut off"):
        fetch(host, tini)
    assert host.asked.count(f"GET {path}") == 3
    assert store.size().files == 0


def test_many_that_are_gone_are_named_by_three(host: Host) -> None:
    gone = [package(f"gone{number}")[0] for number in range(5)]
    assert fetch(host, *gone).named() == "gone0 1.0-1, gone1 1.0-1, gone2 1.0-1 and 2 more"


def test_a_slash_at_a_mirrors_end_is_no_other_mirror(host: Host) -> None:
    tini, content = package("tini")
    host.files = {f"/debian/{tini.path}": content}
    apt_lock.write(STACK, "base", [tini], LOCKED)
    settings = replace(host.settings, apt_mirror=f"{host.url}/debian/")
    assert debs.fetch(debs.of_lists(STACK, ["base"]), settings) == Missing()


def test_an_interruption_is_not_held_up_by_a_host_that_stalls(host: Host) -> None:
    """As Ctrl-C does, an error in one thread ends the fetch while others wait for an answer."""
    slow, _ = package("slow")
    wrong, _ = package("wrong")
    host.files = {f"/debian/{slow.path}": b"", f"/debian/{wrong.path}": b"another file"}
    host.stalled = {f"/debian/{slow.path}"}
    began = time.monotonic()
    with pytest.raises(HashMismatchError):
        fetch(host, slow, wrong)
    assert time.monotonic() - began < host.stall / 2
