"""Which files are there?"""

from __future__ import annotations

import os

from sparkyard.facts.inside.files import list_dir, read_text

# No content of an image: other file systems, and what every engine lays over a container.
_OUTSIDE = ("/proc", "/sys", "/dev")
_LAID_OVER = (
    *("/.dockerenv", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"),
    "/run/.containerenv",
)


def shown(path: str) -> str:
    """Return a path in text that can be printed: a file's name may hold any byte but two."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)


class Tree:
    """The files below a root directory, named as if that were /: sizes in bytes, links' targets."""

    def __init__(self, root: str = "/") -> None:
        self.root = root.rstrip("/")
        self.sizes: dict[str, int] = {}
        self.links: dict[str, str] = {}
        self._real: dict[str, str] = {}
        covered = {*_OUTSIDE, *_LAID_OVER, *self._mounts()}
        waiting = ["/"]
        while waiting:
            directory = waiting.pop()
            for entry in os.scandir(self.root + directory):
                path = os.path.join(directory, entry.name)
                if path in covered:
                    continue
                if entry.is_symlink():
                    target = os.readlink(entry.path)
                    # Engines make this one when a container starts.
                    if (path, target) != ("/etc/mtab", "/proc/mounts"):
                        self.sizes[path], self.links[path] = 0, target
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                elif entry.is_file(follow_symlinks=False):
                    self.sizes[path] = entry.stat(follow_symlinks=False).st_size

    def read(self, path: str) -> str | None:
        """Return a file as text, None where it cannot be read."""
        return read_text(self.root + path)

    def names(self, directory: str) -> list[str]:
        """Return the names in a directory, sorted; none where it cannot be read."""
        return list_dir(self.root + directory)

    def real(self, path: str, hops: int = 40) -> str:
        """Return the path with all links followed, whether or not it leads to something."""
        if path in ("", "/"):
            return "/"
        known = self._real.get(path)
        if known is not None:
            return known
        parent, name = os.path.split(path)
        if name in ("", "."):
            return self.real(parent, hops)
        if name == "..":
            return os.path.dirname(self.real(parent, hops))
        here = os.path.join(self.real(parent, hops), name)
        target = self.links.get(here)
        if target is not None and hops > 0:
            here = self.real(os.path.join(os.path.dirname(here), target), hops - 1)
        self._real[path] = here
        return here

    def place(self, path: str) -> str:
        """Return where a file of that name lies, with the links of its directory followed."""
        parent, name = os.path.split(path)
        if name == "..":
            return self.real(path)
        return os.path.join(self.real(parent), name)

    def _mounts(self) -> set[str]:
        """Return what is mounted over this tree, but for the tree itself."""
        lines = [line.split() for line in (self.read("/proc/self/mountinfo") or "").splitlines()]
        return {words[4].replace("\\040", " ") for words in lines if len(words) > 4} - {"/"}
