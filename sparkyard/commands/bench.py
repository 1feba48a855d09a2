"""Measure builds, images, pushes and a cluster as ratios in one run; write bench/results/.

Spark on Kubernetes is measured where that part is asked for, on the cluster that KUBECONFIG names.
It takes some minutes; the builds empty the engine's build cache.
"""

from __future__ import annotations

import sys

from sparkyard import bootstrap


def main(argv: list[str]) -> int:
    """Run bench/ in a process of its own, and return its exit code."""
    return bootstrap.call([sys.executable, "-m", "bench", *argv])
