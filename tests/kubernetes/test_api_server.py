"""Does a session outlive a restart of the API server in mid-job?

Nightly, as a restart disturbs all that runs on the cluster. That the way to the server breaks off
in mid-job is among what tests of losses prove.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sparkyard.command import run
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Kube
from tests.kubernetes.test_losses import (
    LOST,
    Session,
    assert_nothing_is_left,
    broken_way,
    expected,
)

pytestmark = pytest.mark.nightly

RESTART = "SPARKYARD_TEST_RESTART_API_SERVER"
"""A command that restarts the cluster's API server: another one for each kind of cluster."""


@contextmanager
def outage(kube: Kube) -> Iterator[tuple[Callable[[], None], dict[str, str]]]:
    """Give what makes the API server go away and come back, and a notebook's variables for it.

    Where nobody says how to restart the server, it is the way to it that breaks off.
    """
    if command := os.environ.get(RESTART):

        def restart() -> None:
            run(["sh", "-c", command], timeout=120)
            ready = ["get", "--raw", "/readyz"]
            kube.wait_for(lambda: kube.ctl(*ready, check=False).exit_code == 0, "API server")

        yield restart, {}
        return
    with broken_way(kube) as way:
        yield way


def test_a_job_outlives_an_api_server_that_goes_away(outside: Notebook, number: int) -> None:
    with outage(outside.kube) as (happens, environment):
        told = Session(outside, number).run(happens, environment)
    for job in LOST:
        assert told[job].result == expected(number), told[job].seen
    assert told["stop"].result == "stopped"
    assert_nothing_is_left(outside.kube)
