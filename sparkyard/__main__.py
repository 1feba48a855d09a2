"""Which commands are there? `python -m sparkyard NAME ...` is what the nox sessions run."""

from __future__ import annotations

import importlib
import sys

from sparkyard import console
from sparkyard.errors import INTERRUPTED, SparkyardError, UnknownNameError
from sparkyard.names import nearest

COMMANDS = {
    "bench": "measure builds and images, as ratios in one run",
    "build": "build images and what they stand on",
    "clean": "remove what Sparkyard has made on this machine",
    "dependencies": "lock and export Python packages, resolve and lock jars",
    "engine": "check the container engine; install and start a missing one",
    "lint": "check the code, the Dockerfiles and the generated files",
    "parity": "compare the driver's image and the executors'",
    "pins": "pin the base images by digest",
    "plan": "say which images would be rebuilt, and because of what",
    "tests": "test the images, and the family end to end",
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
            raise
        return console.fail(error)
    except KeyboardInterrupt:
        print("\nStopped. What was finished is kept; the same command goes on.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
