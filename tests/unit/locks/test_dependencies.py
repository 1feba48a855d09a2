"""Are locks and exports read, divided into groups, and found to be stale, as they should?"""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import pytest

from sparkyard.command import Completed
from sparkyard.errors import CommandFailedError, MalformedFileError, MirrorError, StaleLockError
from sparkyard.fetch import sources, store
from sparkyard.locks import dependencies, python_lock, source_archive
from sparkyard.settings import Settings
from tests import source_package
from tests.unit.small_family import STACK, family, make, seal


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make(tmp_path, monkeypatch)


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


COPY_ONE = "COPY --link --from=python-one / /\n"


def without(stack: Path, image: str) -> None:
    """Let an image take no group one."""
    file = stack.parents[1] / f"images/{image}/Dockerfile"
    file.write_text(file.read_text().replace(COPY_ONE, ""))


def test_an_image_has_all_groups_that_its_own_need(stack: Path) -> None:
    dependencies.check_closed(stack, family())


def test_an_image_that_lacks_a_group(stack: Path) -> None:
    """The notebook takes two, whose packages need `first`, which stands in one."""
    without(stack, "notebook")
    with pytest.raises(StaleLockError) as refusal:
        dependencies.check_closed(stack, family())
    assert "notebook takes the group two, which needs first" in refusal.value.what
    assert "stands in the group one" in refusal.value.what
    assert "earlier" in refusal.value.remedy


def test_a_group_of_the_parent_counts(stack: Path) -> None:
    without(stack, "notebook")
    with (stack.parents[1] / "images/environment/Dockerfile").open("a") as file:
        file.write(COPY_ONE)
    dependencies.check_closed(stack, family())


def test_packages_that_no_group_has_on_linux_are_no_lack(stack: Path) -> None:
    with (stack / "poetry.lock").open("a") as lock:
        lock.write('[[package]]\nname = "colorama"\ngroups = ["one"]\n')
    dependencies.check_closed(stack, family())


LOCKED = """
[[package]]
name = "shared"
version = "1.0"
groups = ["one", "two"]
files = [{file = "shared-1.0.tar.gz", hash = "sha256:1"}]
"""


def poetry(
    monkeypatch: pytest.MonkeyPatch, *, fails: bool = False, more: str = ""
) -> list[tuple[list[str], dict[str, str]]]:
    """Stand in for Poetry: locks one package, and what is given."""
    asked: list[tuple[list[str], dict[str, str]]] = []

    def run(argv: list[str], *, env: dict[str, str], cwd: Path, **_: object) -> Completed:
        asked.append((argv[4:], env))
        if fails:
            raise CommandFailedError("no", "no", detail="Because a depends on b ...")
        (cwd / "poetry.lock").write_text(LOCKED + more)
        return Completed(0, "", "")

    monkeypatch.setattr(dependencies, "run", run)
    return asked


def lock(stack: Path, settings: Settings | None = None, upgrade: tuple[str, ...] = ()) -> None:
    settings = settings or Settings(ca_bundle="none")
    dependencies.lock(stack, settings, sources.archive, upgrade=upgrade)


