"""What would new locks change? They are made in copies of the projects' directories and compared.

Only a whole proposal is put in place: a command that fails leaves the locks as they were.
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sparkyard import paths
from sparkyard.errors import BusyError, DiskFullError, FileAccessError, StaleLockError
from sparkyard.family.projects import Project
from sparkyard.files import toml_file
from sparkyard.locks import apt_lock
from sparkyard.locks.current import APT, JARS, KINDS, PYTHON
from sparkyard.locks.jar_lock import parse_lock
from sparkyard.package_versions import compare_debian

Versions = Mapping[tuple[str, str, str], str]
"""Versions by kind, group and name."""


@dataclass(frozen=True)
class Move:
    """A package whose version changes.

    Attributes:
        group: the list or group that it is in.
        old: its version before; "" for a new one.
        new: its version afterwards; "" for one that goes.
        security: whether this is a security update; None where the archive does not say.
    """

    kind: str
    group: str
    name: str
    old: str
    new: str
    security: bool | None


@dataclass
class Proposal:
    """New locks of some projects.

    Attributes:
        projects: as they are in the checkout, by name.
        copies: the same with directories of their own, in which locks are made.
        secured: versions of Debian packages in the security suites, by package.
    """

    projects: Mapping[str, Project]
    copies: Mapping[str, Project]
    secured: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self._before = {n: _digests(each.dependencies) for n, each in self.projects.items()}

    def moves(self) -> dict[str, tuple[Move, ...]]:
        """Return what changes its version, by project."""
        return {name: self._moves(name) for name in self.projects}

    def _moves(self, project: str) -> tuple[Move, ...]:
        before, after = versions(self.projects[project]), versions(self.copies[project])
        keys = sorted(before.keys() | after.keys(), key=lambda key: (KINDS.index(key[0]), key))
        return tuple(
            Move(*key, before.get(key, ""), after.get(key, ""), self._security(key, before, after))
            for key in keys
            if before.get(key) != after.get(key)
        )

    def files(self) -> tuple[Path, ...]:
        """Return the files of the checkout that change, those that go among them."""
        return tuple(file for file, _ in self._changed())

    def _changed(self) -> Iterator[tuple[Path, Path]]:
        """Give each file that changes, and what takes its place."""
        for project, before in self._before.items():
            old, new = (each[project].dependencies for each in (self.projects, self.copies))
            after = _digests(new)
            for name in sorted(before.keys() | after.keys()):
                if before.get(name) != after.get(name):
                    yield old / name, new / name

    def put(self) -> None:
        """Put the new locks in the place of the old ones.

        Raises:
            BusyError: another command changed the old ones meanwhile; nothing was written.
            FileAccessError: they cannot be written.
        """
        with ExitStack() as held:
            for name, project in self.projects.items():
                held.enter_context(_held(project.dependencies))
                if _digests(project.dependencies) != self._before[name]:
                    raise BusyError(
                        f"Another command changed the locks in {project.dependencies} meanwhile.",
                        "Nothing was written. Run the same command again.",
                    )
            new = []
            changed = list(self._changed())
            file = paths.DEPENDENCIES
            try:
                for file, source in changed:
                    if source.exists():
                        file.parent.mkdir(exist_ok=True)
                        beside = file.with_name(f".{file.name}.new")
                        new.append(beside)
                        shutil.copyfile(source, beside)
                        beside.chmod(file.stat().st_mode if file.exists() else 0o644)
                for file, _ in changed:
                    beside = file.with_name(f".{file.name}.new")
                    if beside in new:
                        os.replace(beside, file)
                    else:
                        file.unlink(missing_ok=True)
            except OSError as error:
                raise not_writable(file.parent, error) from error
            finally:
                for beside in new:
                    beside.unlink(missing_ok=True)

    def _security(
        self, key: tuple[str, str, str], before: Versions, after: Versions
    ) -> bool | None:
        kind, _, name = key
        if kind != APT:
            return None
        old, new = before.get(key), after.get(key)
        return bool(old and new) and any(
            compare_debian(str(old), version) < 0 <= compare_debian(str(new), version)
            for version in self.secured.get(name, ())
        )


@contextmanager
def propose(*projects: Project) -> Iterator[Proposal]:
    """Give a proposal that changes nothing yet; its copies go afterwards.

    Args:
        projects: each after what it stands on.
    """
    with tempfile.TemporaryDirectory(prefix="sparkyard-locks-") as directory:
        copies: dict[str, Project] = {}
        for project in projects:
            place = Path(directory) / project.name
            shutil.copytree(project.dependencies, place)
            on = project.on and copies[project.on.name]
            copies[project.name] = dataclasses.replace(project, copy=place, on=on)
        yield Proposal({project.name: project for project in projects}, copies)


def require_writable(project: Project) -> None:
    """Check that locks can be written, before the slow work begins.

    Raises:
        FileAccessError: they cannot.
    """
    directory = project.dependencies / "apt"
    try:
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise not_writable(directory, error) from error


def not_writable(directory: Path, error: OSError) -> DiskFullError | FileAccessError:
    """Return the error for locks that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"The disk is full: no lock in {directory} was changed.",
            "Make room there, then run the same command again.",
        )
    return FileAccessError(
        f"The locks in {directory} are out of date and cannot be written: {error.strerror}.",
        "Let this user write there, or renew the locks where that is possible and commit them.",
    )


def versions(project: Project) -> dict[tuple[str, str, str], str]:
    """Return the locked version of each package; an unreadable lock counts as empty."""
    found: dict[tuple[str, str, str], str] = {}
    for name in apt_lock.lists(project):
        file = apt_lock.lock_file(project, name)
        if file.exists():
            try:
                lock = apt_lock.parse(file.read_text(encoding="utf-8", errors="replace"), file)
            except StaleLockError:
                continue
            found |= {(APT, name, deb.name): deb.version for deb in lock.debs}
    file = project.dependencies / "poetry.lock"
    for package in toml_file.read(file).get("package", []) if file.exists() else ():
        key = (PYTHON, ", ".join(package.get("groups", [])), str(package["name"]))
        found[key] = " and ".join(filter(None, (found.get(key), str(package["version"]))))
    for file in sorted((project.dependencies / "jars").glob("*.lock")):
        try:
            jars = parse_lock(file.read_text(encoding="utf-8", errors="replace"), file).jars
        except StaleLockError:
            continue
        for jar in jars:
            *group, artifact, version, _ = PurePosixPath(jar.path).parts
            found[JARS, file.stem, f"{'.'.join(group)}:{artifact}"] = version
    return found


def shown(file: Path) -> str:
    """Return a file as a person in the checkout names it."""
    return str(file.relative_to(paths.ROOT)) if file.is_relative_to(paths.ROOT) else str(file)


def _digests(directory: Path) -> dict[str, str]:
    """Return the digest of each file of a project that a command writes, of none half-written.

    A declaration is among them: locks that were made for another one must not be put in place.
    """
    return {
        str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(directory.rglob("*"))
        if file.is_file() and not re.fullmatch(r"\..*\.new", file.name)
    }


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Hold a directory against other commands that put locks into it."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
