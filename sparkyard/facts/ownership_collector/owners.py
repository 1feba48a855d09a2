"""Who owns which file?"""

from __future__ import annotations

from sparkyard.facts.ownership_collector.tree import Tree


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
