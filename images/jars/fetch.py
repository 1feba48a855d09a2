"""Fetch exactly the jars of a lock into a directory, proven by size and sha256.

Runs in a build stage, with nothing but Python's standard library:
    fetch.py LOCK CACHE DESTINATION
The variable MAVEN_MIRROR names the repository: its URL may hold a password, and all see arguments.
Each failure is one line, `sparkyard-fetch: KIND: what`, with KIND one of not-found, http-error,
truncated, hash-mismatch, certificate, unreachable, bad-lock, disk-full. Exit code 1 after any.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import os
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

CENTRAL = "https://repo1.maven.org/maven2"
ATTEMPTS = 4
PAUSE = float(os.environ.get("SPARKYARD_FETCH_PAUSE", "1"))  # seconds, doubled after each attempt
TIMEOUT = 60  # seconds without a byte
THREADS = 6
CHUNK = 1 << 20


class FetchError(Exception):
    """A jar that could not be had: what kind of failure, and whether another try may help."""

    def __init__(self, kind: str, what: str, *, again: bool = False) -> None:
        super().__init__(f"sparkyard-fetch: {kind}: {what}")
        self.kind = kind
        self.again = again


class Jar(NamedTuple):
    """A line of the lock."""

    sha256: str
    size: int
    path: str


def read_lock(path: Path) -> list[Jar]:
    """Return the jars of the lock at `path`."""
    jars = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        fields = line.split()
        if len(fields) != 3 or len(fields[0]) != 64 or not fields[1].isdecimal():
            raise FetchError("bad-lock", f"{path.name}: {line!r}")
        jars.append(Jar(fields[0], int(fields[1]), fields[2]))
    return jars


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def log_in(mirror: str) -> tuple[str, urllib.request.OpenerDirector]:
    """Return a mirror's URL without the user in it, and what asks it as that user.

    Another host, to which the mirror may redirect, is not told who asks.
    """
    parts = urlsplit(mirror)
    before, _, place = parts.netloc.rpartition("@")
    user, _, password = before.partition(":")
    bare = parts._replace(netloc=place)
    users = urllib.request.HTTPPasswordMgrWithPriorAuth()
    if user:
        root = f"{parts.scheme}://{place}/"
        users.add_password(None, root, unquote(user), unquote(password), is_authenticated=True)
    basic = urllib.request.HTTPBasicAuthHandler(users)
    return bare.geturl(), urllib.request.build_opener(basic)


def fetch(jar: Jar, mirror: str, cache: Path, opener: urllib.request.OpenerDirector) -> Path:
    """Return the jar as a proven file in `cache`, fetching it if it is not there yet."""
    done = cache / jar.sha256
    url = f"{mirror.rstrip('/')}/{jar.path}"
    partial = cache / f"{jar.sha256}.part"
    # Two builds may share the cache. What an interrupted build leaves behind is gone on with.
    with (cache / f"{jar.sha256}.lock").open("w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        if done.exists() and done.stat().st_size == jar.size and digest(done) == jar.sha256:
            return done
        for attempt in range(1, ATTEMPTS + 1):
            try:
                download(url, partial, jar, opener)
                break
            except FetchError as error:
                if attempt == ATTEMPTS or not error.again:
                    raise
                time.sleep(PAUSE * 2 ** (attempt - 1))
        os.replace(partial, done)
    return done


def download(url: str, partial: Path, jar: Jar, opener: urllib.request.OpenerDirector) -> None:
    """Bring `partial` to the whole jar, going on where an earlier attempt was cut off."""
    have = partial.stat().st_size if partial.exists() else 0
    # Accept-Encoding: a proxy that compresses on the way would make sizes meaningless.
    headers = {"User-Agent": "sparkyard", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 (the mirror is trusted)
        with opener.open(request, timeout=TIMEOUT) as answer:
            goes_on = have and answer.status == http.HTTPStatus.PARTIAL_CONTENT
            with partial.open("ab" if goes_on else "wb") as stream:
                while stream.tell() <= jar.size and (chunk := answer.read(CHUNK)):
                    stream.write(chunk)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise explain(error, url, partial, jar) from error
    prove(url, partial, jar, resumed=have > 0)


def prove(url: str, partial: Path, jar: Jar, *, resumed: bool) -> None:
    """Return if `partial` is the jar of the lock; otherwise say how it differs."""
    have = partial.stat().st_size
    if have < jar.size:
        raise FetchError("truncated", f"{url}: {have} of {jar.size} bytes came", again=True)
    found = digest(partial)
    if have > jar.size or found != jar.sha256:
        partial.unlink()
        came = "more came" if have > jar.size else f"sha256 {found} came"
        raise FetchError(
            "hash-mismatch",
            f"{url}: the lock has {jar.size} bytes, sha256 {jar.sha256}; {came}",
            again=resumed,  # the part from before may have been the wrong one
        )


def explain(error: Exception, url: str, partial: Path, jar: Jar) -> FetchError:
    """Return what a person should read about `error`."""
    if isinstance(error, urllib.error.HTTPError):
        if error.code in (404, 410):
            return FetchError("not-found", f"{url}: the mirror has no such file ({error.code})")
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.unlink(missing_ok=True)
        temporary = error.code >= 500 or error.code in (408, 416, 429)
        return FetchError(
            "http-error", f"{url}: answer {error.code} {error.reason}", again=temporary
        )
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return FetchError(
            "certificate", f"{url}: {reason.verify_message}: the CA bundle does not vouch for it"
        )
    if isinstance(reason, OSError) and reason.errno == errno.ENOSPC:
        return FetchError("disk-full", f"{url}: no space left")
    if isinstance(reason, http.client.HTTPException) or partial.exists():
        have = partial.stat().st_size if partial.exists() else 0
        return FetchError(
            "truncated", f"{url}: {have} of {jar.size} bytes came: {reason}", again=True
        )
    return FetchError("unreachable", f"{url}: {reason}", again=True)


def place(jar: Jar, proven: Path, destination: Path) -> None:
    """Put the jar where the image has it, with a mode that does not depend on this machine."""
    target = destination / jar.path.rsplit("/", 1)[-1]
    shutil.copyfile(proven, target)
    target.chmod(0o644)


def main(lock: Path, cache: Path, destination: Path) -> int:
    """Fetch all jars of the lock; return the exit code."""
    cache.mkdir(parents=True, exist_ok=True)
    destination.mkdir(parents=True, exist_ok=True)
    try:
        jars = read_lock(lock)
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    bare, opener = log_in(os.environ.get("MAVEN_MIRROR") or CENTRAL)
    failures = 0
    with ThreadPoolExecutor(THREADS) as pool:
        for jar, future in [(jar, pool.submit(fetch, jar, bare, cache, opener)) for jar in jars]:
            try:
                place(jar, future.result(), destination)
            except FetchError as error:
                print(error, file=sys.stderr)
                failures += 1
            except OSError as error:
                kind = "disk-full" if error.errno == errno.ENOSPC else "unwritable"
                print(f"sparkyard-fetch: {kind}: {jar.path}: {error}", file=sys.stderr)
                failures += 1
    print(f"{len(jars) - failures} of {len(jars)} jars, {sum(jar.size for jar in jars)} bytes")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
