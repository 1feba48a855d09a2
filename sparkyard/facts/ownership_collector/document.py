"""Which package does each file of this machine belong to? The whole document."""

from __future__ import annotations

import json
import sys
from typing import Any

from sparkyard.facts.inside.properties import assignments
from sparkyard.facts.ownership_collector import SCHEMA
from sparkyard.facts.ownership_collector.built_files import Build, claim_copied, claim_made
from sparkyard.facts.ownership_collector.debian_files import (
    claim_generated,
    claim_links,
    claim_listed,
)
from sparkyard.facts.ownership_collector.jar_files import claim_jars
from sparkyard.facts.ownership_collector.owners import Owners
from sparkyard.facts.ownership_collector.python_files import claim_byte_code, claim_recorded
from sparkyard.facts.ownership_collector.r_files import claim_r_packages
from sparkyard.facts.ownership_collector.tree import Tree, shown

_UNACCOUNTED_LIMIT = 500


def account(root: str = "/", label: str = "{}") -> tuple[Owners, dict[str, Any]]:
    """Return who owns what below `root`, and the packages.

    Args:
        root: a directory that is taken for /.
        label: what the image says of its build: see `Build`.
    """
    owners = Owners(Tree(root))
    # In this order: the first owner of a file is the one that it counts for.
    packages = claim_listed(owners)
    components = {
        "debian": packages,
        "python": claim_recorded(owners),
        "r": claim_r_packages(owners),
        "jars": claim_jars(owners),
    }
    times = claim_copied(owners, Build(label))
    claim_links(owners)
    claim_byte_code(owners)
    claim_generated(owners, packages)
    claim_made(owners, times)
    return owners, components


def collect(root: str = "/", label: str = "{}") -> dict[str, Any]:
    """Return the whole document for the tree below `root`; see `account`."""
    owners, components = account(root, label)
    sizes = owners.tree.sizes
    counts: dict[str, dict[str, int]] = {}
    for path, owned_by in owners.of.items():
        for owner in owned_by:
            count = counts.setdefault(owner, {"files": 0, "bytes": 0})
            count["files"] += 1
            count["bytes"] += sizes[path]
    release = assignments(owners.tree.read("/etc/os-release") or "")
    return {
        "schema": SCHEMA,
        "os": {"id": release.get("ID", ""), "version": release.get("VERSION_ID", "")},
        "files": len(sizes),
        "bytes": sum(sizes.values()),
        "covered": len(owners.of),
        "covered_bytes": sum(sizes[path] for path in owners.of),
        "rules": owners.rules,
        "unaccounted": [shown(path) for path in owners.free()[:_UNACCOUNTED_LIMIT]],
        "owners": counts,
        **components,
    }


def main() -> None:
    """Write the document to standard output; the one argument is the label, if there is any."""
    json.dump(collect("/", *sys.argv[1:2]), sys.stdout, sort_keys=True)
    sys.stdout.write("\n")
