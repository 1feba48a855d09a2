"""Which commit is checked out, is it clean, and which tags does it bear?"""

from __future__ import annotations

import datetime
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from sparkyard import paths
from sparkyard.command import Completed, mask, run
from sparkyard.errors import CommandFailedError, DirtyTreeError, GitError

NAMED = 5
"""Changed files that an error names; `git status` has them all."""

PUSH_TIMEOUT = 120.0
"""Seconds; a tag is a few hundred bytes, so what takes longer waits for somebody."""

# Messages are read below, so they are wanted in English; git may ask nobody for a password; and
# looking at the state of the tree must not take the lock that somebody's commit needs.
_ENVIRONMENT = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}

_USER_OF_HTTP = re.compile(r"(?i)^(https?://)[^/?#]*@")
_ELSEWHERE = re.compile(r"(?i)(?!file:)[^/:]+:(?!:)")
"""How the address of another machine begins, HOST:PATH or a URL; all else leads to a path here."""
_PASSWORD = re.compile(r"(?i)^([a-z][a-z0-9+.-]*://[^/?#:@]*):[^/?#]*@")


@dataclass(frozen=True)
class Checkout:
    """The state of a checkout.

    Attributes:
        revision: the commit, 40 hexadecimal digits.
        branch: empty when HEAD is detached, as it usually is in CI.
        dirty: whether there is anything that the commit does not hold; ignored files do not count.
        created: when the commit was made, RFC 3339 in UTC.
        source: origin's URL without credentials; empty without an origin, and where it is a path.
        changed: the files that make it dirty.
    """

    revision: str
    branch: str
    dirty: bool
    created: str
    source: str
    changed: tuple[str, ...] = ()


