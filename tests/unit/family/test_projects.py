"""Is a project that no stack owns read, and refused where it cannot be told from another?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.errors import MalformedFileError, SparkyardError, StaleLockError, UnknownNameError
from sparkyard.family import images, projects
from sparkyard.locks import current
from sparkyard.plan import plan

SYSTEM = 'summary = "x"\ndebian = "trixie"\n'
HUB = """
summary = "a hub"
prefix = "/opt/hub"
[python]
minor = "3.13"
package = "python3.13"
suite = "sid"
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "DEPENDENCIES", tmp_path)
    write(tmp_path, "os", SYSTEM)
    write(tmp_path, "hub", HUB)
    return tmp_path


def write(directory: Path, name: str, text: str) -> None:
    (directory / name).mkdir()
    (directory / name / "project.toml").write_text(text)


@pytest.mark.usefixtures("directory")
def test_a_project_stands_on_the_operating_system() -> None:
    hub = projects.load("hub")
    assert [each.name for each in hub.chain] == ["os", "hub"]
    assert (hub.debian, hub.prefix, hub.is_stack) == ("trixie", "/opt/hub", False)
    assert (hub.packages, hub.suites) == (("python3.13/sid",), ("trixie", "sid"))
    assert hub.arguments["PREFIX"] == "/opt/hub"
    assert not hub.arguments["JAVA_HOME"]
    assert (current.kinds(hub.system), current.kinds(hub)) == (("apt",), ("apt", "python"))


def test_the_operating_system_comes_first_and_stacks_before_what_none_owns() -> None:
    names = [each.name for each in projects.every()]
    assert names == ["os", *projects.stacks(), *projects.others()[1:]]


@pytest.mark.parametrize(
    ("name", "prefix", "said"),
    [
        ("gateway", '"/opt/hub"', "the prefix /opt/hub is that of gateway, too"),
        ("gateway", '"/opt/venv"', "gateway.*/opt/venv is that of each stack"),
        ("gateway", '"/usr"', "gateway.*'/usr' is no prefix"),
        ("gateway", '"/opt/hub/gateway"', "is no prefix"),
        ("gateway", "1", "1 is no prefix"),
        ("spark-3.5", '"/opt/x"', 'called "spark-3.5", as another project is'),
        ("3.5", '"/opt/x"', 'called "3.5" beside "spark-3.5"'),
        ("all", '"/opt/x"', "means every stack"),
    ],
)
def test_a_project_like_another_is_refused(
    directory: Path, name: str, prefix: str, said: str
) -> None:
    write(directory, name, HUB.replace('"/opt/hub"', prefix))
    for read in (lambda: projects.load("hub"), lambda: projects.load("spark-3.5"), projects.every):
        with pytest.raises(MalformedFileError, match=said):
            read()


@pytest.mark.parametrize("line", [line for line in HUB.splitlines() if line])
def test_names_what_a_project_lacks(directory: Path, line: str) -> None:
    (directory / "hub/project.toml").write_text(HUB.replace(f"{line}\n", "", 1))
    with pytest.raises(MalformedFileError, match=re.escape("hub/project.toml")):
        projects.load("hub")


def test_an_image_of_no_stack_is_in_no_stacks_family_and_every_site_list() -> None:
    family = images.load()
    assert "hub" not in family.on("spark-3.5")
    assert [image.name for image in family.on("hub").published] == ["jupyterhub-hub"]
    for asked in ("", "spark-3.5", projects.ALL):
        names = [where.project.name for where in plan.sites(asked)]
        assert names[0] == family.default_stack
        assert names[-1:] == ["hub"]
        assert names.count("hub") == 1
    (where,) = plan.sites("hub")
    assert where.name("jupyterhub-hub").endswith("/jupyterhub-hub:hub")
    assert where.with_stack("jupyterhub-hub") == "jupyterhub-hub"
    with pytest.raises(UnknownNameError, match="jupyterhub-hub is not built on the stack"):
        family.on("spark-3.5").find("hub")


@pytest.mark.parametrize(
    ("more", "said", "remedy"),
    [
        ('project = "hubb"', 'the project "hubb", which does not exist', "Did you mean hub?"),
        ('project = "hub"\nstacks = ["spark-3.5"]', "both project and stacks", "out"),
        ('project = "hub"\ndrives = "b"', "both project and drives", "out"),
        ('project = "hub"\nsession = "a"', "a is built on hub, and b, which goes with it", "both"),
    ],
)
def test_an_image_whose_project_cannot_be_is_refused(
    tmp_path: Path, more: str, said: str, remedy: str
) -> None:
    text = f'default_stack = "s"\nnamespace = "n"\n[images.a]\nsummary = "x"\n{more}\n'
    text += '[images.b]\nsummary = "x"\nsession = "b"\n'
    for name, parent in {"a": "b", "b": "debian"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(f"FROM {parent}\n")
    (tmp_path / "images.toml").write_text(text)
    with pytest.raises(SparkyardError) as refusal:
        images.load(tmp_path / "images.toml")
    assert said in refusal.value.what
    assert remedy in refusal.value.remedy


def test_a_project_that_no_lock_has_is_refused(directory: Path) -> None:
    project = "[tool.poetry.group.hub.dependencies]\njupyterhub = '*'\n"
    (directory / "hub/pyproject.toml").write_text(project)
    with pytest.raises(StaleLockError, match=r"hub was never locked and exported"):
        current.check(projects.load("hub"), images.Family((), "s", "n"))


def test_what_containers_run_is_in_the_prefix_of_stacks() -> None:
    """These files are read as they are: no build puts the prefix in."""
    files = [f for place in (paths.ROOT / "conf", paths.IMAGES) for f in place.rglob("*")]
    named = {
        prefix
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
        for prefix in re.findall(r"(/opt/[a-z-]+)/(?:bin|lib)/python", file.read_text())
    }
    assert named == {projects.PREFIX}
