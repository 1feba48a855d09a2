"""How does a session end? `python -m sparkyard SESSION ...` is what `nox -s SESSION` runs."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback

from sparkyard import commands, console
from sparkyard.errors import INTERRUPTED, DiskFullError, FileAccessError, SparkyardError


def main(argv: list[str]) -> int:
    """Run a session and return its exit code; see docs/exit-codes.md."""
    # What follows another -- belongs to a tool that the session runs, as pytest.
    verbose = "--verbose" in (argv[: argv.index("--")] if "--" in argv else argv)
    try:
        if not argv or argv[0] in ("-h", "--help"):
            return _help()
        session = commands.find(argv[0])
        module = importlib.import_module(f"sparkyard.commands.{session.command}")
        return int(module.main(argv[1:], *([session] if session.image else [])))
    except SparkyardError as error:
        if verbose:
            traceback.print_exc()
        return console.fail(error)
    except KeyboardInterrupt:
        print("\nStopped. What was finished is kept; the same command goes on.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has enough; what is left must not fail again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if verbose:
            raise
        return console.fail(_explain(error))


def _help() -> int:
    known = list(commands.sessions())
    width = max(len(session.name) for session in known)
    print("usage: make SESSION [-- OPTIONS], or nox -s SESSION [-- OPTIONS]\n")
    print("\n".join(f"  {session.name:{width}}  {session.help}" for session in known))
    print("\nThe options of a session: nox -s SESSION -- --help")
    return 0


def _explain(error: OSError) -> SparkyardError:
    """Return what a person should read about an error of this machine's file system."""
    place = error.filename or "a file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"The disk is full: {place} could not be written.",
            "Make room there, then run the same command again.",
        )
    return FileAccessError(
        f"{place} cannot be used: {error.strerror or error}.",
        "Give this user access to it; SPARKYARD_CACHE names another directory for what is cached.",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
