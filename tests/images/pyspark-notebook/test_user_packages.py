"""Can a user install a package, and is none of the image's replaced by it?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import wheel
from tests.support import Container

OWN = "sparkyard-test-own"

pytestmark = pytest.mark.where_added


@pytest.fixture(scope="module")
def wheels(container: Container) -> Iterator[dict[str, str]]:
    """Wheels in the container, by name: a package of the user's own, and another numpy."""
    versions = {OWN: "1.5", "numpy": "99.0"}
    yield {name: wheel.write_in(container, name, version) for name, version in versions.items()}
    container.exec("rm", "-rf", "/home/jovyan/.local", "/home/jovyan/.cache")


@pytest.fixture(scope="module")
def installed(container: Container, wheels: dict[str, str]) -> str:
    """What pip says of an installation by the image's user."""
    return container.exec("pip", "install", "--no-index", wheels[OWN]).stdout


def test_an_installed_package_is_in_the_home(container: Container, installed: str) -> None:
    assert f"Successfully installed {OWN}-1.5" in installed
    where = container.python("import sparkyard_test_own as own; print(own.__file__, own.answer())")
    assert where.startswith("/home/jovyan/.local/lib/python")
    assert where.endswith(f"/__init__.py {OWN} 1.5")


@pytest.mark.usefixtures("installed")
def test_its_command_is_on_the_path(container: Container) -> None:
    assert container.exec(f"{OWN}-answer").stdout == f"{OWN} 1.5\n"


@pytest.mark.usefixtures("installed")
def test_pip_lists_it_and_removes_it(container: Container, wheels: dict[str, str]) -> None:
    listed = container.exec("pip", "list", "--user").stdout
    assert OWN in listed
    assert "pyspark" not in listed
    container.exec("pip", "uninstall", "--yes", OWN)
    container.exec("pip", "install", "--user", "--no-index", wheels[OWN])
    assert OWN in container.exec("pip", "list", "--user").stdout


def test_a_package_of_the_image_is_not_replaced(
    container: Container, wheels: dict[str, str]
) -> None:
    refused = container.exec("pip", "install", "--no-index", wheels["numpy"], check=False)
    assert refused.exit_code == 1
    assert "lack sys.path precedence to numpy" in refused.stderr
    assert container.python("import numpy; print(numpy.__version__)") != "99.0"


def test_any_user_installs_into_a_home_of_their_own(
    container: Container, wheels: dict[str, str]
) -> None:
    home = {"HOME": "/tmp/any-home"}  # noqa: S108
    install = ("pip", "install", "--no-index", wheels[OWN])
    container.exec(*install, user="54321", environment=home)
    ask = "import sparkyard_test_own as own; print(own.__file__)"
    ran = container.python(ask, user="54321", environment=home)
    assert ran.startswith("/tmp/any-home/.local/")  # noqa: S108


def test_a_users_own_virtual_environment_has_its_own_packages(
    container: Container, wheels: dict[str, str]
) -> None:
    place = container.exec("mktemp", "-d").stdout.strip()
    container.exec("python", "-m", "venv", "--without-pip", place)
    container.exec(
        "pip", "--python", f"{place}/bin/python", "install", "--no-index", wheels["numpy"]
    )
    told = container.exec(f"{place}/bin/python", "-c", "import numpy; print(numpy.answer())")
    assert told.stdout == "numpy 99.0\n"


def test_a_module_that_shadows_one_of_the_image_is_named_before_it_does_harm(
    container: Container,
) -> None:
    command = (
        "mkdir -p /tmp/shadow/numpy && touch /tmp/shadow/numpy/__init__.py"
        " && PYTHONPATH=/tmp/shadow python -c 'import pyspark' && python -c 'import pyspark'"
    )
    ended = container.exec("sh", "-c", command)
    container.exec("rm", "-r", "/tmp/shadow")  # noqa: S108 - in the container
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith(
        "Python takes numpy from /tmp/shadow, in the place of the image's"
    )
