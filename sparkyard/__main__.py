"""Which session runs? `python -m sparkyard SESSION ...` is what `nox -s SESSION` runs."""

from __future__ import annotations

import importlib
import sys

from sparkyard import commands, console


def main(argv: list[str]) -> int:
    """Run a session and return its exit code; see docs/exit-codes.md."""
    return console.exit_code(_run, argv)


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        return _help()
    session = commands.find(argv[0])
    module = importlib.import_module(f"sparkyard.commands.{session.command}")
    return int(module.main(argv[1:], *([session] if session.image else [])))


def _help() -> int:
    known = list(commands.sessions())
    width = max(len(session.name) for session in known)
    print("usage: make SESSION [-- OPTIONS], or nox -s SESSION [-- OPTIONS]\n")
    print("\n".join(f"  {session.name:{width}}  {session.help}" for session in known))
    print("\nThe options of a session: nox -s SESSION -- --help")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
