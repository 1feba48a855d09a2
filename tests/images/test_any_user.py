"""Does Spark run on both sides as any user on a read-only root, as Kubernetes may start it?

That any user has a name and a Python in every image is a test of base (base/test_base_user.py).
"""

from __future__ import annotations

import pytest

from tests.images.users import ANY_USERS, READ_ONLY, SPARK_JOB
from tests.support import Lab, must


@pytest.mark.parametrize("who", ANY_USERS)
@pytest.mark.parametrize("side", ["driver_image", "executor_image"])
def test_a_spark_job_runs_as_any_user_on_a_read_only_root(
    lab: Lab, request: pytest.FixtureRequest, side: str, who: str
) -> None:
    image: str = request.getfixturevalue(side)
    options = ["--user", who, *READ_ONLY]
    ended = lab.once(image, "python", "-", "300", options=options, stdin=SPARK_JOB)
    uid, gid = who.split(":")
    assert must(ended) == f"{uid} {gid} jovyan-{uid} {sum(range(301))}"
