"""What files of tests share, each made once a session, when it is first used.

A Spark cluster of the executors image, object stores, and a notebook's run on them: a kernel, a JVM
and executors take longer to start than most jobs to run.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from sparkyard.plan.plan import Site
from tests import wheel
from tests.e2e import cluster as made
from tests.e2e import object_store
from tests.e2e.cluster import GS_PLACE, ROWS, S3, S3_PLACE, Cluster
from tests.notebook import Cell
from tests.support import Container, Lab


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
def gcs(lab: Lab, site: Site, network: str, executor_image: str) -> Iterator[tuple[Container, str]]:
    """An emulator of Google Cloud Storage without a bucket, and its URL."""
    with object_store.gcs(lab, site, executor_image, options=["--network", network]) as running:
        yield running


@pytest.fixture(scope="session")
def python_cells(
    cluster: Cluster, s3: S3, gcs: tuple[Container, str], number: int
) -> dict[str, Cell]:
    """The cells of the Python notebooks (files, then jobs), which ran in one kernel."""
    environment = {
        "TEST_NUMBER": str(number),
        "TEST_ROWS": str(ROWS),
        "TEST_S3_PLACE": S3_PLACE,
        "TEST_GS_PLACE": GS_PLACE,
        "TEST_WHEEL": wheel.write_in(cluster.driver, "sparkyard-test-own", "1.5"),
        **s3.credentials,
    }
    settings = {**object_store.s3_settings(s3), **object_store.gcs_settings(gcs[1])}
    return cluster.run_notebook(
        "python3",
        "s3a",
        "gcs",
        "hep",
        "interrupt_python",
        "python",
        settings=settings,
        environment=environment,
    )


@pytest.fixture(scope="session")
def number() -> int:
    """A number that notebooks compute with, so that no result can be known before."""
    return 2 + secrets.randbelow(90)
