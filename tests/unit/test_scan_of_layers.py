"""Does the scan of an image's layers refuse what it is there for?"""

from __future__ import annotations

import io
import tarfile

from tests.images.layers import certificates, look_through

CERTIFICATE = b"-----BEGIN CERTIFICATE-----\n" + b"A" * 64 + b"\n" + b"B" * 64 + b"\n"


def archive(files: dict[str, bytes], mode: int = 0o644) -> io.BytesIO:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            made.addfile(member, io.BytesIO(content))
    written.seek(0)
    return written


def test_the_scan_refuses_what_it_is_there_for() -> None:
    files = {
        "var/lib/apt/lists/mirror_Packages": b"",
        "root/.cache/uv/a": b"",
        "etc/apt/sources.list": b"deb https://mirror.example/debian x main",
        "etc/ssl/site.crt": CERTIFICATE,
        "fine": b"nothing",
    }
    foreign = certificates(CERTIFICATE)
    seen = look_through(archive(files, mode=0o4755), [b"mirror.example"], foreign)
    assert seen.forbidden == ["var/lib/apt/lists/mirror_Packages", "root/.cache/uv/a"]
    assert seen.secrets == [
        "etc/apt/sources.list: mirror.example",
        "etc/ssl/site.crt: a certificate of this site",
    ]
    assert seen.setuid == files.keys()