def test_locking_writes_all_files_and_they_are_current(
    stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = poetry(monkeypatch)
    (stack / "requirements/old.txt").write_text("")
    lock(stack)
    assert [words[0] for words, _ in asked] == ["lock"]
    dependencies.check_current(stack)
    files = sorted(file.name for file in (stack / "requirements").iterdir())
    assert files == ["exported.toml", "one.txt", "two.txt"]
    assert "shared==1.0" in (stack / "requirements/one.txt").read_text()
    assert "shared" not in (stack / "requirements/two.txt").read_text()
    for name in files:
        assert "nox -s dependencies" in (stack / "requirements" / name).read_text()


@pytest.mark.parametrize(
    ("upgrade", "words"),
    [
        ((), ["lock"]),
        ((".",), ["lock", "--regenerate"]),
        (("a", "b"), ["update", "--lock", "a", "b"]),
    ],
)
def test_upgrades_what_is_asked_for(
    stack: Path, monkeypatch: pytest.MonkeyPatch, upgrade: tuple[str, ...], words: list[str]
) -> None:
    asked = poetry(monkeypatch)
    lock(stack, upgrade=upgrade)
    assert asked[0][0] == words


def test_the_mirror_reaches_poetry(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = poetry(monkeypatch)
    lock(stack, Settings(ca_bundle="none", pypi_index="http://mine/simple"))
    assert asked[0][1]["POETRY_PYPI_MIRROR_URL"] == "http://mine/simple"
    assert "SSL_CERT_FILE" not in asked[0][1]


def refusal(stack: Path) -> StaleLockError:
    """Lock, and return the refusal; nothing was changed then."""
    seal(stack)
    before = {file: file.read_bytes() for file in stack.rglob("*") if file.is_file()}
    with pytest.raises(StaleLockError) as refused:
        lock(stack)
    assert {file: file.read_bytes() for file in stack.rglob("*") if file.is_file()} == before
    return refused.value


def test_a_failure_of_poetry_changes_nothing(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poetry(monkeypatch, fails=True)
    refused = refusal(stack)
    assert "poetry lock" in refused.what
    assert refused.detail == "Because a depends on b ..."


PACKAGE = """
[[package]]
name = "{name}"
version = "1.0"
groups = ["{group}"]
files = [{files}]
[package.source]
type = "{type}"
url = "{url}"
"""


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (
            {"type": "legacy", "url": "https://user:pw@corp.example/simple/", "files": "HASH"},
            "ourlib from the index https://corp.example/simple, which builds do not ask",
        ),
        ({"type": "url", "url": "", "group": "main"}, "declares ourlib in main, which is no layer"),
        ({"type": "hg", "url": "https://example.com/x"}, "a source of the kind hg"),
        ({"type": "url", "url": "https://example.com/x.whl"}, "no hash of ourlib 1.0"),
        (
            {"type": "git", "url": "https://user:pw@example.com/x.git"},
            "address of ourlib in .* holds a password",
        ),
        ({"type": "directory", "url": "../ourlib"}, "there are no files"),
        ({"type": "file", "url": "../ourlib.whl", "files": "HASH"}, "No such file"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_a_package_that_no_build_could_take_is_refused(
    stack: Path, monkeypatch: pytest.MonkeyPatch, package: dict[str, str], said: str
) -> None:
    one = {"name": "ourlib", "group": "two", "files": "", **package}
    one["files"] = one["files"].replace("HASH", '{file = "x", hash = "sha256:1"}')
    poetry(monkeypatch, more=PACKAGE.format(**one))
    refused = refusal(stack)
    assert re.search(said, refused.what)
    assert "pw" not in refused.what
    assert refused.remedy


def test_an_index_that_builds_ask_is_no_other(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"name": "ourlib", "group": "two", "type": "legacy", "url": "https://corp.example/simple"}
    poetry(monkeypatch, more=PACKAGE.format(**one, files='{file = "x", hash = "sha256:12"}'))
    lock(stack, Settings(ca_bundle="none", pypi_index="https://me:pw@corp.example/simple/"))
    assert "ourlib==1.0 \\\n    --hash=sha256:12\n" in (stack / "requirements/two.txt").read_text()


@pytest.mark.parametrize(
    ("path", "said"),
    [("../../../ourlib", "outside of the checkout"), ("../no", "there is nothing")],
)
def test_a_path_that_other_machines_do_not_have(stack: Path, path: str, said: str) -> None:
    (stack / "pyproject.toml").write_text(
        f'[tool.poetry.group.one.dependencies]\nourlib = {{path = "{path}"}}\n'
    )
    (stack / "requirements/two.txt").unlink()
    refused = refusal(stack)
    assert said in refused.what
    assert "ourlib" in refused.what


def declare(stack: Path, package: str) -> None:
    """Let one group have one package; Poetry itself needs nothing from the network for it."""
    (stack / "pyproject.toml").write_text(
        '[project]\nname = "s"\nversion = "0"\nrequires-python = ">=3.11,<3.12"\n'
        "[tool.poetry]\npackage-mode = false\n"
        f"[tool.poetry.group.one.dependencies]\nours = {package}\n"
    )
    for name in ("poetry.lock", "requirements/one.txt", "requirements/two.txt"):
        (stack / name).unlink()


def test_a_package_by_path_is_pinned_by_its_content(stack: Path) -> None:
    """Poetry itself locks it."""
    place = source_package.write(stack.parent / "ourlib", "ours")
    declare(stack, '{path = "../ourlib", develop = true}')
    lock(stack)
    dependencies.check_current(stack)
    [archive] = python_lock.archives((stack / "requirements/one.txt").read_text())
    assert (archive.package, archive.file) == ("ours", "ours-1.0.zip")
    with zipfile.ZipFile(store.place(archive.sha256)) as packed:
        entries = [
            (one.filename, one.external_attr >> 16, one.date_time) for one in packed.filelist
        ]
        assert entries[-2:] == [
            ("ours-1.0/ours.py", 0o100644, (1980, 1, 1, 0, 0, 0)),
            ("ours-1.0/pyproject.toml", 0o100644, (1980, 1, 1, 0, 0, 0)),
        ]
    (place / "ours.py").write_text("answer = 43\n")
    with pytest.raises(StaleLockError, match=r"ourlib was changed after ours was last locked"):
        dependencies.check_current(stack)


def test_a_package_by_git_is_pinned_by_commit_and_content(stack: Path, tmp_path: Path) -> None:
    """Poetry itself locks it; a machine that never had it takes it from the repository again."""
    commit = source_package.commit(source_package.write(tmp_path / "elsewhere/ourlib", "ours"))
    declare(stack, f'{{git = "file://{tmp_path}/elsewhere/ourlib"}}')
    lock(stack)
    [archive] = python_lock.archives((stack / "requirements/one.txt").read_text())
    assert archive.file == f"ours-{commit[:12]}.zip"
    store.place(archive.sha256).unlink()
    sources.lay_out(STACK, "one", Settings(ca_bundle="none"))
    laid_out = sources.place(STACK, "one") / archive.file
    assert source_archive.digest(laid_out.read_bytes()) == archive.sha256

    store.place(archive.sha256).unlink()
    shutil.rmtree(tmp_path / "elsewhere")
    with pytest.raises(MirrorError, match=f"ours could not be had .* commit {commit[:12]}"):
        sources.lay_out(STACK, "one", Settings(ca_bundle="none"))
