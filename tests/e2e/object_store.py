"""How do tests get an object store: a real S3 server, or an emulator of Google Cloud Storage?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

from bench.s3 import server as s3_server
from bench.s3.server import Recipe
from sparkyard.command import run
from sparkyard.plan.plan import Site
from tests.e2e.cluster import BUCKET, S3
from tests.support import Container, Lab

RECIPES = {"s3": s3_server.recipe(BUCKET), "gcs": Recipe(Path(__file__).parent / "gcs")}
"""How the servers are built."""


@contextmanager
def server_image(lab: Lab, site: Site, executor_image: str, name: str) -> Iterator[str]:
    """Give the image of one of RECIPES; what is left is the engine's build cache."""
    image = lab.name(name)
    s3_server.build(site, executor_image, RECIPES[name], image, lab.label)
    try:
        yield image
    finally:
        if not lab.keep:
            run(["docker", "image", "rm", "--force", image], check=False)


@contextmanager
def s3(
    lab: Lab, image: str, *, what: str, options: Sequence[str], address: str = "", port: int = 7070
) -> Iterator[S3]:
    """Give an S3 server with one empty bucket, and credentials that only this run has.

    Args:
        options: words for `docker run`: the network it is on.
        address: what clients call it; the container's name without it.
    """
    access, secret = secrets.token_hex(10), secrets.token_urlsafe(30)
    variables = s3_server.variables(access, secret, f"{address}:{port}")
    with lab.container(image, what=what, options=options, environment=variables) as server:
        credentials = {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
        yield S3(server, f"http://{address or server.name}:{port}", credentials)


def s3_settings(s3: S3, prefix: str = "spark.hadoop.fs.s3a.") -> dict[str, str]:
    """Return the Spark configuration with which a site names its S3 server; it gives up soon."""
    return {
        **s3_server.settings(s3.endpoint, prefix),
        f"{prefix}retry.limit": "2",
        f"{prefix}attempts.maximum": "2",
    }


def core_site(s3: S3, properties: Mapping[str, str]) -> str:
    """Return a core-site.xml of some properties and of the server's credentials."""
    keys = ("fs.s3a.access.key", "fs.s3a.secret.key")
    given = {**properties, **dict(zip(keys, s3.credentials.values(), strict=True))}
    lines = [
        f"<property><name>{name}</name><value>{escape(value)}</value></property>"
        for name, value in given.items()
    ]
    return f"<configuration>{''.join(lines)}</configuration>"


@contextmanager
def gcs(
    lab: Lab,
    site: Site,
    executor_image: str,
    *,
    options: Sequence[str],
    address: str = "",
    port: int = 4443,
) -> Iterator[tuple[Container, str]]:
    """Give an emulator of Google Cloud Storage without a bucket, and its URL.

    Args:
        options: words for `docker run`: the network it is on.
        address: what clients call it; the container's name without it.
    """
    with ExitStack() as stack:
        image = stack.enter_context(server_image(lab, site, executor_image, "gcs"))
        host = f"{address or lab.name('gcs-server')}:{port}"
        flags = ["-external-url", f"http://{host}", "-public-host", host, "-port", str(port)]
        if address:
            flags += ["-host", address]  # else on all, which is its container's own
        container = lab.container(image, *flags, what="gcs-server", options=options)
        yield stack.enter_context(container), f"http://{host}/"


def gcs_settings(url: str) -> dict[str, str]:
    """Return what Spark is told of the emulator, which asks for no credentials."""
    prefix = "spark.hadoop.fs.gs."
    return {
        f"{prefix}storage.root.url": url,
        f"{prefix}auth.service.account.enable": "false",
        f"{prefix}auth.null.enable": "true",
        f"{prefix}project.id": "sparkyard-test",
        f"{prefix}http.max.retry": "2",
    }
