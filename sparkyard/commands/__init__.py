"""Which sessions are there, what does each do, and which options do all have?

A session runs one module of this package: a command, whose docstring begins with its help. Only
the standard library is needed: `make help` and the noxfile ask this before a tool is installed.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sparkyard.errors import UnknownNameError
from sparkyard.family import images
from sparkyard.names import nearest

COMMANDS = (
    "build", "plan", "parity", "tests", "lint", "tags", "push", "registry",
    "release", "promote", "rollback", "verify", "diff", "sbom", "keys",
    "dependencies", "pins", "engine", "history", "bench", "reproduce", "chaos", "clean",
)  # fmt: skip
"""The modules, in the order of the help; each is a session of the same name."""


@dataclass(frozen=True)
class Session:
    """What people type after `make` or `nox -s`.

    Attributes:
        command: the module that runs.
        image: the image that it runs for, where the session is of one image.
        summary: its help, where that is not the command's.
    """

    name: str
    command: str
    image: str = ""
    summary: str = ""

    @property
    def help(self) -> str:
        """What it does: one line, an imperative."""
        if self.summary:
            return self.summary
        source = Path(__file__).with_name(f"{self.command}.py").read_text(encoding="utf-8")
        return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def sessions() -> Iterator[Session]:
    """Give all sessions: those of the commands, then those of the images in images.toml.

    Raises:
        SparkyardError: images.toml cannot be used; the commands were given before.
    """
    for name in COMMANDS:
        yield Session(name, name)
    family = images.listed()
    for image in family.published:
        summary = f"Build {image.name} ({image.summary})."
        yield Session(image.session, "build", image.session, summary)
    for image in family.published:
        if not (family.role(image.name) or image.project):
            continue
        summary = f"Push {image.name} and the images that it needs."
        yield Session(f"push_{image.session}", "push", image.session, summary)


def find(name: str) -> Session:
    """Return the session of that name.

    Raises:
        UnknownNameError: there is none.
        SparkyardError: as `sessions`, where no command has that name.
    """
    known = []
    for session in sessions():
        if session.name == name:
            return session
        known.append(session.name)
    raise UnknownNameError(f'There is no session "{name}".', nearest(name, known))


def parser(session: str, description: str | None, epilog: str = "") -> argparse.ArgumentParser:
    """Return the parser of a session's options, with those that all sessions have."""
    made = argparse.ArgumentParser(
        prog=f"nox -s {session} --", description=description, epilog=epilog, allow_abbrev=False
    )
    # Read by `console.exit_code`, which shows the error.
    made.add_argument("--verbose", action="store_true", help="show where an error was raised, too")
    return made


def add_stack(
    to: argparse.ArgumentParser, default: str = "images.toml's", *, several: bool = False
) -> None:
    """Add the option that names a stack.

    Args:
        to: the parser.
        default: what its help says of the default.
        several: the session takes "all", too.
    """
    what = "a stack of conf/stacks, or all" if several else "a stack of conf/stacks"
    to.add_argument("--stack", default="", metavar="NAME", help=f"{what} (default: {default})")
