"""Are packages that are in no index in the images as they are locked: by path, by git, by url?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard.command import run
from sparkyard.errors import StaleLockError
from tests import source_package
from tests.e2e.bad_input import (
    IMAGE,
    Mirror,
    Yard,
    assert_clear,
    make_wheel,
    make_yard,
    mirror,
    mirrors,
)

pytestmark = pytest.mark.engine

LOOK = """
import json, {modules}
from importlib.metadata import version
found = [[m.__name__, getattr(m, "PLACE", "wheel"), version(m.__name__)] for m in ({modules})]
print(json.dumps(found))
"""


@pytest.fixture
def site() -> Iterator[Mirror]:
    with mirror() as served:
        yield served


@pytest.fixture
def yard(tmp_path: Path, site: Mirror) -> Iterator[Yard]:
    made = make_yard(tmp_path / "yard")
    made.settings = dict(mirrors(site.url))
    made.family("python-tiny")
    yield made
    made.remove_images()


def test_packages_of_no_index_are_in_the_image_as_they_are_locked(
    yard: Yard, site: Mirror, tmp_path: Path
) -> None:
    ours = source_package.write(yard.root / "libs/by_path", "ours")
    theirs = source_package.write(tmp_path / "by_git", "theirs")
    revision = source_package.commit(theirs)
    wheel = make_wheel()
    site.serve_wheel(wheel)
    (yard.stack / "pyproject.toml").write_text(
        '[project]\nname = "s"\nversion = "0"\nrequires-python = ">=3.11,<3.12"\n'
        "[tool.poetry]\npackage-mode = false\n[tool.poetry.group.tiny.dependencies]\n"
        'ours = {path = "../../libs/by_path", develop = true}\n'
        f'theirs = {{git = "file://{theirs}"}}\n'
        f'{wheel.name} = {{url = "{site.url}/files/{wheel.file}"}}\n'
    )
    (yard.stack / "poetry.lock").unlink()
    ended = yard.run("dependencies", "--only", "python")
    assert ended.exit_code == 0, ended.stderr
    locked = (yard.stack / "requirements/tiny.txt").read_text()
    assert f"theirs-{revision[:12]}.zip" in locked
    assert locked.count("--hash=sha256:") == 3

    ended = yard.run("build", "executors")
    assert ended.exit_code == 0, ended.stderr
    look = LOOK.format(modules=f"ours, theirs, {wheel.name}")
    image = f"{yard.namespace}/{IMAGE}:spark-3.5"
    said = run(["docker", "run", "--rm", "--entrypoint", "python", image, "-c", look]).stdout
    assert json.loads(said) == [
        ["ours", "by_path", "1.0"],
        ["theirs", "by_git", "1.0"],
        [wheel.name, "wheel", "1.0"],
    ]

    (ours / "ours.py").write_text("PLACE = 'changed'\n")
    ended = yard.run("build", "executors")
    assert_clear(ended, StaleLockError.exit_code, "by_path was changed after ours was last locked")
