"""Which package does each file of this machine belong to? The whole document."""

from __future__ import annotations

from typing import Any

from sparkyard.facts.inside.properties import assignments
from sparkyard.facts.ownership_collector import SCHEMA, built_files, debian_files, package_files
from sparkyard.facts.ownership_collector.owners import Owners, Tree, shown

_UNACCOUNTED_LIMIT = 500


def account(label: str = "{}", root: str = "/") -> tuple[Owners, dict[str, Any]]:
    """Return who owns what below `root`, and the packages.

    Args:
        label: what the image says of its build: see `built_files.Build`.
        root: a directory that is taken for /.
    """
    owners = Owners(Tree(root))
    # In this order: the first owner of a file is the one that it counts for.
    packages = debian_files.claim_listed(owners)
    components = {
        "debian": packages,
        "python": package_files.claim_recorded(owners),
        "r": package_files.claim_r_packages(owners),
        "jars": package_files.claim_jars(owners),
    }
    times = built_files.claim_copied(owners, built_files.Build(label))
    debian_files.claim_links(owners)
    package_files.claim_byte_code(owners)
    debian_files.claim_generated(owners, packages)
    built_files.claim_made(owners, times)
    return owners, components


def collect(label: str = "{}", root: str = "/") -> dict[str, Any]:
    """Return the whole document for the tree below `root`; see `account`."""
    owners, components = account(label, root)
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
        "distribution": [release.get("ID", ""), release.get("VERSION_ID", "")],
        "total": {"files": len(sizes), "bytes": sum(sizes.values())},
        "covered": {"files": len(owners.of), "bytes": sum(sizes[path] for path in owners.of)},
        "rules": owners.rules,
        "unaccounted": [shown(path) for path in owners.free()[:_UNACCOUNTED_LIMIT]],
        "owners": counts,
        **components,
    }
