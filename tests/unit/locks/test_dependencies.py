"""Are locks and exports read, divided into groups, and found to be stale, as they should?"""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkyard.command import Completed
from sparkyard.errors import CommandFailedError, MalformedFileError, StaleLockError
from sparkyard.locks import dependencies
from sparkyard.locks.dependencies import Requirement, parse, partition
from sparkyard.settings import Settings
from tests.unit.small_family import FILES, family, make, seal

EXPORT = """\
aiohttp==3.9.1 ; python_version == "3.11" \\
    --hash=sha256:aa \\
    --hash=sha256:bb
appnope==0.1.4 ; python_version == "3.11" and platform_system == "Darwin" \\
    --hash=sha256:cc
colorama==0.4.6 ; python_version >= "3.11" and sys_platform == "win32" \\
    --hash=sha256:dd
Ruamel.Yaml==0.18 ; python_full_version < "3.12" and (os_name == "posix" or os_name == "nt") \\
    --hash=sha256:ee
zipp==3.0 \\
    --hash=sha256:ff
"""


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make(tmp_path, monkeypatch)


def test_reads_the_packages_for_linux() -> None:
    found = parse(EXPORT)
    assert [item.name for item in found] == ["aiohttp", "ruamel-yaml", "zipp"]
    assert found[0].lines.endswith("--hash=sha256:bb\n")
    assert found[0].lines.count("--hash") == 2


@pytest.mark.parametrize("text", ["", "\n", "# a comment\n", "--index-url https://x\n"])
def test_reads_no_packages_where_there_are_none(text: str) -> None:
    assert parse(text) == ()


def test_a_package_stands_in_the_first_group_that_needs_it() -> None:
    a, b, c = (Requirement(name, f"{name}==1\n") for name in "abc")
    assert partition({"x": [b], "y": [a, b], "z": [a, b, c]}) == {"x": (b,), "y": (a,), "z": (c,)}
    assert partition({}) == {}
    assert partition({"x": [a], "y": [a]}) == {"x": (a,), "y": ()}


def test_groups_are_in_the_order_of_the_declaration(stack: Path) -> None:
    assert dependencies.groups(stack) == ("one", "two")


@pytest.mark.parametrize("text", ["", "[tool]\n", "[tool.poetry]\n", "[tool.poetry.group]\n"])
def test_a_declaration_without_groups(stack: Path, text: str) -> None:
    (stack / "pyproject.toml").write_text(text)
    with pytest.raises(MalformedFileError, match=r"pyproject\.toml"):
        dependencies.groups(stack)


def test_what_was_just_locked_is_current(stack: Path) -> None:
    dependencies.check_current(stack)


def test_a_comment_makes_nothing_stale(stack: Path) -> None:
    with (stack / "pyproject.toml").open("a") as file:
        file.write("\n# why\n\n")
    dependencies.check_current(stack)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pyproject.toml", "was changed after it was last locked"),
        ("poetry.lock", "it was edited"),
        ("requirements/one.txt", "it was edited"),
        ("requirements/two.txt", "it was edited"),
    ],
)
def test_a_change_is_stale_and_named(stack: Path, name: str, said: str) -> None:
    with (stack / name).open("a") as file:
        file.write("[tool.other]\nx = 1\n")
    with pytest.raises(StaleLockError, match=said) as refusal:
        dependencies.check_current(stack)
    assert str(stack / name) in refusal.value.what
    assert "nox -s dependencies" in refusal.value.remedy


@pytest.mark.parametrize("name", ["poetry.lock", "requirements/one.txt"])
def test_a_file_that_is_gone_is_named(stack: Path, name: str) -> None:
    (stack / name).unlink()
    with pytest.raises(StaleLockError, match="is missing"):
        dependencies.check_current(stack)


def test_a_stack_that_was_never_locked(stack: Path) -> None:
    (stack / "requirements/exported.toml").unlink()
    with pytest.raises(StaleLockError, match="never locked"):
        dependencies.check_current(stack)


def test_a_group_that_is_gone_from_the_declaration(stack: Path) -> None:
    record = stack / "requirements/exported.toml"
    record.write_text(record.read_text() + '"requirements/old.txt" = "1"\n')
    with pytest.raises(StaleLockError, match=r"requirements/old\.txt, which is gone"):
        dependencies.check_current(stack)


def test_an_image_has_all_groups_that_its_own_need(stack: Path) -> None:
    dependencies.check_closed(stack, family())


