"""Which Debian packages are here, what needs what, and are their files what was installed?"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any

from sparkyard.facts.collector.inspection import Hashes, hash_of_listing
from sparkyard.facts.collector.tree import Tree, is_unread
from sparkyard.facts.inside.files import list_dir, read_text
from sparkyard.facts.inside.packages import DPKG, of_debian

_CONFFILE = re.compile(r"(?m)^ (/\S+) ([0-9a-f]{32})")
_MANY = 40
"""Files of a package that are named where they are not what was installed."""


def debian_facts(seen: Tree, hashes: Hashes) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what is written about each package, and the owner of each file that one has."""
    packages = of_debian()
    owners: dict[str, str] = {}
    installed: dict[str, dict[str, str]] = {}
    for name in list_dir(f"{DPKG}/info"):
        stem, _, kind = name.rpartition(".")
        key = stem if stem in packages else stem.partition(":")[0]
        if key not in packages or kind not in ("list", "md5sums"):
            continue
        for line in (read_text(f"{DPKG}/info/{name}") or "").splitlines():
            md5, _, path = line.partition("  ") if kind == "md5sums" else ("", "", line)
            if is_unread(f"/{path.lstrip('/')}"):
                continue
            place = seen.places.place(f"/{path.lstrip('/')}")
            if kind == "md5sums":
                installed.setdefault(key, {})[place] = md5
            elif kind == "list" and (place in seen.files or place in seen.links):
                owners.setdefault(place, key)
    for key, fields in packages.items():
        for path, md5 in _CONFFILE.findall(fields.get("Conffiles", "")):
            installed.setdefault(key, {})[seen.places.place(path)] = md5
    hashes.add((path for path in owners if path in seen.files), md5=True)
    own: dict[str, set[str]] = {key: set() for key in packages}
    for path, key in owners.items():
        own[key].add(path)
    written = {
        key: {
            "version": fields.get("Version", ""),
            "section": fields.get("Section", "").rpartition("/")[2],
            "needs": _names(f"{fields.get('Depends', '')},{fields.get('Pre-Depends', '')}"),
            "provides": _names(fields.get("Provides", "")),
            **_compared(seen, hashes, own[key], installed.get(key, {})),
        }
        for key, fields in packages.items()
    }
    return written, owners


def _names(relations: str) -> list[str]:
    """Return the packages that a field of relations names, alternatives as one text."""
    wanted = (
        " | ".join(re.sub(r"[ (:\[].*", "", each.strip()) for each in alternatives.split("|"))
        for alternatives in relations.split(",")
    )
    return sorted(set(filter(None, wanted)))


def _compared(
    seen: Tree, hashes: Hashes, own: set[str], installed: dict[str, str]
) -> dict[str, Any]:
    """Return one hash of what was installed, and the files that are otherwise, by path."""
    lines: list[str] = []
    other: dict[str, str] = {}
    for path in own:
        if path in seen.links:
            lines.append(f"{path} -> {seen.links[path]}")
            continue
        md5, shown = installed.get(path), seen.shown(path, hashes)
        _, *rights = shown.split()
        if md5 is None:
            lines.append(f"{path} {shown}")
            continue
        # The line has what was installed: a file that differs from it is named in `other`.
        lines.append(f"{path} {md5} {' x' if 'x' in rights else ''}")
        if hashes.md5(path) != md5 or rights not in ([], ["x"]):
            other[path] = shown
    lines += [f"{path} {md5} " for path, md5 in installed.items() if path not in own]
    gone = [path for path in installed if path not in own and not os.path.lexists(path)]
    other |= dict.fromkeys(gone, "not there")
    named = dict(sorted(other.items())[:_MANY])
    if len(other) > len(named):
        named[f"and {len(other) - len(named)} more"] = hash_of_listing(other)
    return {
        "sha256": hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest(),
        "files": len(own),
        "altered": named,
    }
