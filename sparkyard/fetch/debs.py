"""How are locked Debian packages fetched: from the store, the mirror, or a snapshot of the archive?

Whether a package can be had is asked of all of them before any is fetched, so that a lock that the
archive has moved away from is known in seconds.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from sparkyard import console, paths
from sparkyard.command import mask
from sparkyard.errors import (
    CertificateError,
    HashMismatchError,
    MirrorError,
    NetworkError,
    SparkyardError,
)
from sparkyard.family.projects import Project
from sparkyard.fetch import store
from sparkyard.locks import apt_lock
from sparkyard.locks.apt_lock import LockedDeb
from sparkyard.settings import Settings, archives, ca_bundle

T = TypeVar("T")

_CONNECTIONS = 8
_QUESTIONS = 32
"""Questions at once whether a package is there: each is one small answer."""
_BLOCK = 256 << 10
_TIMEOUTS = {"HEAD": (5, 10), "GET": (5, 30)}
"""Seconds until a connection stands, and without a byte, by what is asked."""
_GONE = (404, 410)
_TRIES = 3


@dataclass(frozen=True)
class Wanted:
    """A locked package, and the date of its lock as snapshots are called by."""

    deb: LockedDeb
    snapshot: str

    @property
    def secure(self) -> bool:
        """Whether it is in the security archive."""
        return self.deb.suite.endswith("-security")


@dataclass(frozen=True)
class Missing:
    """Packages that are gone, and why the snapshots could not be reached: "" if they lack them."""

    debs: tuple[LockedDeb, ...] = ()
    why: str = ""

    def named(self) -> str:
        """Return the first of them by name and version, and how many more there are."""
        first = ", ".join(f"{deb.name} {deb.version}" for deb in self.debs[:3])
        more = len(self.debs) - 3
        return f"{first} and {more} more" if more > 0 else first


def of_lists(project: Project, names: Iterable[str]) -> tuple[Wanted, ...]:
    """Return what some lists of a project lock."""
    locks = [apt_lock.locked(project, name) for name in names]
    return tuple(Wanted(deb, lock.snapshot) for lock in locks for deb in lock.debs)


def fetch(wanted: Iterable[Wanted], settings: Settings) -> Missing:
    """Put packages into the store; where one is gone everywhere, return it and fetch nothing.

    Raises:
        NetworkError, CertificateError: the mirror could not be reached.
        MirrorError: it answers with an error.
        HashMismatchError: it serves another file than the locked one.
    """
    absent = [package for package in wanted if not store.holds(package.deb.sha256)]
    if not absent:
        return Missing()
    store.tidy()
    mirror = _Host(settings)
    there = _ask_all(mirror.has, absent, mirror.url)
    gone = [package for package, has in zip(absent, there, strict=True) if not has]
    if gone and (missing := _from_snapshot(mirror, gone)).debs:
        return missing
    rest = [package for package in absent if package not in gone]
    if rest:
        octets = sum(package.deb.size for package in rest)
        console.note(
            f"fetching {console.count(len(rest), 'Debian package')}, {console.size(octets)}"
        )
        _get_all(mirror.get, rest, mirror.url)
    return Missing()


def must(missing: Missing, settings: Settings) -> None:
    """Refuse packages that are gone.

    Raises:
        MirrorError: there are some; names them, where they were looked for, and what mends it.
    """
    if missing.debs:
        places = " and ".join(mask(place) for place in archives(settings))
        what = f"Locked Debian packages are gone from {places}: {missing.named()}."
        if missing.why:
            what += f" The snapshots could not be reached: {missing.why}"
        else:
            what += f" The snapshots at {mask(settings.apt_snapshot)} lack them as well."
        raise MirrorError(
            what,
            "Renew the locks with `nox -s dependencies -- --only apt`, look at the change, and "
            "commit it. Without --locked (SPARKYARD_LOCKED, or locked in sparkyard.toml), a build "
            "renews them.",
        )


def lay_out(project: Project, name: str) -> Path:
    """Lay a list's packages out in a directory, where builds take them from, and return it.

    All of them must be in the store.
    """
    directory = place(project, name)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for deb in apt_lock.locked(project, name).debs:
        store.link(deb.sha256, directory / deb.file)
    return directory


def place(project: Project, name: str) -> Path:
    """Return the directory in which a list's packages are laid out."""
    return paths.cache() / "debs" / project.name / name


def _from_snapshot(host: _Host, gone: list[Wanted]) -> Missing:
    """Fetch packages that the mirror no longer has from the snapshots of the archive."""
    try:
        there = _ask_all(host.has, gone, host.in_snapshot)
        missing = [package.deb for package, has in zip(gone, there, strict=True) if not has]
        if not missing:
            packages = console.count(len(gone), "Debian package")
            console.note(f"fetching {packages} from {mask(host.snapshot)}")
            _get_all(host.get, gone, host.in_snapshot)
        return Missing(tuple(missing))
    except (NetworkError, CertificateError, MirrorError) as error:
        return Missing(tuple(package.deb for package in gone), error.what)


def _ask_all(
    has: Callable[[LockedDeb, str], bool], wanted: list[Wanted], url: Callable[[Wanted], str]
) -> list[bool]:
    """Tell of each package whether it is at its URL."""
    return _side_by_side(_QUESTIONS, has, [(package.deb, url(package)) for package in wanted])


def _get_all(
    get: Callable[[LockedDeb, str], None], wanted: list[Wanted], url: Callable[[Wanted], str]
) -> None:
    """Fetch each package from its URL, the largest first."""
    largest = sorted(wanted, key=lambda package: -package.deb.size)
    _side_by_side(_CONNECTIONS, get, [(package.deb, url(package)) for package in largest])