def test_an_image_that_lacks_a_group(stack: Path) -> None:
    """The notebook takes two, whose packages need `first`, which stands in one."""
    images = stack.parents[1] / "images/images.toml"
    text = FILES["images/images.toml"].replace('"python-one", "python-two"', '"python-two"')
    images.write_text(text)
    with pytest.raises(StaleLockError) as refusal:
        dependencies.check_closed(stack, family())
    assert "notebook takes the group two, which needs first" in refusal.value.what
    assert "stands in the group one" in refusal.value.what
    assert "earlier" in refusal.value.remedy


def test_a_group_of_the_parent_counts(stack: Path) -> None:
    images = stack.parents[1] / "images/images.toml"
    text = FILES["images/images.toml"].replace('"python-one", "python-two"', '"python-two"')
    text = text.replace('parent = "debian"\n', 'parent = "debian"\ntakes = ["python-one"]\n')
    images.write_text(text)
    dependencies.check_closed(stack, family())


def test_packages_that_no_group_has_on_linux_are_no_lack(stack: Path) -> None:
    with (stack / "poetry.lock").open("a") as lock:
        lock.write('[[package]]\nname = "colorama"\ngroups = ["one"]\n')
    dependencies.check_closed(stack, family())


def poetry(
    monkeypatch: pytest.MonkeyPatch, *, fails: str = ""
) -> list[tuple[list[str], dict[str, str]]]:
    """Stand in for Poetry: locks nothing anew, exports one package for each group."""
    asked: list[tuple[list[str], dict[str, str]]] = []

    def run(argv: list[str], *, env: dict[str, str], cwd: Path, **_: object) -> Completed:
        words = argv[4:]
        asked.append((words, env))
        if words[0] == fails:
            raise CommandFailedError("no", "no", detail="Because a depends on b ...")
        if words[0] != "export":
            (cwd / "poetry.lock").write_text("# new\n")
            return Completed(0, "", "")
        return Completed(0, f"shared==1.0\n{words[2]}==1.0 \\\n    --hash=sha256:1\n", "")

    monkeypatch.setattr(dependencies, "run", run)
    return asked


def test_locking_writes_all_files_and_they_are_current(
    stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = poetry(monkeypatch)
    (stack / "requirements/old.txt").write_text("")
    dependencies.lock(stack, Settings(ca_bundle="none"))
    assert [words[0] for words, _ in asked] == ["lock", "export", "export"]
    dependencies.check_current(stack)
    files = sorted(file.name for file in (stack / "requirements").iterdir())
    assert files == ["exported.toml", "one.txt", "two.txt"]
    assert "shared" in (stack / "requirements/one.txt").read_text()
    assert "shared" not in (stack / "requirements/two.txt").read_text()
    for name in files:
        assert "nox -s dependencies" in (stack / "requirements" / name).read_text()


@pytest.mark.parametrize(
    ("upgrade", "words"),
    [
        ([], ["lock"]),
        (["."], ["lock", "--regenerate"]),
        (["a", "b"], ["update", "--lock", "a", "b"]),
    ],
)
def test_upgrades_what_is_asked_for(
    stack: Path, monkeypatch: pytest.MonkeyPatch, upgrade: list[str], words: list[str]
) -> None:
    asked = poetry(monkeypatch)
    dependencies.lock(stack, Settings(ca_bundle="none"), upgrade=upgrade)
    assert asked[0][0] == words


def test_the_mirror_reaches_poetry(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = poetry(monkeypatch)
    dependencies.lock(stack, Settings(ca_bundle="none", pypi_index="http://mine/simple"))
    assert asked[0][1]["POETRY_PYPI_MIRROR_URL"] == "http://mine/simple"
    assert "SSL_CERT_FILE" not in asked[0][1]


@pytest.mark.parametrize("step", ["lock", "export"])
def test_a_failure_changes_nothing(stack: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    seal(stack)
    before = {file: file.read_bytes() for file in stack.rglob("*") if file.is_file()}
    poetry(monkeypatch, fails=step)
    with pytest.raises(StaleLockError, match=f"poetry {step}") as refusal:
        dependencies.lock(stack, Settings(ca_bundle="none"))
    assert refusal.value.detail == "Because a depends on b ..."
    assert {file: file.read_bytes() for file in stack.rglob("*") if file.is_file()} == before
