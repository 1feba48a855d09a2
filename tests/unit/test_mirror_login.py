"""Is the user of a mirror taken from its URL or from netrc, and told to that mirror alone?"""

from __future__ import annotations

import http.server
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard import mirror_login
from sparkyard.errors import SettingsError
from sparkyard.mirror_login import Mirror

URL = "https://ann%40corp:p%40ss%2Fword@mirror.example.com:8443/simple/"
NETRC = """
machine mirror.example.com login ann@corp password p@ss/word
default login other password secret
"""


def test_a_url_is_taken_apart() -> None:
    mirror = mirror_login.split(URL)
    assert mirror == Mirror("https://mirror.example.com:8443/simple/", "ann@corp", "p@ss/word")
    assert "p@ss" not in repr(mirror)
    for bare in ("", "http://mirror/x", "http://[::1]:8/x"):
        assert mirror_login.split(bare) == Mirror(bare)


def test_netrc_gives_the_login_of_a_mirror_and_of_no_other_host(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(NETRC)
    hosts = mirror_login.known({"HOME": str(tmp_path)})
    assert mirror_login.with_login("https://mirror.example.com:8443/simple/", hosts) == URL
    for url in ("https://else.example.com/x", "https://me:own@mirror.example.com/x"):
        assert mirror_login.with_login(url, hosts) == url
    (tmp_path / "other").write_text("machine x login y password z\n")
    both = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "other")}
    assert mirror_login.known(both) == {"x": ("y", "z")}
    assert mirror_login.known({}) == mirror_login.known({"HOME": "/nowhere"}) == {}
    with pytest.raises(SettingsError, match="variable NETRC names /nowhere"):
        mirror_login.known({"NETRC": "/nowhere"})


def test_a_broken_netrc_is_named_without_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine x login y password z\nhunter2\n")
    with pytest.raises(SettingsError, match=r"\.netrc cannot be read near line \d") as refusal:
        mirror_login.known({"HOME": str(tmp_path)})
    assert "hunter2" not in refusal.value.what


def test_apt_is_told_by_lines_of_its_own() -> None:
    assert mirror_login.apt_auth([URL, "http://open/debian"]) == (
        "machine https://mirror.example.com:8443/simple/ login ann@corp password p@ss/word\n"
    )


@pytest.fixture
def hosts() -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Two hosts, the first of which leads on to the second; and who asked them for what."""
    asked: list[tuple[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization", "")))
            self.send_response(302 if self.path in ("/here", "/away") else 200)
            self.send_header("Location", "/there" if self.path == "/here" else f"{second}/there")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as one,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as two,
    ):
        first, second = (f"127.0.0.1:{server.server_port}" for server in (one, two))
        second = f"http://{second}"
        for server in (one, two):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://ann%40corp:p%40ss%2Fword@{first}", second, asked
        for server in (one, two):
            server.shutdown()


def test_a_mirror_is_told_at_once_and_what_it_leads_to_is_not(
    hosts: tuple[str, str, list[tuple[str, str]]],
) -> None:
    first, _, asked = hosts
    mirror = mirror_login.split(first)
    ask = mirror_login.opener(mirror, ssl.create_default_context())
    for path in ("/here", "/away"):
        ask.open(f"{mirror.url}{path}", timeout=10).close()
    login = f"Basic {b64encode(b'ann@corp:p@ss/word').decode()}"
    assert asked == [("/here", login), ("/there", login), ("/away", login), ("/there", "")]
