"""Which tests run one after the other, and which beside others? Those of a lane share a worker.

A lane is a file, unless files share what is dear to start, or disturb each other. The longest lanes
begin first, so that the short ones fill what is left of the time.
"""

from __future__ import annotations

from xdist.scheduler.loadscope import LoadScopeScheduling

LANES = {
    "tests/kubernetes": "kubernetes",
    "tests/e2e/test_notebook": "standalone cluster",
    "tests/e2e/test_s3a.py": "standalone cluster",
    "tests/e2e/test_hep.py": "standalone cluster",
    "tests/e2e/gcs": "standalone cluster",
    "tests/images": "images",
}
"""Beginnings of paths with the lane of the tests there; the first that fits counts."""


def lane(test: str) -> str:
    """Return the lane of a test by its node ID: its file where nothing else is said."""
    named = (name for beginning, name in LANES.items() if test.startswith(beginning))
    return next(named, test.partition("::")[0])


class ByLane(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each lane to a worker, in the order in which tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid)
