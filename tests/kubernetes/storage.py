"""How do tests get an S3 server that a driver beside the cluster and its executors reach?"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from bench.s3 import server as s3_server
from sparkyard.kubernetes.access import address_towards
from sparkyard.plan.plan import Site
from tests.e2e import object_store
from tests.e2e.cluster import S3
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Kube
from tests.support import Lab, must


@contextmanager
def s3_beside(lab: Lab, site: Site, kube: Kube, executor_image: str) -> Iterator[S3]:
    """Give an S3 server at the address that a notebook beside the cluster has for executors."""
    address = address_towards(kube.server)
    with (
        object_store.server_image(lab, site, executor_image, "s3") as image,
        object_store.s3(
            lab, image,
            what=f"s3-{kube.namespace[-4:]}", options=["--network", "host"],
            address=address, port=free_port(address),
        ) as running,
    ):  # fmt: skip
        yield running


def settings(s3: S3) -> dict[str, str]:
    """Return what a site says of its S3 server; how it is written to is the image's own."""
    prefix = "spark.hadoop.fs.s3a."
    return {
        **s3_server.settings(s3.endpoint),
        # A server that is gone is given up on in seconds.
        f"{prefix}retry.limit": "1",
        f"{prefix}attempts.maximum": "1",
        f"{prefix}connection.establish.timeout": "2000",
        "spark.task.maxFailures": "1",
    }


def core_site(s3: S3) -> str:
    """Return the core-site.xml that says the same, and the credentials."""
    prefix = "spark.hadoop."
    hadoop = {n.removeprefix(prefix): v for n, v in settings(s3).items() if n.startswith(prefix)}
    return object_store.core_site(s3, hadoop)


PUT = """
import os
import sys
from pyarrow import fs

store = fs.S3FileSystem(
    access_key=os.environ["AWS_ACCESS_KEY_ID"], secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    endpoint_override=sys.argv[1], region="us-east-1", allow_bucket_creation=True,
)
store.create_dir(os.path.dirname(sys.argv[2]), recursive=True)
with store.open_output_stream(sys.argv[2]) as stream:
    stream.write(sys.argv[3].encode())
"""


def put(notebook: Notebook, s3: S3, name: str, content: str) -> None:
    """Store an object as its users do; its bucket and directory are made where there are none."""
    argv = ["python", "-c", PUT, s3.endpoint, name, content]
    must(notebook.place.exec(*argv, environment=s3.credentials, check=False))


def free_port(address: str) -> int:
    """Return a port that nobody listens on."""
    with socket.create_server((address, 0)) as listener:
        return int(listener.getsockname()[1])
