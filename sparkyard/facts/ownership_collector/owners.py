"""Which files are there, and who owns which?"""

from __future__ import annotations

import os

from sparkyard.facts.inside.files import mount_points, read_text

# No content of an image: other file systems, and what every engine lays over a container.
_OUTSIDE = (
    "/proc", "/sys", "/dev", "/.dockerenv", "/run/.containerenv",
    "/etc/hosts", "/etc/hostname", "/etc/resolv.conf",
)  # fmt: skip


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
        covered = {*_OUTSIDE, *mount_points(self.root)}
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


class Owners:
    """Who owns what, as it grows: the first owner of a file is the one that counts for it."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.of: dict[str, list[str]] = {}
        self.rules: dict[str, int] = {}
        self._listed: dict[str, str] = {}

    def claim(self, path: str, owner: str, rule: str) -> None:
        """Note that a path is a component's, if it is there."""
        place = self.tree.place(path)
        if place not in self.tree.sizes:
            # A man page that was left out still says whose the link to it is.
            self._listed.setdefault(place, owner)
            return
        owners = self.of.setdefault(place, [])
        if not owners:
            self.rules[rule] = self.rules.get(rule, 0) + 1
        if owner not in owners:
            owners.append(owner)

    def first(self, path: str) -> str | None:
        """Return the component that counts for a path, there or only listed."""
        owners = self.of.get(path)
        return owners[0] if owners else self._listed.get(path)

    def free(self) -> list[str]:
        """Return the paths that nobody owns as yet."""
        return sorted(path for path in self.tree.sizes if path not in self.of)
