"""Does `nox -s reproduce` pass what is the same twice, and refuse what is not, by path?"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard.command import run
from tests.e2e.bad_input import IMAGE, Yard, make_yard

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="starts an engine"),
]

BASE = """FROM debian
ARG SOURCE_DATE_EPOCH
RUN --mount=type=bind,from=common,target=/common --network=none \\
    mkdir /opt/made && touch /opt/made/file && /common/settle /opt
"""
STAMP = "RUN --network=none date +%s%N >/opt/stamp\n"


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = make_yard(tmp_path / "yard")
    yield made
    assert made.tags() == set()
    made.remove_images()


def test_a_step_that_writes_the_time_is_refused_by_its_file(yard: Yard, tmp_path: Path) -> None:
    yard.family(base=BASE, dockerfile=STAMP)
    ended = yard.run("reproduce", "--json", "--data", str(tmp_path / "data"))
    assert ended.exit_code == 78, ended.stderr[-4000:]
    assert "Traceback" not in ended.stderr
    assert f"1 of 1 images came out otherwise the second time: {IMAGE}." in ended.stderr
    assert "/opt/stamp: mtime, content" in ended.stderr
    (image,) = json.loads(ended.stdout)["images"]
    # Debian itself and the base's own step are the same: it is the image's last layer alone.
    (layer,) = image["layers"]
    assert layer["created_by"].startswith("RUN /bin/sh -c date +%s%N")
    assert {"/opt/stamp", "/opt"} == {file["path"] for file in layer["files"]}
    assert nothing_is_left(tmp_path / "data")


def nothing_is_left(data: Path) -> bool:
    """Tell whether neither images, nor data, nor a network of the second engine are left."""
    images = run(["docker", "image", "ls", "--format", "{{.Repository}}"]).stdout
    bridges = run(["ip", "-brief", "link", "show", "type", "bridge"]).stdout
    return not list(data.iterdir()) and "sparkyard-reproduce" not in images and "spk" not in bridges
