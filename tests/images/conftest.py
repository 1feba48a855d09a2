"""Runs the tests in tests/images/X for X and for every published image that stands on X."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
import testinfra
import uv
from testinfra.host import Host

from sparkyard.family import images
from sparkyard.family.images import Family
from sparkyard.plan import plan
from sparkyard.plan.plan import Site
from tests.images.layers import Layers
from tests.images.packages import UV
from tests.support import Container, Lab


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


@cache
def _family_of(stack: str) -> Family:
    return plan.site(stack).family


def _family(config: pytest.Config) -> Family:
    return _family_of(config.getoption("stack"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what is not for the image that was asked for."""
    if collection_path.parent != Path(__file__).parent:
        return None
    only = config.getoption("image")
    family = _family(config)
    if not only and family.pairs:
        elsewhere = [image.name for image in family.elsewhere]
        return True if collection_path.name in elsewhere else None
    names = [family.find(only).name] if only else [image.name for image in family.published]
    chain = {above.name for name in names for above in family.chain(name)}
    return True if collection_path.name not in chain else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "image" not in metafunc.fixturenames:
        return
    family = _family(metafunc.config)
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
) -> Layers:
    """All layers of all published images, looked through once."""
    references = [reference(image.name) for image in site.family.published]
    # What Debian and PyPI give to everybody is no secret of this site.
    public = containers(references[-1]).exec(
        "sh", "-c", "cat /usr/share/ca-certificates/mozilla/* $(find /opt -name cacert.pem)"
    )
    return Layers.read(references, site.settings, public.stdout.encode())
