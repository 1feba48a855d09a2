"""Which session runs? `python -m sparkyard SESSION ...` is what `nox -s SESSION` runs."""

from __future__ import annotations

import sys
from collections.abc import Callable

from sparkyard import commands, console


def main(argv: list[str]) -> int:
    """Run a session and return its exit code; see docs/exit-codes.md."""
    return console.exit_code(_run, argv)


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        return _help()
    session = commands.find(argv[0])
    return _command(session.command)(argv[1:], *([session] if session.image else []))


def _command(name: str) -> Callable[..., int]:
    """Import a command and return what runs it.

    Only this one: to import all of them takes twice the time in which the quickest one ends.
    """
    main: Callable[..., int]
    match name:
        case "build":
            from sparkyard.commands.build import main
        case "plan":
            from sparkyard.commands.plan import main
        case "parity":
            from sparkyard.commands.parity import main
        case "tests":
            from sparkyard.commands.tests import main
        case "lint":
            from sparkyard.commands.lint import main
        case "tags":
            from sparkyard.commands.tags import main
        case "push":
            from sparkyard.commands.push import main
        case "registry":
            from sparkyard.commands.registry import main
        case "release":
            from sparkyard.commands.release import main
        case "promote":
            from sparkyard.commands.promote import main
        case "rollback":
            from sparkyard.commands.rollback import main
        case "verify":
            from sparkyard.commands.verify import main
        case "diff":
            from sparkyard.commands.diff import main
        case "sbom":
            from sparkyard.commands.sbom import main
        case "keys":
            from sparkyard.commands.keys import main
        case "dependencies":
            from sparkyard.commands.dependencies import main
        case "pins":
            from sparkyard.commands.pins import main
        case "engine":
            from sparkyard.commands.engine import main
        case "history":
            from sparkyard.commands.history import main
        case "bench":
            from sparkyard.commands.bench import main
        case "reproduce":
            from sparkyard.commands.reproduce import main
        case "chaos":
            from sparkyard.commands.chaos import main
        case "clean":
            from sparkyard.commands.clean import main
    return main


def _help() -> int:
    known = list(commands.sessions())
    width = max(len(session.name) for session in known)
    print("usage: make SESSION [-- OPTIONS], or nox -s SESSION [-- OPTIONS]\n")
    print("\n".join(f"  {session.name:{width}}  {session.help}" for session in known))
    print("\nThe options of a session: nox -s SESSION -- --help")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
