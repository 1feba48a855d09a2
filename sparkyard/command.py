"""How does Sparkyard run a command? All go through `run`: printed quoted, secrets masked."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparkyard.errors import CommandFailedError

# What stands before the host in a URL, and values of names that speak of secrets: those of Spark's
# spark.redaction.regex are among them. A blank separates a Spark property from its value as well.
_URL_SECRET = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_NAME = r"(?:password|passwd|token|secret|api[_.-]?key|access[_.-]?key)[a-z0-9_.-]{0,64}"
_NAMED_SECRET = re.compile(
    rf"(?i)({_NAME}[=:]\s*|(?<![\w.])spark\.[\w.-]{{0,128}}?{_NAME}\s+)[^\s'\"]+"
)


def mask(text: str) -> str:
    """Return `text` with credentials in URLs and in name=value pairs replaced by ***."""
    return _NAMED_SECRET.sub(r"\1***", _URL_SECRET.sub("***", text))


@dataclass(frozen=True)
class Completed:
    """A command that ended: its exit code and, where captured, what it wrote."""

    exit_code: int
    stdout: str
    stderr: str


def run(  # noqa: PLR0913 - the one door for commands has all the switches
    argv: Sequence[str],
    *,
    capture: bool = True,
    check: bool = True,
    quiet: bool = True,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    timeout: float | None = None,
) -> Completed:
    """Run `argv` and return how it ended.

    Args:
        argv: the command as a list; never a shell line.
        capture: keep stdout and stderr; otherwise they go to the terminal.
        check: raise when the exit code is not 0.
        quiet: do not print the command before it runs.
        stdin: text for its standard input; none is given otherwise.
        env: variables that are set on top of this process's own.
        cwd: the directory in which it runs; this process's own without it.
        timeout: seconds after which it is killed.

    Raises:
        CommandFailedError: it could not be started, ran out of time, or failed under `check`.
    """
    printed = mask(shlex.join(argv))
    if not quiet:
        print(f"$ {printed}", file=sys.stderr, flush=True)
    pipe = subprocess.PIPE if capture else None
    try:
        ended = subprocess.run(
            list(argv),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=pipe,
            stderr=pipe,
            text=True,
            errors="replace",
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandFailedError(
            f"{argv[0]} is not installed; it was needed for: {printed}",
            f"Install {argv[0]} and put it on PATH.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailedError(
            f"No end after {timeout:.0f} s: {printed}", "See what it waits for, then run it again."
        ) from error
    completed = Completed(ended.returncode, ended.stdout or "", ended.stderr or "")
    if check and completed.exit_code != 0:
        raise CommandFailedError(
            f"Exit code {completed.exit_code} from: {printed}",
            "The lines above are the last that it wrote.",
            detail=mask("\n".join((completed.stdout + completed.stderr).splitlines()[-20:])),
        )
    return completed
