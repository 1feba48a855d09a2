"""Is a checkout's state told as git has it, and is each state that a release cannot use refused?"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sparkyard import git
from sparkyard.errors import DirtyTreeError, GitError
from sparkyard.git import Checkout


def run(root: Path, *words: str) -> str:
    ended = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
    )
    return ended.stdout.strip()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one commit, with nothing of this machine's configuration."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path))
    made = tmp_path / "checkout"
    made.mkdir()
    run(made, "init", "--quiet", "--initial-branch", "main")
    run(made, "config", "user.name", "Somebody")
    run(made, "config", "user.email", "somebody@example.com")
    (made / "file").write_text("one\n")
    commit(made, "first")
    return made


def commit(root: Path, message: str) -> str:
    run(root, "add", "--all")
    environment = {**os.environ, "GIT_COMMITTER_DATE": "2026-01-02T03:04:05+02:00"}
    words = ["git", "-C", str(root), "commit", "--quiet", "--allow-empty", "-m", message]
    subprocess.run(words, check=True, env=environment)
    return run(root, "rev-parse", "HEAD")


def test_a_clean_checkout_says_commit_branch_date_and_source(root: Path) -> None:
    run(root, "remote", "add", "origin", "https://me:hunter2@example.com/it.git")
    assert git.checkout(root) == Checkout(
        run(root, "rev-parse", "HEAD"), "main", False, "2026-01-02T01:04:05Z",
        "https://example.com/it.git",
    )  # fmt: skip
    git.require_clean(git.checkout(root))
    assert git.require_branch(git.checkout(root)) == "main"


def test_a_mirror_of_this_site_is_not_the_source(root: Path) -> None:
    run(root, "remote", "add", "origin", "https://example.com/it.git")
    run(root, "config", "url.https://token@mirror.invalid/.insteadOf", "https://example.com/")
    assert git.checkout(root).source == "https://example.com/it.git"


def test_a_branch_with_a_slash_and_a_tree_without_origin(root: Path) -> None:
    run(root, "switch", "--quiet", "--create", "feature/x")
    assert git.checkout(root).branch == "feature/x"
    assert git.checkout(root).source == ""


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        ("/srv/git/it.git", ""),
        ("../it.git", ""),
        ("~/it.git", ""),
        ("a/b:c", ""),
        ("file:///srv/git/it.git", ""),
        ("FILE:///srv/git/it.git", ""),
        ("ext::sh -c 'cat /srv/key'", ""),
        ("git@example.com:a/b.git", "git@example.com:a/b.git"),
        ("ssh://git:pass@example.com/a", "ssh://git@example.com/a"),
        ("git://example.com/a", "git://example.com/a"),
    ],
)
def test_a_path_of_this_machine_is_no_source(root: Path, origin: str, source: str) -> None:
    run(root, "remote", "add", "origin", origin)
    assert git.checkout(root).source == source
    git.require_origin("1.0.0", root)  # a tag can be pushed to a path, too


def test_files_that_git_ignores_do_not_count(root: Path) -> None:
    (root / ".gitignore").write_text("build\n")
    commit(root, "ignore")
    (root / "build").write_text("x")
    assert not git.checkout(root).dirty


def test_a_changed_a_new_and_a_renamed_file_make_it_dirty(root: Path) -> None:
    (root / "other").write_text("a text that git knows again\n" * 5)
    commit(root, "second")
    (root / "file").write_text("two\n")
    (root / "new one").write_text("x")
    run(root, "mv", "other", "named ä")
    state = git.checkout(root)
    assert state.dirty
    assert set(state.changed) == {"file", "new one", "named ä"}


def test_a_dirty_tree_is_refused_and_its_first_files_are_named(root: Path) -> None:
    for number in range(7):
        (root / f"new{number}").write_text("x")
    with pytest.raises(DirtyTreeError) as refusal:
        git.require_clean(git.checkout(root))
    assert "new0, new1, new2, new3, new4 and 2 more" in refusal.value.what
    assert refusal.value.exit_code == 61


def test_a_detached_head_is_no_branch_and_is_refused_where_one_is_needed(root: Path) -> None:
    run(root, "switch", "--quiet", "--detach")
    state = git.checkout(root)
    assert state.branch == ""
    assert not state.dirty
    with pytest.raises(GitError, match="detached") as refusal:
        git.require_branch(state)
    assert "git switch" in refusal.value.remedy


def test_a_directory_without_a_repository(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="no git repository"):
        git.checkout(tmp_path)
    assert git.known(tmp_path) is None
    with pytest.raises(GitError, match="no git repository"):
        git.tagged("1.0.0", tmp_path)


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    run(tmp_path, "init", "--quiet")
    with pytest.raises(GitError, match="no commit yet"):
        git.checkout(tmp_path)


def test_no_git_on_the_path(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(GitError, match="git is not installed") as refusal:
        git.checkout(root)
    assert "Install git" in refusal.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to somebody else")
def test_a_checkout_of_another_user_is_told_with_the_way_to_trust_it(root: Path) -> None:
    for place in (root, root / ".git"):
        os.chown(place, 12345, 12345)
    with pytest.raises(GitError, match="belongs to another user") as refusal:
        git.checkout(root)
    assert f"safe.directory {root}" in refusal.value.remedy
    command = refusal.value.remedy.split("`")[1]
    subprocess.run(command.split(), check=True)
    assert git.checkout(root).branch == "main"


def test_a_tag_is_annotated_and_made_once(root: Path) -> None:
    head = run(root, "rev-parse", "HEAD")
    assert git.tagged("1.0.0", root) == ""
    assert git.tag("1.0.0", head, "# Release\n\nand its text\n", root)
    assert run(root, "cat-file", "-t", "1.0.0") == "tag"
    assert (
        run(root, "tag", "--list", "--format=%(contents)", "1.0.0") == "# Release\n\nand its text"
    )
    assert git.tagged("1.0.0", root) == head
    assert not git.tag("1.0.0", head, "again", root)
    assert git.tags(root) == ("1.0.0",)


def test_a_tag_of_another_commit_is_refused_and_both_are_named(root: Path) -> None:
    first = run(root, "rev-parse", "HEAD")
    git.tag("1.0.0", first, "x", root)
    second = commit(root, "second")
    with pytest.raises(GitError) as refusal:
        git.tag("1.0.0", second, "x", root)
    assert first[:12] in refusal.value.what
    assert second[:12] in refusal.value.what
    assert git.tagged("1.0.0", root) == first


def test_a_plain_tag_counts_as_one(root: Path) -> None:
    head = run(root, "rev-parse", "HEAD")
    run(root, "tag", "1.0.0")
    assert git.tagged("1.0.0", root) == head
    assert not git.tag("1.0.0", head, "x", root)


def test_git_says_why_it_makes_no_tag(root: Path) -> None:
    with pytest.raises(GitError, match="1\\.0\\.0") as refusal:
        git.tag("1.0.0", "0" * 40, "x", root)
    assert refusal.value.detail


def test_a_tag_needs_to_know_who_makes_it(root: Path) -> None:
    run(root, "config", "--unset", "user.name")
    run(root, "config", "--unset", "user.email")
    run(root, "config", "user.useConfigOnly", "true")
    with pytest.raises(GitError, match="who makes it") as refusal:
        git.tag("1.0.0", run(root, "rev-parse", "HEAD"), "x", root)
    assert "user.name" in refusal.value.remedy


def test_a_tag_is_pushed_and_may_be_there_already(root: Path, tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    run(tmp_path, "init", "--quiet", "--bare", str(origin))
    run(root, "remote", "add", "origin", str(origin))
    git.tag("1.0.0", run(root, "rev-parse", "HEAD"), "x", root)
    for _ in range(2):
        git.push_tag("1.0.0", root)
    assert git.tagged("1.0.0", origin) == git.tagged("1.0.0", root)
    assert run(origin, "branch", "--list") == ""


def test_another_tag_at_origin_is_told(root: Path, tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    run(tmp_path, "init", "--quiet", "--bare", str(origin))
    run(root, "remote", "add", "origin", str(origin))
    git.tag("1.0.0", run(root, "rev-parse", "HEAD"), "x", root)
    git.push_tag("1.0.0", root)
    run(root, "tag", "--delete", "1.0.0")
    git.tag("1.0.0", commit(root, "second"), "y", root)
    with pytest.raises(GitError, match="origin has another tag"):
        git.push_tag("1.0.0", root)


def test_a_shallow_clone_learns_of_origins_tag_before_anything_is_released(
    root: Path, tmp_path: Path
) -> None:
    first = run(root, "rev-parse", "HEAD")
    git.tag("1.0.0", first, "x", root)
    clone = tmp_path / "clone"
    clone_it = ["clone", "--quiet", "--no-tags", "--depth", "1", root.as_uri(), str(clone)]
    run(tmp_path, *clone_it)
    assert git.tags(clone) == ()
    assert git.checkout(clone).revision == first
    git.agree_with_origin("1.0.0", first, clone)
    assert run(clone, "rev-parse", "1.0.0") == run(root, "rev-parse", "1.0.0")  # the same object
    git.push_tag("1.0.0", clone)
    git.agree_with_origin("2.0.0", first, clone)
    run(clone, "config", "user.name", "Somebody")
    run(clone, "config", "user.email", "somebody@example.com")
    second = commit(clone, "second")
    with pytest.raises(GitError, match=f"Origin's git tag 1.0.0 names commit {first[:12]}"):
        git.agree_with_origin("1.0.0", second, clone)
    run(clone, "remote", "set-url", "origin", str(tmp_path / "nowhere"))
    with pytest.raises(GitError, match="could not be asked"):
        git.agree_with_origin("1.0.0", second, clone)


def test_a_push_without_an_origin(root: Path) -> None:
    with pytest.raises(GitError, match="no remote called origin"):
        git.push_tag("1.0.0", root)


def test_a_push_that_fails_shows_no_secret(root: Path) -> None:
    run(root, "remote", "add", "origin", "http://me:hunter2@127.0.0.1:9/it.git")
    git.tag("1.0.0", run(root, "rev-parse", "HEAD"), "x", root)
    with pytest.raises(GitError, match="would not take") as refusal:
        git.push_tag("1.0.0", root)
    assert "hunter2" not in str(vars(refusal.value))


@pytest.mark.parametrize(
    ("url", "without"),
    [
        ("https://example.com/a/b.git", "https://example.com/a/b.git"),
        ("https://token@example.com/a", "https://example.com/a"),
        ("https://me:p@ss@example.com:8443/a", "https://example.com:8443/a"),
        ("HTTP://me:pass@example.com/a?private_token=x#y", "HTTP://example.com/a"),
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("ssh://git@example.com:22/a", "ssh://git@example.com:22/a"),
        ("ssh://git:pass@example.com/a", "ssh://git@example.com/a"),
        ("git@example.com:a/b.git", "git@example.com:a/b.git"),
        ("/srv/git/it.git", "/srv/git/it.git"),
        ("", ""),
    ],
)
def test_a_source_has_no_credentials(url: str, without: str) -> None:
    assert git.without_credentials(url) == without
