"""A Spark cluster of the executors image, for the session; nothing is started before it is used."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from sparkyard.plan.plan import Site
from tests.e2e import cluster as made
from tests.e2e import object_store
from tests.e2e.cluster import S3, Cluster
from tests.support import Lab


@pytest.fixture(scope="session")
def network(lab: Lab) -> Iterator[str]:
    """A network of the run's own."""
    with lab.network() as name:
        yield name


@pytest.fixture(scope="session")
def cluster(lab: Lab, network: str, driver_image: str, executor_image: str) -> Iterator[Cluster]:
    """One master, two workers, and a driver's container."""
    with made.cluster(lab, network, driver_image, executor_image) as running:
        yield running


@pytest.fixture(scope="session")
def s3(lab: Lab, site: Site, network: str, executor_image: str) -> Iterator[S3]:
    """An S3 server with one bucket."""
    with (
        object_store.server_image(lab, site, executor_image, "s3") as image,
        object_store.s3(lab, image, what="s3-server", options=["--network", network]) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def number() -> int:
    """A number that notebooks compute with, so that no result can be known before."""
    return 2 + secrets.randbelow(90)
