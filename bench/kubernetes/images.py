"""Which images does the bench build only to compare with, and which S3 server does it write to?"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.kubernetes.namespace import Namespace, removed
from bench.s3 import server as s3_server
from bench.s3.server import Recipe
from sparkyard.command import run
from sparkyard.plan.plan import Site

WITHOUT_PYC, CLASS_DATA = CHILDREN = ("without-pyc", "class-data")
"""The targets of bench/kubernetes/Dockerfile."""
BUCKET = "bench"


@dataclass(frozen=True)
class S3:
    """A running S3 server with one empty bucket: Spark's settings, and a driver's variables."""

    conf: Mapping[str, str]
    environment: Mapping[str, str]


def child(site: Site, namespace: Namespace, target: str) -> str:
    """Build one of CHILDREN on the executors, and return its image.

    Raises:
        CommandFailedError: it could not be built.
    """
    image = _image(namespace, target)
    s3_server.build(
        site, namespace.executors, Recipe(Path(__file__).parent, target), image, namespace.label
    )
    return image


@contextlib.contextmanager
def s3(site: Site, namespace: Namespace) -> Iterator[S3]:
    """Give an S3 server on this machine, at the address that pods have for it.

    Raises:
        CommandFailedError: it could not be built or started.
    """
    image = _image(namespace, "s3")
    s3_server.build(site, namespace.executors, s3_server.recipe(BUCKET), image, namespace.label)
    access, secret = secrets.token_hex(10), secrets.token_urlsafe(30)
    with socket.create_server((namespace.address, 0)) as listener:
        listens = f"{namespace.address}:{listener.getsockname()[1]}"
    variables = s3_server.variables(access, secret, listens)
    name = f"{namespace.name}-s3"
    argv = ["docker", "run", "--detach", "--rm", "--pull", "never", "--network", "host"]
    argv += ["--name", name, "--label", namespace.label]
    argv += [word for variable in variables for word in ("--env", variable)]
    with removed(name):
        run([*argv, image], env=variables)
        yield S3(
            s3_server.settings(f"http://{listens}"),
            {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret},
        )


def _image(namespace: Namespace, what: str) -> str:
    return f"{namespace.name}/{what}:bench"
