"""Which images does the bench build only to compare with, and which S3 server does it write to?"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sparkyard import bake, paths
from sparkyard.command import run
from sparkyard.kubernetes_bench_place import PROGRAMS, Place, removed
from sparkyard.plan import Site

WITHOUT_PYC, CLASS_DATA = CHILDREN = ("without-pyc", "class-data")
"""The targets of bench/kubernetes/Dockerfile."""
BUCKET = "bench"
_SERVER = paths.ROOT / "tests" / "e2e" / "s3"
"""An S3 server whose build needs no registry, and the only one: the end-to-end tests' own."""
_BUILD_SECONDS = 900.0


@dataclass(frozen=True)
class S3:
    """A running S3 server with one empty bucket: Spark's settings, and a driver's variables."""

    conf: Mapping[str, str]
    environment: Mapping[str, str]


def child(site: Site, place: Place, target: str) -> str:
    """Build one of CHILDREN on the executors, and return its image.

    Raises:
        CommandFailedError: it could not be built.
    """
    return _build(site, place, PROGRAMS / "Dockerfile", target)


@contextlib.contextmanager
def s3(site: Site, place: Place) -> Iterator[S3]:
    """Give an S3 server on this machine, at the address that pods have for it.

    Raises:
        CommandFailedError: it could not be built or started.
    """
    with tempfile.TemporaryDirectory(prefix="sparkyard-bench-s3-") as directory:
        for file in ("Dockerfile", "go.mod", "go.sum"):  # the tests beside them change nothing
            shutil.copy(_SERVER / file, directory)
        image = _build(site, place, Path(directory) / "Dockerfile", "")
    access, secret = secrets.token_hex(10), secrets.token_urlsafe(30)
    with socket.create_server((place.address, 0)) as listener:
        port = listener.getsockname()[1]
    variables = {
        "ROOT_ACCESS_KEY": access,
        "ROOT_SECRET_KEY": secret,
        "VGW_PORT": f"{place.address}:{port}",
    }
    name = f"{place.namespace}-s3"
    argv = ["docker", "run", "--detach", "--rm", "--pull", "never", "--network", "host"]
    argv += ["--name", name, "--label", place.label]
    argv += [word for variable in variables for word in ("--env", variable)]
    with removed(name):
        run([*argv, image], env=variables)
        prefix = "spark.hadoop.fs.s3a."
        yield S3(
            {
                f"{prefix}endpoint": f"http://{place.address}:{port}",
                f"{prefix}path.style.access": "true",
                f"{prefix}connection.ssl.enabled": "false",
                # The server keeps objects as files: a marker stays while its directory is full.
                f"{prefix}directory.marker.retention": "keep",
            },
            {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret},
        )


def _build(site: Site, place: Place, dockerfile: Path, target: str) -> str:
    image = f"{place.namespace}/{target or 's3'}:bench"
    bake.write_mirrors(site.settings)
    argv = ["docker", "buildx", "build", "--quiet", "--provenance=false", "--load"]
    argv += ["--tag", image, "--label", place.label, "--file", str(dockerfile)]
    argv += ["--target", target] if target else []
    argv += ["--build-context", f"common={paths.IMAGES / 'common'}"]
    argv += ["--build-context", f"executors=docker-image://{place.executors}"]
    argv += ["--build-arg", f"SUITE={site.stack.debian}", "--build-arg", f"BUCKET={BUCKET}"]
    argv += [word for secret in bake.secrets(site.settings) for word in ("--secret", secret)]
    run([*argv, str(dockerfile.parent)], timeout=_BUILD_SECONDS)
    return image
