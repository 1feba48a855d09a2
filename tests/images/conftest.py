"""Runs the tests in tests/images/X for X and for every published image that stands on X."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import testinfra
import uv
from testinfra.host import Host

from sparkyard.family import images
from sparkyard.family.images import Family
from sparkyard.plan.plan import Site
from tests.images.layers import Layers
from tests.support import Container, Lab

UV = "/run/sparkyard-test/uv"
"""Where the locked uv is in a container under test: images do not hold one."""


def descendants(family: Family, name: str) -> list[str]:
    """Return the published images whose chain of parents has the named image, itself included."""
    return [
        image.name
        for image in family.published
        if name in (above.name for above in family.chain(image.name))
    ]


def brings_packages(family: Family, name: str) -> bool:
    """Tell whether an image adds Python packages to its parent's, whose layers it has by digest."""
    layers = (taken.startswith(images.PYTHON) for taken in family[name].takes)
    return any(layers)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what is not for the image that was asked for."""
    only = config.getoption("image")
    if not only or collection_path.parent != Path(__file__).parent:
        return None
    family = images.load()
    chain = [above.name for above in family.chain(family.find(only).name)]
    return True if collection_path.name not in chain else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "image" not in metafunc.fixturenames:
        return
    family = images.load()
    of_directory = Path(metafunc.definition.path).parent.name
    names = descendants(family, of_directory)
    if metafunc.definition.get_closest_marker("this_image_only"):
        names = [name for name in names if name == of_directory]
    if metafunc.definition.get_closest_marker("once_a_set_of_packages"):
        names = [name for name in names if brings_packages(family, name)]
    if only := metafunc.config.getoption("image"):
        names = [name for name in names if name == family.find(only).name]
    metafunc.parametrize("image", names, indirect=True, scope="session")


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
    driver_image: str,
) -> Layers:
    """All layers of all published images, looked through once."""
    # What Debian and PyPI give to everybody is no secret of this site.
    public = containers(driver_image).exec(
        "sh", "-c", "cat /usr/share/ca-certificates/mozilla/* $(find /opt/venv -name cacert.pem)"
    )
    references = [reference(image.name) for image in site.family.published]
    return Layers.read(references, site.settings, public.stdout.encode())
