"""Runs the tests in tests/images/X for every published image that has X: see capabilities.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import testinfra
import uv
from testinfra.host import Host

from sparkyard.errors import UnknownNameError
from sparkyard.family import capabilities
from sparkyard.plan.plan import Site
from tests import stacks
from tests.images.layers import Layers
from tests.images.packages import UV
from tests.support import Container, Lab


def _under_test(config: pytest.Config, capability: str) -> list[tuple[Site, list[str]]]:
    """Return the images under test that have the capability a directory is named after, by site."""
    only = config.getoption("image")
    tested = []
    for site in stacks.chosen(config):
        try:
            having = capabilities.having(site.family, capability)
        except UnknownNameError as error:
            said = f"tests/images/{capability}: {error} {error.remedy}"
            raise pytest.Collector.CollectError(said) from None
        if names := [name for name in having if only in ("", name)]:
            tested.append((site, names))
    return tested


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the tests of capabilities that no image under test has."""
    if collection_path.parent != Path(__file__).parent or not collection_path.is_dir():
        return None
    name = collection_path.name
    return None if name.startswith("_") or _under_test(config, name) else True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    capability = metafunc.definition.path.parent.name
    tested = _under_test(metafunc.config, capability)
    if "image" not in metafunc.fixturenames:
        if "stack_name" in metafunc.fixturenames:
            stacks.parametrize(metafunc, [site for site, _ in tested])
        return
    added = metafunc.definition.get_closest_marker("where_added")
    parameters = [
        pytest.param(site.project.name, name, id=site.with_stack(name))
        for site, names in tested
        for name in names
        if not added or capability in capabilities.added(site.family, name)
    ]
    metafunc.parametrize(("stack_name", "image"), parameters, indirect=True, scope="session")


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> str:
    """The name in images.toml of the image under test."""
    return str(request.param)


@pytest.fixture(scope="session")
def image_reference(image: str, reference: Callable[[str], str]) -> str:
    """The reference of the image under test."""
    return reference(image)


@pytest.fixture(scope="session")
def containers(lab: Lab) -> Iterator[Callable[[str], Container]]:
    """Gives an idle container of an image by its reference: one an image, kept for the session."""
    started: dict[str, Container] = {}
    with ExitStack() as stack:

        def start(of_image: str) -> Container:
            if of_image not in started:
                what = of_image.rpartition("/")[2].replace(":", "-")
                mount = f"type=bind,src={uv.find_uv_bin()},dst={UV},readonly"
                started[of_image] = stack.enter_context(
                    lab.container(
                        of_image, "sleep", "infinity", what=what, options=["--mount", mount]
                    )
                )
            return started[of_image]

        yield start


@pytest.fixture(scope="session")
def container(image_reference: str, containers: Callable[[str], Container]) -> Container:
    """The container of the image under test."""
    return containers(image_reference)


@pytest.fixture(scope="session")
def host(container: Container) -> Host:
    """Testinfra's view of the container, as the user of the image."""
    return testinfra.get_host(f"docker://{container.id}")


@pytest.fixture(scope="session")
def root_host(container: Container) -> Host:
    """Testinfra's view of the container, as root: for files that only root can read."""
    return testinfra.get_host(f"docker://root@{container.id}")


@pytest.fixture(scope="session")
def layers(
    site: Site,
    reference: Callable[[str], str],
    containers: Callable[[str], Container],
) -> Layers:
    """All layers of all published images, looked through once."""
    references = [reference(image.name) for image in site.family.published]
    # What Debian and PyPI give to everybody is no secret of this site.
    public = containers(references[-1]).exec(
        "sh", "-c", "cat /usr/share/ca-certificates/mozilla/* $(find /opt -name cacert.pem)"
    )
    return Layers.read(references, site.settings, public.stdout.encode())