def checkout(root: Path | None = None) -> Checkout:
    """Return the state of the checkout in `root`, by default the one that this package is in.

    Raises:
        GitError: git is not installed, or there is no repository, or no commit in it.
    """
    root = root or paths.ROOT
    commit = _must(root, "log", "-1", "--no-show-signature", "--format=%H %ct")
    revision, epoch = commit.split()
    status = _must(root, "status", "--porcelain=v1", "-z", "--untracked-files=normal")
    changed = _changed(status)
    made = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC)
    origin = _origin(root)
    return Checkout(
        revision=revision,
        branch=_git(root, "symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip(),
        dirty=bool(changed),
        created=made.strftime("%Y-%m-%dT%H:%M:%SZ"),
        source=without_credentials(origin) if _ELSEWHERE.match(origin) else "",
        changed=changed,
    )


def known(root: Path | None = None) -> Checkout | None:
    """Return the state of the checkout, None where git cannot tell."""
    try:
        return checkout(root)
    except GitError:
        return None


def require_clean(state: Checkout) -> None:
    """Check that the commit holds everything.

    Raises:
        DirtyTreeError: it does not; the error names the first few files.
    """
    if not state.dirty:
        return
    more = len(state.changed) - NAMED
    named = ", ".join(state.changed[:NAMED]) + (f" and {more} more" if more > 0 else "")
    raise DirtyTreeError(
        f"The checkout has changes that commit {state.revision[:12]} does not hold: "
        f"{named or 'see git status'}.",
        "Commit them, or put them away with `git stash --include-untracked`; files that are no "
        "part of the project belong into .gitignore.",
    )


def require_branch(state: Checkout) -> str:
    """Return the branch that is checked out.

    Raises:
        GitError: HEAD is detached.
    """
    if state.branch:
        return state.branch
    raise GitError(
        f"HEAD is detached at {state.revision[:12]}: the release would belong to no branch.",
        "Check the branch out first: `git switch BRANCH`. In CI, set the job to check out the "
        "branch and not the commit alone.",
    )


def tagged(name: str, root: Path | None = None) -> str:
    """Return the commit that a tag of the checkout names; empty when there is no such tag.

    Raises:
        GitError: there is no repository that can be asked.
    """
    root = root or paths.ROOT
    peeled = f"refs/tags/{name}^{{commit}}"
    answer = _git(root, "rev-parse", "--verify", "--quiet", peeled)
    return answer.stdout.strip() if answer.exit_code == 0 else ""


def tag(name: str, revision: str, message: str, root: Path | None = None) -> bool:
    """Make an annotated tag; return False when it is there already and names that commit.

    Raises:
        GitError: it names another commit, or git would not make it.
    """
    root = root or paths.ROOT
    before = tagged(name, root)
    if before == revision:
        return False
    if before:
        raise _taken(name, before, revision)
    # Whitespace alone is tidied: lines with # are headings here and no comments.
    words = ("tag", "--annotate", "--cleanup=whitespace", "--file=-", "--", name, revision)
    made = _git(root, *words, stdin=message)
    if made.exit_code != 0:
        if tagged(name, root) == revision:  # somebody was quicker
            return False
        raise _explained(made, root, f"git would not make the tag {name}")
    return True


def require_identity(root: Path | None = None) -> None:
    """Check that git knows who makes a tag, before anything is done that a tag is to follow.

    Raises:
        GitError: it does not.
    """
    if _git(root or paths.ROOT, "var", "GIT_COMMITTER_IDENT").exit_code != 0:
        raise GitError(
            "git does not know who makes the tag of the release.",
            'Tell it: `git config user.name "..."` and `git config user.email ...`.',
        )


def require_origin(tag_name: str, root: Path | None = None) -> None:
    """Check that there is an origin that a tag can be pushed to.

    Raises:
        GitError: there is none.
    """
    if not _origin(root or paths.ROOT):
        raise GitError(
            f"The tag {tag_name} cannot be pushed: the checkout has no remote called origin.",
            "Add one with `git remote add origin URL`, or leave out --push.",
        )


def agree_with_origin(name: str, revision: str, root: Path | None = None) -> None:
    """Check that a tag which is to be pushed can be, and take over the one that origin has of it.

    A clone need not have origin's tags: a shallow one has none.

    Raises:
        GitError: origin has that tag at another commit, or could not be asked.
    """
    root = root or paths.ROOT
    require_origin(name, root)
    reference = f"refs/tags/{name}"
    words = ("ls-remote", "origin", reference, f"{reference}^{{}}")
    listed = _git(root, *words, timeout=PUSH_TIMEOUT)
    if listed.exit_code != 0:
        raise _explained(listed, root, f"origin could not be asked whether it has the tag {name}")
    commits = [line.split()[0] for line in listed.stdout.splitlines()]
    if not commits:
        return
    if commits[-1] != revision:  # the tag itself comes first, then the commit that it names
        raise _taken(name, commits[-1], revision, "Origin's")
    if not tagged(name, root):
        _git(root, "fetch", "--quiet", "origin", f"{reference}:{reference}", timeout=PUSH_TIMEOUT)


def push_tag(name: str, root: Path | None = None) -> None:
    """Push a tag to origin, which may have it already.

    Raises:
        GitError: there is no origin, it has another tag of that name, or it would not take it.
    """
    root = root or paths.ROOT
    require_origin(name, root)
    reference = f"refs/tags/{name}"
    pushed = _git(root, "push", "--porcelain", "origin", reference, timeout=PUSH_TIMEOUT)
    if pushed.exit_code == 0:
        return
    if "already exists" in pushed.stdout + pushed.stderr:
        raise GitError(
            f"origin has another tag {name} than this checkout.",
            f"Compare `git ls-remote origin {reference}` with `git rev-parse {reference}`; one of "
            "the two was made by mistake. A released version is never used again.",
        )
    raise _explained(pushed, root, f"origin would not take the tag {name}")


def tags(root: Path | None = None) -> tuple[str, ...]:
    """Return the names of all tags of the checkout; versions.released() picks out the versions.

    Raises:
        GitError: there is no repository that can be asked.
    """
    listed = _must(root or paths.ROOT, "for-each-ref", "--format=%(refname:strip=2)", "refs/tags")
    return tuple(listed.split())


def without_credentials(url: str) -> str:
    """Return a remote's URL without what is secret in it.

    The user of an http URL goes too, since a token stands there as often as a name; that of ssh
    is part of the address.
    """
    if _USER_OF_HTTP.match(url) or re.match(r"(?i)https?://", url):
        return _USER_OF_HTTP.sub(r"\1", re.split(r"[?#]", url)[0])
    return _PASSWORD.sub(r"\1@", url)


def _origin(root: Path) -> str:
    # Not `remote get-url`, which applies insteadOf: a mirror of this site is not the source.
    return _git(root, "config", "--get", "remote.origin.url").stdout.strip()


def _changed(status: str) -> tuple[str, ...]:
    """Return the paths of `git status --porcelain -z`, new names only where a file was renamed."""
    changed = []
    entries = iter(status.split("\0"))
    for entry in entries:
        if entry:
            changed.append(entry[3:])
            if entry[0] in "RC":
                next(entries, None)
    return tuple(changed)


def _must(root: Path, *words: str) -> str:
    answer = _git(root, *words)
    if answer.exit_code != 0:
        raise _explained(answer, root, f"`git {words[0]}` failed in {root}")
    return answer.stdout


def _git(
    root: Path, *words: str, stdin: str | None = None, timeout: float | None = None
) -> Completed:
    argv = ["git", "-C", str(root), *words]
    try:
        answer = run(argv, check=False, stdin=stdin, timeout=timeout, env=_ENVIRONMENT)
    except CommandFailedError as error:
        raise GitError(error.what, error.remedy) from error
    if "dubious ownership" in answer.stderr:
        raise GitError(
            f"git does not trust {root}: it belongs to another user than the one who asks "
            f"(user {os.geteuid()}).",
            f"Trust it: `git config --global --add safe.directory {shlex.quote(str(root))}`, or "
            "run the same command as the user whom the checkout belongs to.",
        )
    if "not a git repository" in answer.stderr:
        raise GitError(
            f"{root} is no git repository, so nothing is known of its commit.",
            "Work in a clone: a release names the commit that it was made from.",
        )
    return answer


def _explained(answer: Completed, root: Path, what: str) -> GitError:
    said = answer.stderr
    detail = mask("\n".join(said.strip().splitlines()[-10:]))
    if "does not have any commits yet" in said:
        return GitError(f"{root} has no commit yet.", "Commit what is there first.")
    if "tell me who you are" in said or "unable to auto-detect email" in said:
        return GitError(
            f"{what}: it does not know who makes it.",
            'Tell it: `git config user.name "..."` and `git config user.email ...`.',
        )
    return GitError(f"{what}.", "The lines above are git's own reason.", detail=detail)


def _taken(name: str, before: str, wanted: str, whose: str = "The") -> GitError:
    return GitError(
        f"{whose} git tag {name} names commit {before[:12]} already, and not {wanted[:12]}.",
        f"Take the next version, or check out what {name} names: `git switch --detach {name}`.",
    )
