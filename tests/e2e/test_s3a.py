"""Does s3a:// work against a real S3 server, from the driver and from the executors?"""

from __future__ import annotations

import io
import subprocess
import tarfile

import pytest

from tests.e2e.cluster import BUCKET, S3, S3_PLACE
from tests.notebook import Cell


@pytest.fixture(scope="module")
def cells(python_cells: dict[str, Cell]) -> dict[str, Cell]:
    """The cells that wrote, read and deleted."""
    prefix = "s3a "
    return {
        title.removeprefix(prefix): cell
        for title, cell in python_cells.items()
        if title.startswith(prefix)
    }


def stored(s3: S3) -> list[str]:
    """Return the objects that the server has of these tests, read off its own disk."""
    argv = ["docker", "cp", f"{s3.container.id}:/data/{BUCKET}", "-"]
    archive = subprocess.run(argv, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        names = (f"s3a://{member.name}" for member in members if member.isfile())
        return sorted(name for name in names if name.startswith(f"{S3_PLACE}/"))


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
    kinds = sorted(name.removeprefix(f"{S3_PLACE}/kept").split("-")[0] for name in listed)
    assert kinds == ["/_SUCCESS", "/part", "/part", "/part"]


def test_what_is_deleted_is_gone(cells: dict[str, Cell], s3: S3) -> None:
    assert cells["delete"].result == [True, True, False]
    assert [name for name in stored(s3) if name.startswith(f"{S3_PLACE}/deleted")] == []


def test_the_server_refuses_other_credentials(cells: dict[str, Cell], s3: S3) -> None:
    refused = cells["delete with another secret"]
    assert "AccessDenied" in refused.error or "403" in refused.error
    assert len(stored(s3)) == 4, "somebody without the secret deleted objects"
