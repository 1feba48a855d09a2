"""Does a build go on after Debian's archive has moved, and refuse where that is wanted?

The locks name a package "hello" in a version that no archive has; Debian's own archive says what it
has instead. Mirrors that misbehave are servers of the tests' own.
"""

from __future__ import annotations

import http.server
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard.command import run
from sparkyard.locks import apt_lock
from sparkyard.locks.apt_lock import LockedDeb
from sparkyard.settings import DEBIAN_ARCHIVE, SECURITY_ARCHIVE
from tests.e2e.bad_input import (
    IMAGE,
    STACK,
    Mirror,
    Yard,
    assert_clear,
    gateway,
    make_deb,
    make_yard,
    mirror,
    mirrors,
)

pytestmark = pytest.mark.engine


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = make_yard(tmp_path / "yard")
    made.family("apt-tiny")
    yield made
    assert made.containers() == ""
    made.remove_images()


@pytest.fixture
def site(yard: Yard) -> Iterator[Mirror]:
    """A mirror of everything, which has nothing; the checkout is set to it."""
    with mirror() as served:
        yard.settings = dict(mirrors(served.url))
        yield served


@pytest.fixture
def hello(yard: Yard) -> tuple[LockedDeb, bytes]:
    """The locked package, and its content."""
    deb, content = make_deb(yard.root / "build")
    yard.lock(deb=deb)
    return deb, content


def locks(yard: Yard) -> dict[str, str]:
    """The texts of the locks of Debian packages, and of all that lies beside them."""
    return {str(file): file.read_text() for file in (yard.stack / "apt").iterdir()}


def locked_version(yard: Yard) -> str:
    file = yard.stack / f"apt/tiny.{apt_lock.architecture()}.lock"
    (deb,) = apt_lock.parse(file.read_text(), file).debs
    return deb.version


def test_locks_whose_packages_are_gone_are_renewed_and_the_build_goes_on(
    yard: Yard, hello: tuple[LockedDeb, bytes]
) -> None:
    gone = hello[0].version
    yard.settings = {"SPARKYARD_APT_SNAPSHOT": f"http://{gateway()}:9"}
    before = locks(yard)

    asked = yard.run("dependencies", "--dry-run", "--only", "apt", "--json")
    assert_clear(asked, 18, "would move", "without --dry-run")
    moves = json.loads(asked.stdout)["moves"]
    (move,) = [each for of in moves.values() for each in of if each["group"] == "tiny"]
    assert (move["kind"], move["name"], move["old"]) == ("apt", "hello", gone)
    assert locks(yard) == before

    for refused in (
        yard.run("build", "executors", "--locked"),
        yard.run("build", "executors", SPARKYARD_LOCKED="1"),
    ):
        assert_clear(refused, 34, f"hello {gone}", "nox -s dependencies", "--locked")
    assert locks(yard) == before
    assert yard.tags() == set()

    ended = yard.run("build", "executors")
    assert ended.exit_code == 0, ended.stderr[-3000:]
    assert f"(hello {gone}): renewing the Debian locks" in ended.stderr
    assert "0 packages moved" not in ended.stderr
    assert f"package-dependencies/{STACK}/apt/tiny.{apt_lock.architecture()}.lock" in ended.stderr
    assert "commit them" in ended.stderr
    assert locked_version(yard) == move["new"]
    image = f"{yard.namespace}/{IMAGE}:{STACK}"
    argv = ["docker", "run", "--rm", "--entrypoint", "hello", image]
    assert run(argv).stdout.strip()

    again = yard.run("build", "executors", "--locked")
    assert again.exit_code == 0, again.stderr
    assert "is up to date" in again.stdout
    asked = yard.run("dependencies", "--dry-run", "--only", "apt")
    assert (asked.exit_code, "nothing would move" in asked.stderr) == (0, True), asked.stderr


def test_what_was_built_here_once_is_built_again_after_the_archive_has_moved(
    yard: Yard, site: Mirror, hello: tuple[LockedDeb, bytes]
) -> None:
    deb, content = hello
    site.serve(f"/debian/{deb.path}", content)
    assert yard.run("build", "executors").exit_code == 0
    before = locks(yard)
    site.answers.clear()
    site.asked.clear()
    yard.family("apt-tiny", dockerfile="ENV CHANGED=yes\n")
    ended = yard.run("build", "executors", "--locked")
    assert ended.exit_code == 0, ended.stderr[-3000:]
    assert site.asked == []
    assert locks(yard) == before
    image = f"{yard.namespace}/{IMAGE}:{STACK}"
    argv = ["docker", "run", "--rm", "--entrypoint", "cat", image, "/opt/hello"]
    assert run(argv).stdout == deb.version
    shown = yard.run("clean", "--old")
    assert "fetched files" in shown.stderr


def test_a_mirror_in_the_middle_of_its_own_update_changes_no_lock(
    yard: Yard, site: Mirror, hello: tuple[LockedDeb, bytes]
) -> None:
    """It wants a login, which apt is told apart from the URL."""
    assert hello
    site.otherwise = index_alone
    site.login = "reader@corp:hunter2@/x"
    yard.settings = dict(mirrors(site.url.replace("://", "://reader%40corp:hunter2%40%2Fx@")))
    before = locks(yard)
    ended = yard.run("build", "executors")
    assert_clear(ended, 34, "in the middle of its own update", "hello", "No lock was changed")
    assert "hunter2" not in ended.stderr + ended.stdout
    assert locks(yard) == before
    assert yard.tags() == set()


def test_a_mirror_that_answers_503_is_told_and_changes_no_lock(
    yard: Yard, site: Mirror, hello: tuple[LockedDeb, bytes]
) -> None:
    deb, _ = hello
    site.serve(f"/debian/{deb.path}", b"", status=503)
    before = locks(yard)
    assert_clear(yard.run("build", "executors"), 34, f"/debian/{deb.path}", "503", "apt_mirror")
    assert locks(yard) == before


def test_a_debian_mirror_that_nobody_serves(yard: Yard, hello: tuple[LockedDeb, bytes]) -> None:
    assert hello
    yard.settings = dict(mirrors(f"http://{gateway()}:9"))
    ended = yard.run("build", "executors")
    assert_clear(ended, 32, f"http://{gateway()}:9/debian", "Connection refused", "apt_mirror")


def test_another_debian_package_in_its_place(
    yard: Yard, site: Mirror, hello: tuple[LockedDeb, bytes]
) -> None:
    deb, _ = hello
    site.serve(f"/debian/{deb.path}", b"<html>Please log in to the network.</html>")
    ended = yard.run("build", "executors")
    assert_clear(ended, 14, f"/debian/{deb.path}", f"hello {deb.version}", "nox -s dependencies")


def index_alone(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Answer with what Debian has in that place, for an index; have nothing else."""
    place = handler.path
    for beginning, archive in (
        ("/debian/dists/", DEBIAN_ARCHIVE),
        ("/security/dists/", SECURITY_ARCHIVE),
    ):
        if place.startswith(beginning):
            url = f"{archive}/{place.split('/', 2)[2]}"
            try:
                with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310
                    content = answer.read()
            except urllib.error.HTTPError:
                break
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
            return
    handler.send_error(404)
