"""Is a lock of Debian packages read as it was written, and refused when it is stale or edited?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sparkyard.errors import MalformedFileError, StaleLockError
from sparkyard.family.projects import Package
from sparkyard.locks import apt_lock
from sparkyard.locks.apt_lock import AptLock
from tests.unit.small_family import DATES, STACK, deb, make

LATER = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make(tmp_path, monkeypatch) / "apt"


def file(name: str = "base") -> Path:
    return apt_lock.lock_file(STACK, name)


def test_what_is_written_is_read_again_and_names_the_command() -> None:
    lock = apt_lock.locked(STACK, "base")
    assert [found.name for found in lock.debs] == ["libc6", "tini"]
    assert (lock.date, lock.architecture) == (DATES["base"], apt_lock.architecture())
    assert apt_lock.parse(apt_lock.render(lock), file()) == lock
    assert "`nox -s dependencies`" in file().read_text().splitlines()[0]


def test_the_date_is_what_snapshots_are_called_by() -> None:
    lock = AptLock("", "amd64", LATER, ())
    assert (lock.snapshot, lock.epoch) == ("20260501T123000Z", 1777638600)


def test_the_order_of_packages_makes_no_other_lock() -> None:
    lock = apt_lock.locked(STACK, "base")
    assert apt_lock.render(replace(lock, debs=lock.debs[::-1])) == apt_lock.render(lock)


def test_the_same_packages_keep_their_date_and_others_do_not() -> None:
    before = file().read_text()
    assert not apt_lock.write(STACK, "base", [deb("tini"), deb("libc6")], LATER)
    assert file().read_text() == before
    assert apt_lock.write(STACK, "base", [deb("tini", "1.1-1"), deb("libc6")], LATER)
    assert apt_lock.locked(STACK, "base").date == LATER


def test_all_current() -> None:
    apt_lock.check_current(STACK)


def to_list(directory: Path) -> None:
    (directory / "base.txt").write_text("tini\nprocps\n")


def to_another_list(directory: Path) -> None:
    (directory / "r.txt").write_text("r-base-core\n")


def to_lock(_: Path) -> None:
    file().write_text(file().read_text().replace("1.0-1 ", "1.0-2 "))


def to_lock_and_its_digest(_: Path) -> None:
    body = "not a package\n"
    text = apt_lock.render(replace(apt_lock.locked(STACK, "base"), debs=()))
    empty = apt_lock._sha256("")
    file().write_text(text.replace(empty, apt_lock._sha256(body)) + body)


def left_over(directory: Path) -> None:
    (directory / "gone.amd64.lock").write_text("")


def away(_: Path) -> None:
    file("debian").unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (to_list, r"base\.\w+\.lock is older than what it locks"),
        (to_another_list, r"r\.\w+\.lock is missing"),
        (to_lock, "edited"),
        (to_lock_and_its_digest, "not a locked package"),
        (left_over, "a list that is gone"),
        (away, "are not locked for"),
    ],
)
def test_a_stale_lock_is_refused(
    directory: Path, change: Callable[[Path], None], said: str
) -> None:
    change(directory)
    with pytest.raises(StaleLockError, match=said) as refusal:
        apt_lock.check_current(STACK)
    assert "nox -s dependencies" in refusal.value.remedy


def test_a_comment_makes_nothing_stale(directory: Path) -> None:
    (directory / "base.txt").write_text("# why\ntini # because\n\n")
    apt_lock.check_current(STACK)


def test_another_suite_or_python_makes_stale() -> None:
    other = replace(STACK, python_package=Package("python3.12", "sid"))
    with pytest.raises(StaleLockError, match="older"):
        apt_lock.check_current(other)


def test_another_architecture_has_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    here = apt_lock.architecture()
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(StaleLockError, match=f"not locked for riscv64; .* for {here}"):
        apt_lock.check_current(STACK)


@pytest.mark.parametrize(
    ("content", "named"),
    [(b"\xef\xbb\xbftini\n", r"base\.txt begins with a byte order mark"), (b"t\xff", "not UTF-8")],
)
def test_a_list_that_is_no_plain_text_is_named(directory: Path, content: bytes, named: str) -> None:
    (directory / "base.txt").write_bytes(content)
    with pytest.raises(MalformedFileError, match=named):
        apt_lock.packages(STACK, "base")
