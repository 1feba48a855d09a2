"""Which files can a driver's or an executor's process read and act on?

All below `ROOTS`, below the user's home and the working directory, and wherever a variable, an
interpreter, Java or Spark leads; of /opt, what else lies right in it. `UNREAD` is left out: no
process of Spark acts on it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field

from sparkyard.facts.collector.inspection import Hashes, Places

ROOTS = ("/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")

UNREAD: tuple[tuple[str, str], ...] = (
    ("/usr/share/doc", "documentation"),
    ("/usr/share/doc-base", "documentation"),
    ("/usr/share/info", "documentation"),
    ("/usr/share/man", "documentation"),
    ("/usr/local/share/man", "documentation"),
    ("/usr/local/man", "documentation"),
    ("/usr/share/locale", "translations of messages"),
    ("/usr/share/gtk-doc", "documentation"),
    ("/usr/share/help", "documentation"),
    ("/usr/share/lintian", "for Debian's builds"),
    ("/usr/share/bug", "for reports of bugs"),
    ("/usr/share/common-licenses", "licences"),
    ("/usr/share/applications", "for desktops"),
    ("/usr/share/icons", "for desktops"),
    ("/usr/share/pixmaps", "for desktops"),
    ("/usr/share/metainfo", "for desktops"),
    ("/usr/share/bash-completion", "for terminals"),
    ("/usr/share/zsh", "for terminals"),
    ("/usr/include", "for compilers"),
    ("/usr/src", "for compilers"),
    ("/usr/lib/debug", "for debuggers"),
    ("/etc/hosts", "made anew for each container"),
    ("/etc/hostname", "made anew for each container"),
    ("/etc/resolv.conf", "made anew for each container"),
    ("/etc/mtab", "made anew for each container"),
)
"""Files and directories that are not looked at, and why."""

_UNREAD_FILES = tuple(f"{path}/" for path, _ in UNREAD if path.startswith("/usr"))

_TOO_WIDE = ("/", "/run", "/tmp", "/var", "/home", "/root", "/mnt", "/srv")  # noqa: S108
"""What is not looked through as a whole, whatever leads to it."""

_NO_FILES = ("/proc", "/sys", "/dev")

_CACHES = (".cache", ".npm", ".ipynb_checkpoints")
_MOST = 150_000
"""Files after which a tree is too big to be an image's."""


@dataclass
class Tree:
    """What lies there: regular files with their modes, links with their targets.

    Attributes:
        files: modes by path.
        closed: directories that this user may not list.
        passed_over: mounted directories that hold data, by path with the reason.
    """

    files: dict[str, int] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)
    places: Places = field(default_factory=Places)

    def shown(self, path: str, hashes: Hashes) -> str:
        """Return what counts of a file: its hash, whether it can be run, and special rights."""
        mode, sha = self.files[path], hashes.of(path)
        words = [sha or "not readable"]
        if mode & 0o111:
            words.append("x")
            words += ["setuid"] if mode & stat.S_ISUID else []
            words += ["setgid"] if mode & stat.S_ISGID else []
            with contextlib.suppress(OSError):
                os.getxattr(path, "security.capability")
                words.append("capability")
        return " ".join(words)

    def add(self, top: str, unread: frozenset[str], *, deep: bool = True) -> None:
        """Take in what lies at and below `top`; where it is not to go `deep`, right in it."""
        waiting = [top]
        while waiting and len(self.files) < _MOST:
            path = waiting.pop()
            try:
                kind = os.lstat(path)
                if stat.S_ISLNK(kind.st_mode):
                    self.links[path] = os.readlink(path)
                elif stat.S_ISREG(kind.st_mode):
                    self.files[path] = kind.st_mode
                elif stat.S_ISDIR(kind.st_mode):
                    below = self._listed(path, unread)
                    waiting += below if deep else []
            except FileNotFoundError:
                continue
            except OSError:
                self.closed.append(path)

    def _listed(self, directory: str, unread: frozenset[str]) -> list[str]:
        below = []
        with os.scandir(directory) as entries:
            for entry in entries:
                path = os.path.join(directory, entry.name)
                if path in unread or entry.name in _CACHES:
                    continue
                if entry.is_symlink():
                    self.links[path] = os.readlink(path)
                elif entry.is_dir(follow_symlinks=False):
                    below.append(path)
                elif entry.is_file(follow_symlinks=False):
                    self.files[path] = entry.stat(follow_symlinks=False).st_mode
        return below


def tree(home: str, led_to: Iterable[str], mounts: Iterable[str]) -> Tree:
    """Return the files that count.

    Args:
        home: the user's own directory.
        led_to: `ROOTS`, and the paths that variables, interpreters, Java and Spark lead to.
        mounts: the paths where something is mounted.
    """
    seen = Tree()
    unread = frozenset(path for path, _ in UNREAD)
    tops: list[str] = []
    for path in (home, os.getcwd(), *led_to):
        real = os.path.realpath(path)
        if os.path.islink(path):
            seen.links[path] = os.readlink(path)
        inside_home = home not in ("", "/") and _within(real, (home,))
        if inside_home and any(_within(real, (mount,)) for mount in mounts if mount != "/"):
            seen.passed_over[real] = "mounted: the user's own files"
        elif inside_home or not (real in _TOO_WIDE or _within(real, _NO_FILES)):
            tops.append(real)
    seen.add("/opt", unread, deep=False)
    done: list[str] = []
    for top in sorted(set(tops), key=len):
        if not _within(top, done):
            seen.add(top, unread)
            done += [top] if not os.path.islink(top) else []
    return seen


def is_unread(path: str) -> bool:
    """Tell whether a path is among those that are not looked at."""
    return path.startswith(_UNREAD_FILES)


def _within(path: str, tops: Iterable[str]) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in tops)
