"""Which tests run one after the other, and which beside others? Those of a lane share a worker.

A lane is a file, unless files share what is dear to start, or disturb each other. The longest lanes
begin first, so that the short ones fill what is left of the time.
"""

from __future__ import annotations

from xdist.scheduler.loadscope import LoadScopeScheduling

HALF = ("applications_on_s3", "client_mode", "cluster_mode", "configuration", "data")
"""Files of tests/kubernetes that take half of the time there; all that need an S3 server."""

LANES = {
    **{f"tests/kubernetes/test_{file}.py": "half of kubernetes" for file in HALF},
    "tests/kubernetes": "kubernetes",
    "tests/e2e/test_notebook": "standalone cluster",
    "tests/e2e/test_s3a.py": "standalone cluster",
    "tests/e2e/gcs": "standalone cluster",
    "tests/images": "images",
}
"""Beginnings of paths with the lane of the tests there; the first that fits counts."""


def lane(test: str, *, nightly: bool = False) -> str:
    """Return the lane of a test by its node ID: its file where nothing else is said.

    Args:
        nightly: whether it runs beside nightly tests, one of which stops the cluster's API server:
            the cluster has one lane then.
    """
    named = (name for beginning, name in LANES.items() if test.startswith(beginning))
    found = next(named, test.partition("::")[0])
    return LANES["tests/kubernetes"] if nightly and found == "half of kubernetes" else found


class ByLane(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each lane to a worker, in the order in which tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return lane(nodeid, nightly=bool(self.config.getoption("nightly")))
