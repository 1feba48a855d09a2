"""The sessions: what people type. Each runs one command of the package `sparkyard`."""

from __future__ import annotations

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))  # nox does not put the checkout on the path

from sparkyard import bootstrap, commands, console
from sparkyard.errors import SparkyardError

nox.options.default_venv_backend = "none"
nox.options.sessions = ["plan"]


def add(name: str, text: str) -> None:
    """Make the session `name`, whose help is `text`."""

    def run(session: nox.Session) -> None:
        bootstrap.ensure()
        argv = [str(bootstrap.PYTHON), "-m", "sparkyard", name, *session.posargs]
        if exit_code := bootstrap.call(argv):
            sys.exit(exit_code)

    run.__doc__ = text
    nox.session(name=name)(run)


try:
    for known in commands.sessions():
        add(known.name, known.help)
except SparkyardError as error:  # an image list that cannot be used
    sys.exit(console.fail(error))
