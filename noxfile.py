"""The sessions: what people type. Each runs one command of the package `sparkyard`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))

from sparkyard import bootstrap  # nox does not put the checkout on the path

nox.options.default_venv_backend = "none"
nox.options.sessions = ["plan"]


def sparkyard(session: nox.Session, *words: str) -> None:
    """Run a command of the package with the session's options, and exit with its exit code."""
    bootstrap.ensure()
    argv = [str(bootstrap.PYTHON), "-m", "sparkyard", *words, *session.posargs]
    exit_code = subprocess.call(argv, cwd=bootstrap.ROOT)
    if exit_code:
        sys.exit(exit_code)


@nox.session
def dependencies(session: nox.Session) -> None:
    """Lock and export the Python packages, resolve and lock the jars."""
    sparkyard(session, "dependencies")


@nox.session
def pyspark(session: nox.Session) -> None:
    """Build pyspark-notebook."""
    sparkyard(session, "build", "pyspark")


@nox.session
def all_spark(session: nox.Session) -> None:
    """Build all-spark-notebook and what it stands on."""
    sparkyard(session, "build", "all_spark")


@nox.session
def jupyterhub(session: nox.Session) -> None:
    """Build datascience-notebook, which JupyterHub starts, and what it stands on."""
    sparkyard(session, "build", "jupyterhub")


@nox.session
def executors(session: nox.Session) -> None:
    """Build spark-executors."""
    sparkyard(session, "build", "executors")


@nox.session
def plan(session: nox.Session) -> None:
    """Say which images would be rebuilt, and because of which input."""
    sparkyard(session, "plan")


@nox.session
def parity(session: nox.Session) -> None:
    """Compare the driver's image and the executors'; fail where they must agree and do not."""
    sparkyard(session, "parity")


@nox.session
def tests(session: nox.Session) -> None:
    """Test the code, the images, and the family end to end on a Spark cluster."""
    sparkyard(session, "tests")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the code, the scripts, the Dockerfiles and the generated files."""
    sparkyard(session, "lint")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure builds and images, as ratios in one run, and write bench/results/."""
    sparkyard(session, "bench")


@nox.session
def engine(session: nox.Session) -> None:
    """Check the container engine; on Debian or Ubuntu as root, install and start a missing one."""
    sparkyard(session, "engine")


@nox.session
def pins(session: nox.Session) -> None:
    """Pin the base images by digest, from a registry that answers."""
    sparkyard(session, "pins")


@nox.session
def clean(session: nox.Session) -> None:
    """Remove the images and caches that Sparkyard has made on this machine."""
    sparkyard(session, "clean")
