"""Do new locks take the place of the old ones whole, or not at all?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sparkyard.builds import proposal
from sparkyard.builds.proposal import Move, Proposal
from sparkyard.errors import BusyError, DiskFullError, FileAccessError
from sparkyard.family.projects import Project
from sparkyard.locks import apt_lock
from tests.unit.small_family import STACK, deb, make

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make(tmp_path, monkeypatch)


@pytest.fixture
def made(directory: Path) -> Iterator[Proposal]:
    assert directory.is_dir()
    with proposal.propose(STACK) as proposed:
        yield proposed


def copy(made: Proposal) -> Project:
    return made.copies[STACK.name]


def moves(made: Proposal) -> tuple[Move, ...]:
    return made.moves()[STACK.name]


def lock(made: Proposal, *versions: str) -> None:
    """Lock tini in a version in each of the lists debian and base, and nothing else."""
    for name, version in zip(("debian", "base"), versions, strict=True):
        apt_lock.write(copy(made), name, [deb("tini", version), deb("libc6")], NOW)


def text(directory: Path) -> dict[str, str]:
    return {str(file): file.read_text() for file in directory.rglob("*") if file.is_file()}


def test_nothing_that_moves_is_nothing_to_write(made: Proposal) -> None:
    lock(made, "1.0-1", "1.0-1")
    assert moves(made) == ()
    assert made.files() == ()


def test_moves_are_told_with_both_versions_and_their_list(made: Proposal, directory: Path) -> None:
    lock(made, "1.0-1", "1.0-2")
    assert moves(made) == (Move("apt", "base", "tini", "1.0-1", "1.0-2", security=False),)
    assert [file.relative_to(directory).parts[0] for file in made.files()] == ["apt"]


@pytest.mark.parametrize(
    ("secured", "security"),
    [({"1.0-2"}, True), ({"1.0-1+u1"}, True), ({"1.0-1"}, False), ({"1.0-3"}, False)],
)
def test_a_move_over_a_version_in_a_security_suite_is_a_security_update(
    made: Proposal, secured: set[str], security: bool
) -> None:
    made.secured = {"tini": frozenset(secured)}
    lock(made, "1.0-1", "1.0-2")
    assert [move.security for move in moves(made)] == [security]


def test_packages_come_and_go(made: Proposal) -> None:
    apt_lock.write(copy(made), "base", [deb("libc6"), deb("procps")], NOW)
    assert [(move.name, move.old, move.new) for move in moves(made)] == [
        ("procps", "", "1.0-1"), ("tini", "1.0-1", ""),
    ]  # fmt: skip


def test_python_packages_and_jars_move(made: Proposal) -> None:
    file = copy(made).dependencies / "poetry.lock"
    before = '[[package]]\nname = "first"\nversion = "{}"\ngroups = ["one"]\n'
    (STACK.dependencies / "poetry.lock").write_text(before.format("1.0"))
    file.write_text(before.format("1.1"))
    assert moves(made) == (Move("python", "one", "first", "1.0", "1.1", security=None),)


def test_the_checkout_has_the_new_locks_afterwards(made: Proposal, directory: Path) -> None:
    lock(made, "1.0-2", "1.0-2")
    (copy(made).dependencies / "jars/extra.lock").unlink()
    apt_lock.lock_file(STACK, "base").chmod(0o640)
    made.put()
    assert apt_lock.locked(STACK, "base").date == NOW
    assert apt_lock.lock_file(STACK, "base").stat().st_mode & 0o777 == 0o640
    assert not (directory / "jars/extra.lock").exists()
    assert not list(directory.rglob("*.new"))


def test_of_two_commands_one_wins(made: Proposal, directory: Path) -> None:
    lock(made, "1.0-2", "1.0-2")
    with proposal.propose(STACK) as other:
        lock(other, "1.0-3", "1.0-3")
        other.put()
    won = text(directory)
    with pytest.raises(BusyError, match="meanwhile"):
        made.put()
    assert text(directory) == won


def test_a_write_that_fails_half_way_changes_nothing(
    made: Proposal, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(made, "1.0-2", "1.0-2")
    before = text(directory)
    written: list[Path] = []

    def full(_: Path, target: Path) -> None:
        target.write_text("half a lock")
        if written:
            raise OSError(28, "No space left on device")
        written.append(target)

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(DiskFullError, match=r"no lock .* was changed"):
        made.put()
    assert text(directory) == before


@pytest.mark.usefixtures("made")
def test_a_checkout_that_cannot_be_written_is_told_before_anything_is_asked(
    directory: Path,
) -> None:
    proposal.require_writable(STACK)
    if os.geteuid() == 0:  # whom no mode stops
        (directory / "apt").rename(directory / "elsewhere")
        (directory / "apt").symlink_to("/proc")
    else:
        (directory / "apt").chmod(0o500)
    with pytest.raises(FileAccessError, match="cannot be written"):
        proposal.require_writable(STACK)
