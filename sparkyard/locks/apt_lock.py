"""Which Debian packages go into a project's images, exactly: what does their lock say?

A lock is one list on one architecture, `apt/<list>.<architecture>.lock`: one line a package. The
list "base" holds what every image of the project has; "debian" is of the operating system alone,
and has no file, for it is what a bootstrapped base consists of. images/common/apt-locked reads the
same lines inside a build.
"""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sparkyard.errors import StaleLockError
from sparkyard.family.projects import Project
from sparkyard.files import text_file

BASE = "base"
DEBIAN = "debian"
MEND = "Run `nox -s dependencies` (or `make dependencies`), look at the change, and commit it."
_HEADER = "# Written by `nox -s dependencies`; edits are refused."
_COLUMNS = "# name version architecture suite bytes sha256 path"
_LINE = re.compile(
    r"([a-z0-9][a-z0-9.+-]+) ([\w.+:~-]+) (\w+) ([a-z-]+) (\d+) ([0-9a-f]{64}) (pool/[\w.+~%:/-]+)"
)
_DATE = "%Y-%m-%dT%H:%M:%SZ"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Debian's names for what `uname -m` says, where the two differ."""


@dataclass(frozen=True, order=True)
class LockedDeb:
    """One package, exactly: `size` in bytes, `path` below the archive that `suite` belongs to."""

    name: str
    version: str
    architecture: str
    suite: str
    size: int
    sha256: str
    path: str

    @property
    def file(self) -> str:
        """The name that its file has where it is installed from."""
        return f"{self.name}_{self.architecture}.deb"


@dataclass(frozen=True)
class AptLock:
    """A lock as read: the declaration's digest, when it was made (UTC), its packages."""

    declaration: str
    architecture: str
    date: datetime
    debs: tuple[LockedDeb, ...]

    @property
    def epoch(self) -> int:
        """The date as seconds since 1970."""
        return int(self.date.timestamp())

    @property
    def content(self) -> str:
        """The sha256 of its packages, in hexadecimal digits."""
        return _sha256(_body(self))

    @property
    def snapshot(self) -> str:
        """The date as the snapshots of Debian's archive have it in their URLs."""
        return self.date.strftime("%Y%m%dT%H%M%SZ")


def architecture() -> str:
    """Return Debian's name for this machine's architecture, for which images are built."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def lists(project: Project) -> tuple[str, ...]:
    """Return the names of the project's lists of packages, "debian" and "base" first."""
    debian = (DEBIAN,) if project.on is None else ()
    base = (BASE,) if project.packages or list_file(project, BASE).exists() else ()
    return (*debian, *base, *groups(project))


def groups(project: Project) -> tuple[str, ...]:
    """Return the names of the lists that are layers of their own."""
    files = {file.stem for file in (project.dependencies / "apt").glob("*.txt")}
    return tuple(sorted(files - {BASE}))


def list_file(project: Project, name: str) -> Path:
    """Return the file that declares a list."""
    return project.dependencies / "apt" / f"{name}.txt"


def lock_file(project: Project, name: str) -> Path:
    """Return the file that locks a list for this machine's architecture."""
    return project.dependencies / "apt" / f"{name}.{architecture()}.lock"


def packages(project: Project, name: str) -> tuple[str, ...]:
    """Return what a list asks for, as apt is asked: PACKAGE or PACKAGE/SUITE."""
    if name == DEBIAN:
        return ()
    file = list_file(project, name)
    own = project.packages if name == BASE else ()
    text = text_file.read(file) if file.exists() or not own else ""
    return (*re.sub(r"#.*", "", text).split(), *own)


def declaration(project: Project, name: str) -> str:
    """Return the digest of all that decides on a list's packages but the archive itself.

    A list comes on top of the base's packages, and a project's on top of the operating system's, so
    theirs are a part of it.
    """
    suites = project.debian if name == DEBIAN else ",".join(project.suites)
    asked = [suites, *packages(project, name)]
    if name not in (DEBIAN, BASE) and BASE in lists(project):
        asked += ["", *packages(project, BASE)]
    if project.on and BASE in lists(project.on):
        asked += ["", *packages(project.on, BASE)]
    return _sha256("\n".join(asked))


