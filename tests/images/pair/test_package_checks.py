"""Do the checks of Python packages (../python/test_environment.py) refuse what is wrong?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import uv

from tests.images.packages import UV, check_command, failing
from tests.support import Container, Lab


# That the checks refuse is a fact about the checks: one image shows it.
@pytest.mark.parametrize(
    ("name", "version", "why"),
    [
        ("sparkyard-absent", "1.0", "is not installed"),
        ("pandas", "0.1", "and 0.1 is locked"),
        ("numpy", "", "is locked"),
    ],
)
def test_the_import_test_refuses(
    containers: Callable[[str], Container], driver_image: str, name: str, version: str, why: str
) -> None:
    assert why in failing(containers(driver_image), {name: version})[name]


def test_the_import_test_refuses_a_broken_module(lab: Lab, driver_image: str) -> None:
    site = '"$(echo /opt/venv/lib/python3*/site-packages)"'
    breaking = (
        f"echo 'raise RuntimeError(42)' >{site}/pytz/__init__.py"
        # Compiled files are not checked against their sources: see images/python/Dockerfile.
        f" && rm -r {site}/pytz/__pycache__ && exec sleep infinity"
    )
    options = ["--user", "0"]
    with lab.container(
        driver_image, "sh", "-c", breaking, what="broken-module", options=options
    ) as broken:
        broken.wait_for(
            lambda: broken.exec("pgrep", "-x", "sleep", check=False).exit_code == 0, "edit"
        )
        version = broken.python("import importlib.metadata as m; print(m.version('pytz'))")
        assert failing(broken, {"pytz": version}) == {"pytz": "import pytz: RuntimeError: 42"}


def test_the_check_of_needs_refuses(lab: Lab, driver_image: str) -> None:
    mount = f"type=bind,src={uv.find_uv_bin()},dst={UV},readonly"
    line = "rm -r /opt/venv/lib/python3*/site-packages/numpy-*.dist-info && " + " ".join(
        check_command()
    )
    ended = lab.once(driver_image, "sh", "-c", line, options=["--user", "0", "--mount", mount])
    assert ended.exit_code != 0
    assert "numpy" in ended.stderr
