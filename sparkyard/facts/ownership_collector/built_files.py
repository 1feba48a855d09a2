"""Which files did Sparkyard's build make?

The label of an image says from which files it was built, by digests of their contents, and at which
time the newest of its layers was settled. A file with one of these contents came by the build, and
so did the link to Python in the environment that the label names. Each build step gives all that it
makes one time: so every other file with the time of such a one came by the build, too.
"""

from __future__ import annotations

import json
import os

from sparkyard.facts.inside.files import sha256
from sparkyard.facts.ownership_collector.owners import Owners

_OWNER = "sparkyard:"
_DIGITS = 12
"""Hexadecimal digits of a digest: see `sparkyard.plan.inputs`."""

_BOOTSTRAPPED = ("/etc/apt/sources.list", "/etc/dpkg/dpkg.cfg.d/99mmdebstrap", "/etc/fstab")
"""What mmdebstrap writes where no registry has Debian's image: files of no package."""


class Build:
    """What the label says of an image's build: nothing of an image that Sparkyard did not build."""

    def __init__(self, label: str) -> None:
        """Read the label's JSON, {"path": "digest", "ARGUMENT": "value"}."""
        try:
            inputs = {str(key): str(value) for key, value in json.loads(label).items()}
            self.newest = int(inputs.get("SOURCE_DATE_EPOCH", 0))
        except (ValueError, AttributeError):
            inputs, self.newest = {}, 0
        self.digests = set(inputs.values())
        self.prefix = inputs.get("PREFIX", "")


def claim_copied(owners: Owners, build: Build) -> set[int]:
    """Claim files that the build copied; return the times that its steps gave to their files."""
    tree, times = owners.tree, set()
    for path in owners.free() if build.digests else ():
        file = tree.root + path
        if tree.sizes[path] and any(
            (sha256(file, start=mode) or "")[:_DIGITS] in build.digests for mode in (b"-", b"x")
        ):
            owners.claim(path, _OWNER, "Sparkyard's own")
            times.add(int(os.lstat(file).st_mtime))
        elif path in _BOOTSTRAPPED:
            owners.claim(path, _OWNER, "Sparkyard's own")
    python = f"{build.prefix}/bin/python"
    if python in tree.links:
        times.add(int(os.lstat(tree.root + python).st_mtime))
    # A child image may copy such a file, later.
    return {time for time in times if time <= build.newest}


def claim_made(owners: Owners, times: set[int]) -> None:
    """Claim what the build's steps made: links, the virtual environment, composed files."""
    for path in owners.free():
        if int(os.lstat(owners.tree.root + path).st_mtime) in times:
            owners.claim(path, _OWNER, "Sparkyard's own")
