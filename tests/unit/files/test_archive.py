"""Does an unpacked archive stay in its place?"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from sparkyard.files import archive


def made(*members: tuple[str, bytes]) -> tarfile.TarFile:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as made:
        for name, kind in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = "/etc/passwd"
            member.size = len(name) if kind == tarfile.REGTYPE else 0
            made.addfile(member, io.BytesIO(name.encode()))
    return tarfile.open(fileobj=io.BytesIO(written.getvalue()))


def test_files_are_written_below_the_place(tmp_path: Path) -> None:
    with made(("a/b/c", tarfile.REGTYPE), ("./d", tarfile.REGTYPE)) as opened:
        archive.unpack(opened, tmp_path / "place")
    assert (tmp_path / "place/a/b/c").read_text() == "a/b/c"
    assert (tmp_path / "place/d").read_text() == "./d"


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    place = tmp_path / "place"
    with made((name, tarfile.REGTYPE)) as opened, pytest.raises(tarfile.TarError, match="out of"):
        archive.unpack(opened, place)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_what_is_no_file_is_left_out(tmp_path: Path, kind: bytes) -> None:
    with made(("x", kind)) as opened:
        archive.unpack(opened, tmp_path)
    assert list(tmp_path.iterdir()) == []
