"""Which files do Python distributions record, and whose is compiled Python?"""

from __future__ import annotations

import os
import re
from typing import Any

from sparkyard.facts.inside import distributions
from sparkyard.facts.ownership_collector.owners import Owners
from sparkyard.facts.ownership_collector.tree import Tree


def claim_recorded(owners: Owners) -> list[dict[str, Any]]:
    """Claim what distributions record; return them, without those inside another package."""
    tree = owners.tree
    infos = set()
    for path in tree.sizes:
        parent, name = os.path.split(path)
        if name in distributions.METADATA and parent.endswith(distributions.SUFFIXES):
            infos.add(parent)
        elif name.endswith(".egg-info"):
            infos.add(path)
    claims = {info: _recorded(tree, info) for info in sorted(infos)}
    claimed = {tree.place(path): info for info, paths in claims.items() for path in paths}
    described = []
    for info, paths in claims.items():
        places = (info, *(f"{info}/{name}" for name in distributions.METADATA))
        metadata = [path for path in places if path in tree.sizes]
        others = {claimed.get(tree.place(path), info) for path in metadata} - {info}
        if others or any(path in owners.of for path in metadata):
            continue  # copied into another distribution, or a Debian package's
        for path in paths:
            owners.claim(path, f"python:{info}", "recorded")
        described.append(_described(info, tree.read(metadata[0]) or ""))
    return described


def claim_byte_code(owners: Owners) -> None:
    """Claim compiled Python for the owner of its source."""
    for path in owners.free():
        if not path.endswith(".pyc"):
            continue
        directory, name = os.path.split(path)
        source = path[:-1]
        if os.path.basename(directory) == "__pycache__":
            stem = re.sub(r"\.[\w-]+(\.opt-\w+)?\.pyc$", "", name)
            source = os.path.join(os.path.dirname(directory), stem + ".py")
        if source in owners.of:
            owners.claim(path, owners.of[source][0], "byte code")


def _recorded(tree: Tree, info: str) -> list[str]:
    """Return the paths that a distribution says are its own."""
    directory = os.path.dirname(info)
    paths = [info] if info in tree.sizes else []
    record = tree.read(info + "/RECORD")
    if record is not None:
        rows = distributions.recorded(record)
        return paths + [os.path.join(directory, path) for path, _ in rows]
    installed = tree.read(info + "/installed-files.txt")
    if installed is not None:
        return paths + [os.path.join(info, line) for line in installed.splitlines() if line]
    modules = (tree.read(info + "/top_level.txt") or "").split()
    modules = modules or [re.split(r"-\d", os.path.basename(info))[0]]
    starts = (info + "/", *(os.path.join(directory, module) + "/" for module in modules))
    files = {os.path.join(directory, module) + ".py" for module in modules}
    return paths + [path for path in tree.sizes if path.startswith(starts) or path in files]


def _described(info: str, metadata: str) -> dict[str, Any]:
    """Return name, version and what is said about the licence, the best statement first."""
    fields = distributions.header(metadata)
    name, version = distributions.name_and_version(info, fields)
    classifiers = distributions.values(fields, "Classifier")
    return {
        "id": f"python:{info}",
        "directory": os.path.dirname(info),
        "name": name,
        "version": version,
        "licences": [
            *distributions.values(fields, "License-Expression"),
            *(value for value in classifiers if value.startswith("License ::")),
            *distributions.values(fields, "License"),
        ],
    }
