"""Is a group of jars with a class path of its own locked by Maven and built into its directory?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard.command import run
from tests.e2e.bad_input import IMAGE, Yard, make_yard

pytestmark = [pytest.mark.engine, pytest.mark.nightly]

DECLARATION = """
[classpaths.tiny]
directory = "/opt/tiny/jars"
[groups.tiny]
classpath = "tiny"
dependencies = [{ artifact = "com.google.code.gson:gson:2.10.1" }]
"""


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = make_yard(tmp_path / "yard")
    made.family("jars-tiny")
    yield made
    made.remove_images()


def test_a_class_path_of_its_own_is_locked_and_built_into_its_directory(yard: Yard) -> None:
    """Spark has gson in another version, and this one does not run with Spark."""
    (yard.stack / "jars.toml").write_text(DECLARATION)
    ended = yard.run("dependencies", "--only", "jars")
    assert ended.exit_code == 0, ended.stderr
    *_, line = (yard.stack / "jars/tiny.lock").read_text().splitlines()
    sha256, size, path = line.split()
    assert path == "com/google/code/gson/gson/2.10.1/gson-2.10.1.jar"
    ended = yard.run("build", "executors")
    assert ended.exit_code == 0, ended.stderr
    image = next(tag for tag in yard.tags() if IMAGE in tag)
    look = "cd /opt/tiny/jars && ls && stat --format=%s * && sha256sum *"
    shown = run(["docker", "run", "--rm", "--entrypoint=/bin/sh", image, "-c", look]).stdout.split()
    assert shown == ["gson-2.10.1.jar", size, sha256, "gson-2.10.1.jar"]