def check_current(project: Project) -> None:
    """Check that every list has a lock that belongs to it, and no lock is left over.

    Raises:
        StaleLockError: one is missing, older than its declaration, edited, or left over.
    """
    known = lists(project)
    for name in known:
        locked(project, name)
    for file in sorted((project.dependencies / "apt").glob("*.lock")):
        if file.name.split(".")[0] not in known:
            raise StaleLockError(f"{file} locks a list that is gone.", MEND)


def locked(project: Project, name: str) -> AptLock:
    """Return the lock of a list.

    Raises:
        StaleLockError: it is missing, edited, or does not belong to the list.
    """
    file = lock_file(project, name)
    if not file.exists():
        others = sorted(other.name.split(".")[1] for other in file.parent.glob(f"{name}.*.lock"))
        there = f"; there are some for {', '.join(others)}" if others else ""
        raise StaleLockError(
            f"{file} is missing: the Debian packages of {name} are not locked for "
            f"{architecture()}{there}.",
            "Run `nox -s dependencies` on a machine of this architecture, and commit what it "
            "writes.",
        )
    lock = parse(file.read_text(encoding="utf-8", errors="replace"), file)
    if lock.declaration != declaration(project, name):
        raise StaleLockError(
            f"{file} is older than what it locks: the list, its suites or the packages of "
            "conf/stacks were changed.",
            MEND,
        )
    return lock


def render(lock: AptLock) -> str:
    """Return the text of a lock, the same for the same packages in any order."""
    return (
        f"{_HEADER}\n# declaration: {lock.declaration}\n# architecture: {lock.architecture}\n"
        f"# date: {lock.date.strftime(_DATE)}\n# content: {lock.content}\n{_COLUMNS}\n{_body(lock)}"
    )


def parse(text: str, file: Path) -> AptLock:
    """Return the lock that `text` is; `file` is named in errors.

    Raises:
        StaleLockError: it is not as it was generated.
    """
    header = dict(re.findall(r"^# ([a-z]+): (.*)$", text, re.MULTILINE))
    body = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    if header.get("content") != _sha256(body):
        raise StaleLockError(f"{file} is not as `nox -s dependencies` wrote it: edited.", MEND)
    try:
        date = datetime.strptime(header["date"], _DATE).replace(tzinfo=UTC)
        debs = tuple(_deb(line) for line in body.splitlines())
        return AptLock(header["declaration"], header["architecture"], date, debs)
    except (KeyError, ValueError) as error:
        raise StaleLockError(f"{file} is no lock of Debian packages: {error}.", MEND) from error


def write(project: Project, name: str, debs: Iterable[LockedDeb], now: datetime) -> bool:
    """Lock a list, and tell whether that changed anything: the same packages keep their date."""
    made = AptLock(declaration(project, name), architecture(), now, tuple(debs))
    file = lock_file(project, name)
    if file.exists():
        try:
            before = parse(file.read_text(encoding="utf-8", errors="replace"), file)
        except StaleLockError:
            before = None
        if before and render(before) == render(AptLock(**{**vars(made), "date": before.date})):
            return False
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(render(made), encoding="utf-8")
    return True


def _body(lock: AptLock) -> str:
    return "".join(
        f"{d.name} {d.version} {d.architecture} {d.suite} {d.size} {d.sha256} {d.path}\n"
        for d in sorted(lock.debs)
    )


def _deb(line: str) -> LockedDeb:
    match = _LINE.fullmatch(line)
    if not match:
        raise ValueError(f"not a locked package: {line!r}")
    name, version, built_for, suite, size, sha256, path = match.groups()
    return LockedDeb(name, version, built_for, suite, int(size), sha256, path)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
