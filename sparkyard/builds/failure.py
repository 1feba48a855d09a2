"""Why did a build fail? Reads the log's end for the causes that people can do something about.

BuildKit writes what a step says on lines with the step's number, and ends with the failed step's
lines once more (not always all of them), an excerpt of the Dockerfile, and one line that starts
with ERROR. Only what the failed step said and that last line are read: what other steps wrote,
warnings among it, is no cause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sparkyard.builds.tool_words import of_maven, unbuilt
from sparkyard.command import mask
from sparkyard.errors import (
    BuildFailedError,
    CertificateError,
    DiskFullError,
    EngineMissingError,
    HashMismatchError,
    JarConflictError,
    MirrorError,
    NetworkError,
    SparkyardError,
    StaleLockError,
)

_READ_LINES = 25
"""Lines at a log's end that are read where BuildKit did not get to say which step failed."""
_QUOTED = 300
_NAMED = 100
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_DASHES = re.compile(r"-{6,}")
_STEP = re.compile(r" > (\[.+)")
_FAILED = re.compile(r"(#\d+) ERROR: ")
_FRAME = re.compile(r"#\d+ (?:\[|ERROR: |DONE |\.\.\.)")
_STAMP = re.compile(r"^(?:#\d+ | => => # )?(?:\d+\.\d+ )?[\s:]*")
_MAKE_ROOM = (
    "Make room: `nox -s clean -- --cache` gives back what builds have cached; the engine's data is "
    "under the directory that `docker info` calls Docker Root Dir."
)

# The first pattern that is found decides, so the more certain causes come first.
_CAUSES: tuple[tuple[re.Pattern[str], type[SparkyardError], str, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), error, what, remedy)
    for pattern, error, what, remedy in (
        (
            r"no space left on device|disk quota exceeded|sparkyard-fetch: disk-full",
            DiskFullError,
            "The disk is full.",
            _MAKE_ROOM,
        ),
        (
            # BuildKit falls back to a way of making layers that knows no zstd, and speaks of that.
            r"unsupported diff media type",
            DiskFullError,
            "The engine could not write a layer, as when its disk is full; its own log says more.",
            _MAKE_ROOM,
        ),
        (
            r"sparkyard-(?:fetch|apt): hash-mismatch|Hash mismatch for|"
            r"Hashes are required|do not match the expected hash",
            HashMismatchError,
            "A fetched file is not the one that the lock names.",
            "If the mirror is right, the lock is not: run `nox -s dependencies` and look at what "
            "changes. If the lock is right, somebody serves another file: do not build with it.",
        ),
        (
            r"Release file for \S+ is (?:expired|not valid yet)",
            MirrorError,
            "The index of Debian's archive is out of date, or this machine's clock is wrong.",
            "Compare `date` with the real time. If it is right, the mirror is out of date: see the "
            "setting apt_mirror.",
        ),
        (
            r"Failed to fetch \S+ +5\d\d ",
            MirrorError,
            "A mirror answered with a server error.",
            "Run the same command again later, or set apt_mirror to a mirror that answers.",
        ),
        (
            r"sparkyard-apt: no-lock",
            StaleLockError,
            "The Debian packages are not locked for this architecture.",
            "Run `nox -s dependencies` on a machine of it, and commit what it writes.",
        ),
        (
            r"sparkyard-fetch: certificate|certificate verify failed|invalid peer certificate|"
            r"UnknownIssuer|certificate verification failed|certificate is NOT trusted|"
            r"x509: certificate|CERTIFICATE_VERIFY_FAILED|PKIX path building failed",
            CertificateError,
            "A host presented a certificate that the build does not trust.",
            "Set SPARKYARD_CA_BUNDLE to a PEM file that holds the network's or mirror's authority.",
        ),
        (
            r"was not found in the package registry|there (?:is|are) no versions? of|"
            r"HTTP status client error \(404 ",
            MirrorError,
            "The index lacks a locked Python package.",
            "If the setting pypi_index is set, that index lacks it. Else it was removed: lock "
            "another version with `nox -s dependencies -- --only python --upgrade PACKAGE`.",
        ),
        (
            r"sparkyard-fetch: not-found",
            MirrorError,
            "The Maven repository lacks a locked jar.",
            "If the setting maven_mirror is set, that repository lacks it. Else it was removed: "
            "name another version in jars.toml, then run `nox -s dependencies -- --only jars`.",
        ),
        (
            r"Could not find artifact|was not found in \S+ during a previous attempt",
            JarConflictError,
            "The Maven repository lacks a jar.",
            "Correct its version in jars.toml, or set a Maven mirror that has it.",
        ),
        (
            r"sparkyard-fetch: (?:truncated|http-error)|"
            r"Could not transfer artifact .*status(?: code)?: \d+|"
            r"HTTP status (?:client|server) error|404 +Not Found|File has unexpected size|"
            r"Hash Sum mismatch|does not have a Release file|"
            r"end of file before message length|"
            r"content-length|IncompleteRead|unexpected end of file|Clearsigned file isn't valid|"
            r"InRelease' is not signed|Invalid zip file structure|"
            r"failed to resolve source metadata(?!.*(?:dial tcp|no such host))",
            MirrorError,
            "A host answered, but not with the file that was asked for.",
            "If a mirror is set, it is incomplete or wrong: see the settings apt_mirror, "
            "pypi_index and maven_mirror; 401 and 403 are about the user and password for it. "
            "Else run the same command again: it resumes.",
        ),
        (
            r"sparkyard-fetch: unreachable|Temporary failure (?:in name resolution|resolving)|"
            r"Could not resolve (?!dependencies)|Unknown host|dns error|failed to lookup address|"
            r"Could not connect to|Unable to connect to|error sending request|"
            r"Network is unreachable|no such host|"
            r"Connection (?:refused|timed out|reset)|i/o timeout|^cause: (?:operation )?timed out$",
            NetworkError,
            "A host could not be reached.",
            "Check the network of containers (`docker run --rm IMAGE getent hosts NAME`), a proxy, "
            "or set the mirrors that your network has.",
        ),
        (
            r"Cannot connect to the Docker daemon|connection closed before server preface|"
            r"error reading from server: EOF|failed to receive status",
            EngineMissingError,
            "The engine went away during the build.",
            "Look at its log, start it, and run the same command again: it resumes.",
        ),
    )
)


