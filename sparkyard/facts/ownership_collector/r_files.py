"""Which files lie in installed R packages?"""

from __future__ import annotations

import os
from typing import Any

from sparkyard.facts.inside import r
from sparkyard.facts.ownership_collector.owners import Owners


def claim_r_packages(owners: Owners) -> list[dict[str, Any]]:
    """Claim the directories of installed R packages; return the packages."""
    tree = owners.tree
    packages = []
    for path in sorted(tree.sizes):
        directory, name = os.path.split(path)
        if name != "DESCRIPTION":
            continue
        fields = r.description(tree.read(path) or "")
        # R's own catalogues of messages are installed without having been built.
        built = "Built" in fields or fields.get("License", "").startswith("Part of R ")
        if not built or fields.get("Package") != os.path.basename(directory):
            continue
        key = f"r:{directory}"
        packages.append(
            {
                "id": key,
                "name": fields["Package"],
                "version": fields.get("Version", "?"),
                "licences": [fields["License"]] if "License" in fields else [],
                "parent": owners.first(path),
            }
        )
        for inside in tree.sizes:
            if inside.startswith(directory + "/"):
                owners.claim(inside, key, "R package")
    return packages
