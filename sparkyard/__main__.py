"""Which commands are there? `python -m sparkyard NAME ...` is what the nox sessions run."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback

from sparkyard import console
from sparkyard.errors import (
    INTERRUPTED,
    DiskFullError,
    FileAccessError,
    SparkyardError,
    UnknownNameError,
)
from sparkyard.names import nearest

COMMANDS = {
    "bench": "measure builds and images, as ratios in one run",
    "build": "build images and what they stand on",
    "chaos": "kill releases at random points, and look for a torn one",
    "clean": "remove what Sparkyard has made on this machine",
    "dependencies": "lock the Python and Debian packages and the jars",
    "diff": "say what changed between two releases",
    "engine": "check the container engine; install and start a missing one",
    "history": "show past applications in Spark's History Server",
    "keys": "make the keys that sign and verify releases",
    "lint": "check the code, the Dockerfiles and the generated files",
    "parity": "compare the driver's image and the executors'",
    "pins": "pin the base images by digest",
    "plan": "say which images would be rebuilt, and because of what",
    "promote": "let a channel name a release",
    "push": "push images that passed their tests",
    "registry": "start the registry of this machine",
    "release": "release the family under a version, all of it or nothing",
    "reproduce": "build twice without cache, and compare bit by bit",
    "rollback": "return a channel to the release that it named before",
    "sbom": "write what the images are made of, as SPDX and CycloneDX",
    "tags": "print the tags of the built images",
    "tests": "test the images, and the family end to end",
    "verify": "check a release's signature, digests and SBOMs",
}


def main(argv: list[str]) -> int:
    """Run a command and return its exit code; see docs/exit-codes.md."""
    verbose = "--verbose" in argv
    argv = [word for word in argv if word != "--verbose"]
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        print("usage: python -m sparkyard COMMAND [--help] [--verbose]\n")
        print("\n".join(f"  {name:{width}}  {what}" for name, what in COMMANDS.items()))
        return 0
    try:
        if argv[0] not in COMMANDS:
            raise UnknownNameError(f'There is no command "{argv[0]}".', nearest(argv[0], COMMANDS))
        module = importlib.import_module(f"sparkyard.commands.{argv[0]}")
        return int(module.main(argv[1:]))
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