def _side_by_side(
    threads: int, do: Callable[[LockedDeb, str], T], tasks: Sequence[tuple[LockedDeb, str]]
) -> list[T]:
    """Return what `do` returns for each task; the first error ends it, and so does Ctrl-C.

    Not a ThreadPoolExecutor: that waits for its threads, and a host that stalls keeps them.
    """
    todo: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[tuple[int, T | None, BaseException | None]] = SimpleQueue()
    stop = threading.Event()
    for number in range(len(tasks)):
        todo.put(number)

    def work() -> None:
        while not stop.is_set():
            try:
                number = todo.get_nowait()
            except Empty:
                return
            try:
                done.put((number, do(*tasks[number]), None))
            except BaseException as error:
                done.put((number, None, error))

    for _ in range(min(threads, len(tasks))):
        threading.Thread(target=work, daemon=True).start()
    results: dict[int, T] = {}
    try:
        for _ in tasks:
            number, result, error = done.get()
            if error is not None:
                raise error
            results[number] = result  # type: ignore[assignment]
    finally:
        stop.set()
    return [results[number] for number in range(len(tasks))]


class _Host:
    """Debian's mirror and its snapshots, asked over HTTP with the site's proxies and CA bundle."""

    def __init__(self, settings: Settings) -> None:
        self._archives = archives(settings)
        self.snapshot = settings.apt_snapshot.rstrip("/")
        self._session = requests.Session()
        self._trusted = ca_bundle(settings)
        # A host may ask for an hour of patience by Retry-After: people should know sooner.
        retry = Retry(
            _TRIES, connect=1, read=1, other=0, backoff_factor=0.5,
            status_forcelist=(408, 425, 429, 502, 503, 504),
            raise_on_status=False, respect_retry_after_header=False,
        )  # fmt: skip
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=_QUESTIONS, max_retries=retry))

    def url(self, wanted: Wanted) -> str:
        """Return where a package is at the mirror."""
        return f"{self._archives[wanted.secure]}/{wanted.deb.path}"

    def in_snapshot(self, wanted: Wanted) -> str:
        """Return where a package is in the snapshot of its lock's date."""
        archive = "debian-security" if wanted.secure else "debian"
        return f"{self.snapshot}/{archive}/{wanted.snapshot}/{wanted.deb.path}"

    def has(self, deb: LockedDeb, url: str) -> bool:
        """Tell whether a host has a package."""
        answer = self._ask("HEAD", deb, url)
        if answer.status_code in _GONE:
            return False
        self._must_be_good(answer, url)
        return True

    def get(self, deb: LockedDeb, url: str) -> None:
        """Fetch a package into the store."""
        for left in reversed(range(_TRIES)):
            try:
                answer = self._ask("GET", deb, url)
                if answer.status_code in _GONE:
                    raise MirrorError(
                        f"The mirror no longer has {mask(url)}, which it had a moment ago.",
                        "It may be in the middle of its own update: run the same command again "
                        "later, or set apt_mirror to another mirror.",
                    )
                self._must_be_good(answer, url)
                store.put(deb.sha256, _blocks(answer))
            except HashMismatchError as error:
                raise HashMismatchError(
                    f"{mask(url)} is not the {deb.name} {deb.version} of the lock. {error.what}",
                    "If you trust the mirror, lock again with `nox -s dependencies` and look at "
                    "what changes. Else find out who serves the other file.",
                ) from error
            except NetworkError:
                if not left:
                    raise
            else:
                return

    def _ask(self, method: str, deb: LockedDeb, url: str) -> requests.Response:
        try:
            return self._session.request(
                method, url, timeout=_TIMEOUTS[method], allow_redirects=True,
                stream=method == "GET",
                # Not the session's: requests puts REQUESTS_CA_BUNDLE above that.
                verify=str(self._trusted) if self._trusted else True,
            )  # fmt: skip
        except (requests.RequestException, HTTPError) as error:
            raise _why_not(error, deb, url) from error

    @staticmethod
    def _must_be_good(answer: requests.Response, url: str) -> None:
        if not answer.ok:
            raise MirrorError(
                f"{mask(url)} could not be had: the host answered {answer.status_code} "
                f"{answer.reason}.",
                "Run the same command again later, or set apt_mirror to a mirror that answers.",
            )


def _blocks(answer: requests.Response) -> Iterator[bytes]:
    """Give the bytes of an answer as they come."""
    try:
        yield from answer.iter_content(_BLOCK)
    except (requests.RequestException, HTTPError) as error:
        raise NetworkError(
            f"{mask(answer.url)} was cut off: {_last_words(error)}",
            "Run the same command again: what was fetched is kept.",
        ) from error


def _why_not(error: Exception, deb: LockedDeb, url: str) -> SparkyardError:
    host = urlsplit(url).hostname
    if isinstance(error, requests.exceptions.SSLError):
        return CertificateError(
            f"{host} presented a certificate that is not trusted here, for {mask(url)}.",
            "Set SPARKYARD_CA_BUNDLE to a PEM file that holds the network's or mirror's authority.",
        )
    return NetworkError(
        f"{host} could not be reached for {deb.name}, at {mask(url)}: {_last_words(error)}",
        "Check the network and a proxy, or set apt_mirror to a mirror that answers here.",
    )


def _last_words(error: BaseException) -> str:
    """Return the innermost cause of an error, without the objects in its text."""
    cause = error
    while cause.__context__ is not None:
        cause = cause.__context__
    return mask(str(cause)[-200:]) + "."
