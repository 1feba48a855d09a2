"""Namespaces of a Kubernetes, and drivers inside and outside it; made when first used."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sparkyard.kubernetes import access
from sparkyard.plan.plan import Site
from tests.e2e.cluster import S3
from tests.kubernetes import driver, kube, storage
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Kube
from tests.support import Lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a cluster where there is none, and say why."""
    if reason := kube.absent():
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def admin() -> Kube:
    """The cluster, as whoever owns the kubeconfig sees it."""
    return Kube(os.environ["KUBECONFIG"])


@pytest.fixture(scope="session")
def new_namespace(admin: Kube, lab: Lab) -> Iterator[Callable[[str], Kube]]:
    """Makes namespaces with the service accounts and rights of deploy/kubernetes."""
    with ExitStack() as stack:

        def make(what: str) -> Kube:
            name = f"{lab.name(what)}-{secrets.token_hex(2)}"
            made = stack.enter_context(kube.namespace(admin, name, lab.label))
            made.apply(*access.rights(name))
            return made

        yield make


@pytest.fixture(scope="module")
def spark(new_namespace: Callable[[str], Kube], request: pytest.FixtureRequest) -> Kube:
    """A namespace for the tests of one file."""
    return new_namespace(request.path.stem.removeprefix("test_").replace("_", "-"))


@pytest.fixture(scope="module")
def outside(
    spark: Kube,
    lab: Lab,
    driver_image: str,
    executor_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Notebook]:
    """A notebook's container beside the cluster, with a service account's token."""
    directory = tmp_path_factory.mktemp("outside")
    with driver.outside(lab, spark, driver_image, executor_image, directory) as made:
        yield made


@pytest.fixture(scope="module")
def another(
    new_namespace: Callable[[str], Kube],
    lab: Lab,
    driver_image: str,
    executor_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], Notebook]]:
    """Gives further containers beside the cluster, each with a namespace of its own."""
    with ExitStack() as stack:

        def make(what: str) -> Notebook:
            kube, directory = new_namespace(what), tmp_path_factory.mktemp(what)
            return stack.enter_context(
                driver.outside(lab, kube, driver_image, executor_image, directory)
            )

        yield make


@pytest.fixture(scope="module")
def inside(spark: Kube, driver_image: str, executor_image: str) -> Iterator[Notebook]:
    """A notebook's pod in the cluster."""
    with driver.inside(spark, driver_image, executor_image) as made:
        yield made


@pytest.fixture(scope="session")
def s3(lab: Lab, site: Site, admin: Kube, executor_image: str) -> Iterator[S3]:
    """An S3 server beside the cluster, with one bucket."""
    with storage.s3_beside(lab, site, admin, executor_image) as running:
        yield running


@pytest.fixture(scope="session")
def number() -> int:
    """A number that notebooks compute with, so that no result can be known before."""
    return 2 + secrets.randbelow(90)
