"""How do the bench and the tests get an S3 server? One that is built here, without a registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sparkyard import paths
from sparkyard.builds import bake
from sparkyard.command import run
from sparkyard.plan.plan import Site

SOURCE = Path(__file__).parent
"""Its Dockerfile, and its Go module."""

_BUILD_SECONDS = 900.0
"""For a machine that has to fetch and compile every module."""


@dataclass(frozen=True)
class Recipe:
    """What is built on the executors' image: its Dockerfile begins with `FROM executors`.

    Attributes:
        directory: where its Dockerfile is.
        target: a stage of it; its last one when empty.
        arguments: of the build, besides SUITE, which is the stack's Debian.
    """

    directory: Path
    target: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)


def recipe(bucket: str) -> Recipe:
    """Return how the server is built, with one bucket."""
    return Recipe(SOURCE, arguments={"BUCKET": bucket})


def build(site: Site, executors: str, what: Recipe, image: str, label: str) -> None:
    """Build an image; the engine's build cache is all that it leaves besides.

    Args:
        site: whose mirrors and CA bundle the build gets.
        executors: the executors' image.
        what: the recipe.
        image: the name of what is built.
        label: NAME=VALUE, borne by it.

    Raises:
        CommandFailedError: it could not be built, or took longer than a quarter of an hour.
    """
    bake.write_mirrors(site.settings)
    argv = ["docker", "buildx", "build", "--provenance=false", "--load"]
    argv += ["--tag", image, "--label", label]
    argv += ["--target", what.target] if what.target else []
    argv += ["--build-context", f"common={paths.IMAGES / 'common'}"]
    argv += ["--build-context", f"executors=docker-image://{executors}"]
    for name, value in {"SUITE": site.project.debian, **what.arguments}.items():
        argv += ["--build-arg", f"{name}={value}"]
    for secret in bake.secrets(site.settings):
        argv += ["--secret", secret]
    run([*argv, str(what.directory)], timeout=_BUILD_SECONDS)


def variables(access: str, secret: str, listens: str) -> dict[str, str]:
    """Return the variables of its container.

    Args:
        access: the only name that it takes.
        secret: what belongs to it.
        listens: ADDRESS:PORT, or :PORT for all addresses.
    """
    # Its flags come before the name of the backend, which the image's entrypoint has.
    return {"ROOT_ACCESS_KEY": access, "ROOT_SECRET_KEY": secret, "VGW_PORT": listens}


def settings(endpoint: str, prefix: str = "spark.hadoop.fs.s3a.") -> dict[str, str]:
    """Return what Spark is told of such a server, but for the credentials.

    Args:
        endpoint: its URL.
        prefix: of the names; `fs.s3a.` is Hadoop's own.
    """
    return {
        f"{prefix}endpoint": endpoint,
        # The server's own. AWS's SDK 2 signs for another one where it is not told.
        f"{prefix}endpoint.region": "us-east-1",
        f"{prefix}path.style.access": "true",
        f"{prefix}connection.ssl.enabled": "false",
        # The server keeps objects as files: it cannot delete a marker while its directory is full.
        f"{prefix}directory.marker.retention": "keep",
    }
