"""Does s3a:// work against a real S3 server, from the driver and from the executors?"""

from __future__ import annotations

import io
import subprocess
import tarfile

import pytest

from sparkyard.services import s3_server
from tests.e2e.cluster import BUCKET, S3, Cluster
from tests.notebook import Cell

PLACE = f"s3a://{BUCKET}/round/trip"


def settings(s3: S3, prefix: str = "spark.hadoop.fs.s3a.") -> dict[str, str]:
    """Return the Spark configuration with which a site names its S3 server."""
    return {
        **s3_server.settings(s3.endpoint, prefix),
        f"{prefix}retry.limit": "2",
        f"{prefix}attempts.maximum": "2",
    }


def stored(s3: S3) -> list[str]:
    """Return the objects that the server has, read off its own disk."""
    argv = ["docker", "cp", f"{s3.container.id}:/data/{BUCKET}", "-"]
    archive = subprocess.run(argv, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        return sorted(f"s3a://{m.name}" for m in members if m.isfile())


@pytest.fixture(scope="module")
def cells(cluster: Cluster, s3: S3, number: int) -> dict[str, Cell]:
    """The notebook that writes and reads, after one run of it."""
    environment = {"TEST_NUMBER": str(number), "TEST_PLACE": PLACE, **s3.credentials}
    return cluster.run_notebook(
        "s3a", "python3", settings=settings(s3), environment=environment, seconds=180
    )


def test_what_was_written_is_read_back(cells: dict[str, Cell], number: int) -> None:
    assert cells["write"].result == "written"
    assert cells["read"].result == {
        str(part): [len(range(part, 10_000, 3)), sum(range(part, 10_000, 3)) * number]
        for part in range(3)
    }


def test_executors_read_objects(cells: dict[str, Cell]) -> None:
    assert cells["read by tasks in python"].result == ["PAR1"]  # Parquet's magic number


def test_the_listing_is_what_the_server_has(cells: dict[str, Cell], s3: S3) -> None:
    listed = cells["list"].result
    assert listed == stored(s3)
    kinds = sorted(name.removeprefix(PLACE).split("-")[0] for name in listed)
    assert kinds == ["/_SUCCESS", "/part", "/part", "/part"]


def test_the_server_refuses_other_credentials(cluster: Cluster, s3: S3) -> None:
    wrong = {**s3.credentials, "AWS_SECRET_ACCESS_KEY": "x" * 40, "TEST_PLACE": PLACE}
    refused = cluster.run_notebook(
        "s3a_delete", "python3", settings=settings(s3), environment=wrong, seconds=180
    )
    assert "AccessDenied" in refused["delete"].error or "403" in refused["delete"].error
    assert stored(s3), "somebody without the secret deleted objects"


def test_what_is_deleted_is_gone(cells: dict[str, Cell], cluster: Cluster, s3: S3) -> None:
    assert cells["write"].result == "written"
    environment = {"TEST_PLACE": PLACE, **s3.credentials}
    told = cluster.run_notebook(
        "s3a_delete", "python3", settings=settings(s3), environment=environment, seconds=180
    )
    assert told["delete"].result == [True, True, False]
    assert stored(s3) == []
