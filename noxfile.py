"""The sessions: what people type. Each runs one command of the package `sparkyard`."""

from __future__ import annotations

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
    exit_code = bootstrap.call(argv)
    if exit_code:
        sys.exit(exit_code)


@nox.session
def dependencies(session: nox.Session) -> None:
    """Lock the Python and Debian packages and the jars, and export them for builds."""
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
def tags(session: nox.Session) -> None:
    """Print the tags of the built images, computed by looking into them."""
    sparkyard(session, "tags")


@nox.session
def registry(session: nox.Session) -> None:
    """Start the registry on this machine's loopback that serves where none is named."""
    sparkyard(session, "registry")


@nox.session
def history(session: nox.Session) -> None:
    """Show past applications in Spark's History Server, from their event logs."""
    sparkyard(session, "history")


@nox.session
def push(session: nox.Session) -> None:
    """Push the images named after --, all without a name, once their evidence is there."""
    sparkyard(session, "push")


@nox.session
def push_jupyterhub(session: nox.Session) -> None:
    """Push datascience-notebook, what it stands on, and the executors that it names."""
    sparkyard(session, "push", "jupyterhub")


@nox.session
def push_executors(session: nox.Session) -> None:
    """Push spark-executors."""
    sparkyard(session, "push", "executors")


@nox.session
def release(session: nox.Session) -> None:
    """Release the family under the version named after --, all of it or nothing."""
    sparkyard(session, "release")


@nox.session
def promote(session: nox.Session) -> None:
    """Let a channel name a release: -- 1.4.0 stable."""
    sparkyard(session, "promote")


@nox.session
def rollback(session: nox.Session) -> None:
    """Return a channel to the release that it named before: -- stable."""
    sparkyard(session, "rollback")


@nox.session
def verify(session: nox.Session) -> None:
    """Check a release's signature, digests and SBOMs, byte by byte."""
    sparkyard(session, "verify")


@nox.session
def diff(session: nox.Session) -> None:
    """Say what changed between two releases: -- 1.3.0 1.4.0."""
    sparkyard(session, "diff")


@nox.session
def sbom(session: nox.Session) -> None:
    """Write what each image is made of, as SPDX and CycloneDX, and the share of files covered."""
    sparkyard(session, "sbom")


@nox.session
def keys(session: nox.Session) -> None:
    """Make the pair of keys that signs releases and verifies them."""
    sparkyard(session, "keys")


@nox.session
def reproduce(session: nox.Session) -> None:
    """Build the family twice without cache, and compare the images bit by bit."""
    sparkyard(session, "reproduce")


@nox.session
def chaos(session: nox.Session) -> None:
    """Kill releases at random points, and check that no reader ever sees a torn one."""
    sparkyard(session, "chaos")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the code, the scripts, the Dockerfiles and the generated files."""
    sparkyard(session, "lint")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure builds and images, or a Kubernetes, as ratios in one run; write bench/results/."""
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
