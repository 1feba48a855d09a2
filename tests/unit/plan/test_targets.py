"""Is each target given what it needs, and does it change with that and nothing else?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.errors import StaleLockError, UnknownNameError
from sparkyard.family.projects import Project
from sparkyard.fetch import debs
from sparkyard.locks import apt_lock
from sparkyard.plan import inputs
from sparkyard.plan.base_image import BaseImage
from sparkyard.plan.targets import Targets
from sparkyard.settings import Settings
from tests.unit.small_family import BASE, DATES, STACK, deb, family, make, targets

NAMES = ("debian", "environment", "python-one", "python-two", "jars-extra", "notebook", "executors")
ON_BASE = {"environment", "python-one", "python-two", "jars-extra", "notebook", "executors"}


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make(tmp_path, monkeypatch)
    return tmp_path


def fingerprints() -> dict[str, str]:
    made = targets()
    return {name: inputs.fingerprint(made.inputs(name)) for name in NAMES}


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("images/environment/Dockerfile", ON_BASE),
        ("images/environment/entrypoint", ON_BASE),
        ("images/common/apt-install", ON_BASE),
        ("images/notebook/Dockerfile", {"notebook"}),
        ("images/executors/Dockerfile", {"executors"}),
        ("images/executors/new-file", {"executors"}),
        ("conf/spark/spark-defaults.conf", {"notebook"}),
        ("images/python/Dockerfile", {"python-one", "python-two", "notebook", "executors"}),
        ("package-dependencies/s/requirements/one.txt", {"python-one", "notebook", "executors"}),
        ("package-dependencies/s/requirements/two.txt", {"python-two", "notebook"}),
        ("images/jars/fetch.py", {"jars-extra", "notebook", "executors"}),
        ("package-dependencies/s/jars/extra.lock", {"jars-extra", "notebook", "executors"}),
        ("package-dependencies/s/apt/other.txt", set()),
        ("package-dependencies/s/pyproject.toml", set()),
        ("package-dependencies/s/poetry.lock", set()),
        ("README.md", set()),
    ],
)
def test_a_file_changes_what_reads_it_and_nothing_else(
    root: Path, file: str, changed: set[str]
) -> None:
    before = fingerprints()
    with (root / file).open("a") as opened:
        opened.write("# changed\n")
    now = fingerprints()
    assert {name for name in NAMES if now[name] != before[name]} == changed


def test_an_argument_changes_what_declares_it_and_what_stands_on_that() -> None:
    one, two = targets("x:1"), targets("x:2")
    changed = {name for name in NAMES if one.inputs(name) != two.inputs(name)}
    assert changed == {"notebook"}


def test_the_base_changes_everything_and_where_it_lies_nothing() -> None:
    other = targets(base=BaseImage("target:debian", "another", BASE.rootfs))
    moved = targets(base=BaseImage("docker-image://x", BASE.identity))
    assert all(other.inputs(name) != targets().inputs(name) for name in NAMES)
    assert all(moved.inputs(name) == targets().inputs(name) for name in NAMES)


def test_inputs_name_files_by_their_path_in_the_checkout() -> None:
    found = targets().inputs("notebook")
    assert "images/notebook/Dockerfile" in found
    assert "package-dependencies/s/requirements/two.txt" in found
    assert found["EXECUTORS_IMAGE"] == "family/executors:s-1"
    assert found["debian"] == BASE.identity
    assert not [name for name in found if name.startswith("/")]


def test_what_is_needed_comes_first() -> None:
    order = [target.name for target in targets().closure(("notebook", "executors"))]
    assert sorted(order) == sorted(NAMES)
    for target in targets().closure(("notebook",)):
        assert all(order.index(needed) < order.index(target.name) for needed in target.needs)


def test_only_what_is_needed_is_made() -> None:
    names = {target.name for target in targets().closure(("executors",))}
    assert names == {"debian", "environment", "python-one", "jars-extra", "executors"}


def test_a_layer_has_its_lock_its_group_and_the_base() -> None:
    layer = targets()["python-two"]
    assert (layer.needs, layer.arguments) == (("environment",), {"GROUP": "two"})
    assert layer.contexts["requirements"] == STACK.dependencies / "requirements"
    assert targets()["jars-extra"].contexts["locks"] == STACK.dependencies / "jars"


def test_a_layer_of_jars_goes_to_its_class_path_and_changes_with_that(root: Path) -> None:
    with (root / "images/jars/Dockerfile").open("a") as dockerfile:
        dockerfile.write("ARG JARS_DIRECTORY\n")
    declaration = STACK.dependencies / "jars.toml"
    plain, groups = fingerprints(), declaration.read_text()
    assert targets()["jars-extra"].arguments["JARS_DIRECTORY"].endswith("/pyspark/jars")
    seen = []
    for directory in ("/opt/it/jars", "/opt/elsewhere"):
        declaration.write_text(
            f'[classpaths.it]\ndirectory = "{directory}"\n{groups}classpath = "it"\n'
        )
        assert targets()["jars-extra"].arguments["JARS_DIRECTORY"] == directory
        seen.append(fingerprints())
    for before, now in ((plain, seen[0]), tuple(seen)):
        changed = {name for name in NAMES if now[name] != before[name]}
        assert changed == {"jars-extra", "notebook", "executors"}


def test_an_image_has_its_contexts_and_only_its_own_arguments(root: Path) -> None:
    image = targets()["notebook"]
    assert image.needs == ("environment", "python-one", "python-two", "jars-extra")
    assert image.contexts == {"spark": root / "conf/spark"}
    assert image.arguments == {"EXECUTORS_IMAGE": "family/executors:s-1"}
    assert targets()["environment"].arguments == {"SUITES": "trixie,bookworm,sid", "PYTHON": "3.11"}
    assert {"uv", "packages"} < targets()["environment"].contexts.keys()


@pytest.mark.parametrize(
    ("name", "meant"),
    [("python-onne", "python-one"), ("jars-extras", "jars-extra"), ("notebok", "notebook")],
)
def test_an_unknown_target(name: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=name) as refusal:
        targets()[name]
    assert meant in refusal.value.remedy


def test_debian_packages_are_a_layer_each(root: Path) -> None:
    lists = root / "package-dependencies/s/apt"
    (lists / "r.txt").write_text("r-base-core\n")
    apt_lock.write(STACK, "r", [deb("r-base-core")], datetime(2026, 2, 1, tzinfo=UTC))
    layer = targets()["apt-r"]
    assert layer.contexts == {
        "packages": lists, "common": paths.IMAGES / "common", "debs": debs.place(STACK, "r")
    }  # fmt: skip
    with pytest.raises(UnknownNameError):
        targets()["apt-x"]


def test_the_base_has_its_own_list_of_debian_packages_and_no_other(root: Path) -> None:
    apt = root / "package-dependencies/s/apt"
    (apt / "r.txt").write_text("r-base-core\n")
    found = targets().inputs("environment")
    assert {name for name in found if "/apt/" in name} == {
        "package-dependencies/s/apt/base.txt",
        f"package-dependencies/s/apt/base.{apt_lock.architecture()}.lock",
    }
    with pytest.raises(UnknownNameError):
        targets()["apt-base"]


def test_the_operating_system_has_the_packages_of_its_own_project(root: Path) -> None:
    """And a stack's packages come on top of them: its lock is of no use under another system."""
    apt = root / "package-dependencies/os/apt"
    apt.mkdir(parents=True)
    (apt / "base.txt").write_text("tini\n")
    (apt.parent / "project.toml").write_text('summary = "x"\ndebian = "trixie"\n')
    (root / "images/os").mkdir()
    (root / "images/os/Dockerfile").write_text("FROM debian\nRUN --mount=from=packages true\n")
    with (root / "images/images.toml").open("a") as file:
        file.write('[images.os]\nsummary = "x"\nproject = "os"\n')
    system = Project("os", "x", "trixie")
    above = replace(STACK, on=system)
    for project, name in ((system, "debian"), (system, "base"), (above, "base")):
        apt_lock.write(project, name, [deb("tini")], DATES[name])
    made = Targets(family(), above, BASE, {})
    assert made["os"].contexts["packages"] == apt
    assert made["os"].epoch == int(DATES["base"].timestamp())
    assert made["environment"].contexts["packages"] == STACK.dependencies / "apt"
    (apt / "base.txt").write_text("tini\nprocps\n")
    with pytest.raises(StaleLockError, match=r"s/apt/base.*older than what it locks"):
        apt_lock.locked(above, "base")


def test_a_targets_time_is_the_newest_lock_of_debian_packages_in_it(root: Path) -> None:
    """And no other's: locking R anew must not make the executors another image."""
    newer = datetime(2026, 2, 1, tzinfo=UTC)
    (root / "package-dependencies/s/apt/r.txt").write_text("r-base-core\n")
    apt_lock.write(STACK, "r", [deb("r-base-core")], newer)
    made = targets()
    assert made["debian"].epoch == int(DATES["debian"].timestamp())
    for name in ("environment", "python-one", "jars-extra", "notebook", "executors"):
        assert made[name].epoch == int(DATES["base"].timestamp())
    assert made["apt-r"].epoch == int(newer.timestamp())


@pytest.mark.usefixtures("root")
def test_settings_that_change_what_comes_out_change_fingerprints() -> None:
    before, after = (
        Targets(family(), STACK, BASE, {"EXECUTORS_IMAGE": ""}, settings)
        for settings in (Settings(), Settings(compression="gzip"))
    )
    assert before.inputs("environment") != after.inputs("environment")
