"""What is there that no package accounts for: files, links, compiled Python, the loader's cache?"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from sparkyard.facts.collector.inspection import Hashes, run
from sparkyard.facts.collector.tree import Tree
from sparkyard.facts.inside.files import sha256 as file_sha256

_HEADER = 16
"""Bytes of a compiled file before its code (PEP 552): when and of what it was made."""

_DIGITS = 12
"""Of a hash that is compared with one other, and not looked up: see `sparkyard.plan.inputs`."""

BUILT = ", as it was built"
"""The mark of a file that an image's own build copied."""

_CACHED = re.compile(r"^\s+(\S+) \(([^)]*)\) => (\S+)$", re.MULTILINE)


def file_facts(
    seen: Tree, hashes: Hashes, owners: Mapping[str, str], claimed: Callable[[str], bool]
) -> dict[str, Any]:
    """Return what is written about files that belong to no package.

    Args:
        seen: all files.
        hashes: of those that are known already.
        owners: the Debian package of each file that has one.
        claimed: tells whether a file is a fact of its own elsewhere.
    """
    compiled = [path for path in seen.files if path.endswith(".pyc") and "/__pycache__/" in path]
    known = {*compiled, *owners}
    loose = [path for path in seen.files if path not in known and not claimed(path)]
    hashes.add(loose)
    shown = {path: seen.shown(path, hashes) for path in loose}
    made_for = {}
    for path, target in seen.links.items():
        if path not in owners and not claimed(path):
            shown[path] = f"-> {target}"
            if owner := owners.get(os.path.realpath(path)):
                made_for[path] = owner
    shown |= dict.fromkeys(seen.closed, "a directory that is not readable")
    shown |= seen.passed_over
    return {
        "files": shown,
        "made_for": made_for,
        "compiled": _compiled(compiled),
        "libraries": _libraries(owners),
    }


def as_built(files: Mapping[str, str], label: str) -> dict[str, str]:
    """Return files with a mark at each that an image's build copied, as its label says."""
    try:
        digests = {str(value) for value in json.loads(label).values()}
    except (ValueError, AttributeError):
        digests = set()
    marked = {}
    for path, shown in files.items():
        # A build step may give a file another mode than it has in the checkout.
        copied = digests.intersection(
            (file_sha256(path, start=mode) or "")[:_DIGITS]
            for mode in (b"-", b"x")
            if digests and "->" not in shown
        )
        marked[path] = f"{shown}{BUILT}" if copied else shown
    return marked


def _compiled(paths: list[str]) -> dict[str, dict[str, str]]:
    """Return the hash of each compiled file's code, by directory and name."""
    found: dict[str, dict[str, str]] = {}
    for path in paths:
        directory, name = os.path.split(path)
        try:
            with open(path, "rb") as file:
                code = sha256(file.read()[_HEADER:]).hexdigest()[:_DIGITS]
        except OSError:
            code = "not readable"
        found.setdefault(directory.removesuffix("/__pycache__"), {})[name] = code
    return found


def _libraries(owners: Mapping[str, str]) -> dict[str, str]:
    """Return which file the loader's cache gives for a library, and that file's package."""
    out, _, _ = run("/sbin/ldconfig", "-p")
    return {
        f"{name} ({kind})": f"{path} {owners.get(os.path.realpath(path), '')}".rstrip()
        for name, kind, path in reversed(_CACHED.findall(out))
    }