def explain(log: str, speaker: str = "The build") -> SparkyardError:
    """Return the error that a log speaks of; a person saw the log itself already.

    Args:
        log: of a failed build, or of a program that failed.
        speaker: who wrote it.
    """
    text = _COLOURS.sub("", log).replace("\r", "\n")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    step, said, reason = _failed_step(lines)
    read = [_STAMP.sub("", line) for line in [*said, reason]] if said or reason else []
    for pattern, error, what, remedy in _CAUSES:
        for index in reversed(range(len(read))):
            if pattern.search(read[index]):
                return error(f"{what} {speaker} said: {_quote(read, index)}", remedy)
    package, cause = unbuilt(read[:-1] if reason else read)
    if package:
        return BuildFailedError(
            f"{package} could not be built from its source: {_short(cause or 'no cause is named')}",
            "Images are built without compilers and headers: lock a version that has a wheel for "
            "Linux and the stack's Python, or a package that brings what it needs "
            "(psycopg2-binary, say).",
        )
    last = of_maven(read) or (read[-2] if len(read) > 1 else reason) or "nothing"
    return BuildFailedError(
        f"A build step failed{f', {step}' if step else ''}. The build said: {_short(last)}",
        "Mend what the lines above name and run the same command again: what was built is kept.",
    )


def _failed_step(lines: Sequence[str]) -> tuple[str, list[str], str]:
    """Return the failed step's name, what it wrote, and BuildKit's last word on it."""
    failed = {match.group(1) for line in lines if (match := _FAILED.match(line))}
    numbered = [line for line in lines if line.split(" ", 1)[0] in failed]
    step = ""
    shown = []
    inside = False
    for line in lines:
        if named := _STEP.match(line):
            step = step or re.sub(r"--(?:mount|network)=\S+\s+", "", named.group(1)).rstrip(":")
            inside = True
        elif _DASHES.fullmatch(line):
            inside = False
        elif inside:
            shown.append(line)
    reason = next((line for line in reversed(lines) if line.startswith("ERROR: ")), "")
    # A terminal's display has no numbers; what a step says follows a mark there.
    said = (
        [line for line in numbered if not _FRAME.match(line)]
        or shown
        or [line for line in lines if line.startswith(" => => # ")]
    )
    if not step and not said:
        said = list(lines[-_READ_LINES:])
    return (step if len(step) <= _NAMED else f"{step[:_NAMED]}..."), said, reason


def _quote(read: Sequence[str], index: int) -> str:
    """Return the line at `index`; one in a chain of causes with the line that says of what."""
    line = read[index]
    if not line.startswith("cause: "):
        return _short(of_maven([line]) or line)
    first = index
    while first and read[first].startswith("cause: "):
        first -= 1
    chain = [link.removeprefix("cause: ") for link in read[first:index]] or [""]
    subject = next((link for link in chain if "://" in link or "`" in link), chain[0])
    return _short(f"{subject}: {line.removeprefix('cause: ')}")


def _short(text: str) -> str:
    """Return the text, masked; of a long one its beginning and its end, where the cause stands."""
    text = mask(text)
    half = _QUOTED // 2
    return text if len(text) <= _QUOTED else f"{text[:half]} ... {text[-half:]}"
