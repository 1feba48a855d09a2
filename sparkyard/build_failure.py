"""Why did a build fail? Reads the log's end for the causes that people can do something about."""

from __future__ import annotations

import re

from sparkyard.command import mask
from sparkyard.errors import (
    BuildFailedError,
    CertificateError,
    DiskFullError,
    EngineMissingError,
    HashMismatchError,
    MirrorError,
    NetworkError,
    SparkyardError,
)

_SHOWN_LINES = 25
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

# The first pattern that is found decides, so the more certain causes come first.
_CAUSES: tuple[tuple[re.Pattern[str], type[SparkyardError], str, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), error, what, remedy)
    for pattern, error, what, remedy in (
        (
            r"no space left on device|disk quota exceeded",
            DiskFullError,
            "The disk is full.",
            "Make room: `nox -s clean -- --cache` gives back what builds have cached; the engine's "
            "data is under the directory that `docker info` calls Docker Root Dir.",
        ),
        (
            r"sparkyard-fetch: hash-mismatch|Hash mismatch for|"
            r"Hashes are required|do not match the expected hash",
            HashMismatchError,
            "A fetched file is not the one that the lock names.",
            "If the mirror is right, the lock is not: run `nox -s dependencies` and look at what "
            "changes. If the lock is right, somebody serves another file: do not build with it.",
        ),
        (
            r"sparkyard-fetch: certificate|certificate verify failed|invalid peer certificate|"
            r"UnknownIssuer|certificate verification failed|certificate is NOT trusted|"
            r"x509: certificate|CERTIFICATE_VERIFY_FAILED",
            CertificateError,
            "A host presented a certificate that the build does not trust.",
            "Set SPARKYARD_CA_BUNDLE to a PEM file that holds your network's authority.",
        ),
        (
            r"sparkyard-fetch: (?:not-found|truncated|status)|HTTP status (?:client|server) error|"
            r"404 +Not Found|File has unexpected size|Hash Sum mismatch|was not found in the "
            r"package registry|end of file before message length|does not have a Release file|"
            r"content-length|IncompleteRead|unexpected end of file",
            MirrorError,
            "A host answered, but not with the file that was asked for.",
            "If a mirror is set, it is incomplete or wrong: see the settings apt_mirror, "
            "pypi_index and maven_mirror. Else run the same command again: it resumes.",
        ),
        (
            r"sparkyard-fetch: unreachable|Temporary failure (?:in name resolution|resolving)|"
            r"Could not resolve|dns error|failed to lookup address|Could not connect to|"
            r"Unable to connect to|error sending request|Network is unreachable|"
            r"Connection (?:refused|timed out|reset)|i/o timeout",
            NetworkError,
            "A host could not be reached from the build.",
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


def explain(log: str) -> SparkyardError:
    """Return the error that a failed build's log speaks of."""
    log = _COLOURS.sub("", log)
    end = [line.rstrip() for line in log.replace("\r", "\n").splitlines() if line.strip()]
    detail = mask("\n".join(end[-_SHOWN_LINES:]))
    for pattern, error, what, remedy in _CAUSES:
        line = next((line for line in reversed(end) if pattern.search(line)), None)
        if line:
            said = mask(re.sub(r"^(?:#\d+ )?(?:\d+\.\d+ )?\s*", "", line))
            return error(f"{what} The build said: {said[:300]}", remedy, detail=detail)
    return BuildFailedError(
        "A build step failed; the lines above are the last it wrote.",
        "Mend what they name and run the same command again: what was built is kept.",
        detail=detail,
    )
