"""Are ROOT files on S3 read into a DataFrame by the packages of the group hep, on both sides?"""

from __future__ import annotations

import pytest

from tests.e2e.cluster import BUCKET, S3
from tests.kubernetes.driver import Notebook
from tests.kubernetes.storage import settings
from tests.notebook import Cell


@pytest.fixture(scope="module")
def cells(outside: Notebook, s3: S3, number: int) -> dict[str, Cell]:
    """The notebook that makes ROOT files and reads them, after one run of it."""
    environment = {"TEST_NUMBER": str(number), "TEST_PLACE": f"s3a://{BUCKET}/root"}
    environment |= {**s3.credentials, "SPARK_EXECUTOR_INSTANCES": "1"}
    return outside.run("hep", settings=settings(s3), environment=environment)


def test_every_event_is_read_as_it_was_written(cells: dict[str, Cell]) -> None:
    written, found = cells["file"].result, cells["read"].result
    assert len(found) == 3
    for there, here in zip(found, written, strict=True):
        assert there == pytest.approx(here, rel=1e-6)


def test_executors_read_with_the_drivers_versions(cells: dict[str, Cell]) -> None:
    told = cells["where it ran"].result
    host, *versions = told["driver"]
    assert told["executors"]
    assert host not in [each[0] for each in told["executors"]]
    assert {tuple(each[1:]) for each in told["executors"]} == {tuple(versions)}
