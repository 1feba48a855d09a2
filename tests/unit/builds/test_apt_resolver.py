"""Is what apt says read as a lock: suites, entries, and which versions are security updates?"""

from __future__ import annotations

import pytest

from sparkyard.builds.apt_resolver import parse
from sparkyard.errors import MirrorError

SAID = """ca-certificates | 20250419 | http://deb.debian.org/debian trixie/main amd64 Packages
   openjdk | 8u504-1 | http://deb.debian.org/debian sid/main amd64 Packages
   openjdk | 8u500-1 | http://deb.debian.org/debian bookworm/main amd64 Packages
      libx | 1:2~rc-1+deb13u1 | https://x/y trixie-security/main amd64 Packages
Package: openjdk
Architecture: amd64
Version: 8u504-1
Depends: libx
Filename: pool/main/o/openjdk/openjdk_8u504-1_amd64.deb
Size: 12
SHA256: {a}
Description: Java
 many lines
 .

Package: libx
Version: 1:2~rc-1+deb13u1
Architecture: all
Filename: pool/updates/main/libx/libx_2~rc-1+deb13u1_all.deb
Size: 34
SHA256: {b}

""".replace("{a}", "a" * 64).replace("{b}", "b" * 64)

TWICE = """libz | 1-1+deb13u1 | http://deb.debian.org/debian trixie/main amd64 Packages
libz | 1-1+deb13u1 | https://x/y trixie-security/main amd64 Packages
Package: libz
Version: 1-1+deb13u1
Architecture: amd64
Filename: {path}
Size: 1
SHA256: {c}

""".replace("{c}", "c" * 64)


def test_what_apt_would_install_is_read_with_its_suites() -> None:
    found = parse(SAID, "base")
    libx, java = found.debs
    assert (java.name, java.suite, java.size, java.sha256) == ("openjdk", "sid", 12, "a" * 64)
    assert (libx.version, libx.suite) == ("1:2~rc-1+deb13u1", "trixie-security")
    assert found.secured == {"libx": {"1:2~rc-1+deb13u1"}}
    assert found.entries["openjdk"].startswith("Package: openjdk\n")
    assert found.entries["openjdk"].endswith(" .")


@pytest.mark.parametrize(
    ("path", "suite"),
    [("pool/main/libz.deb", "trixie"), ("pool/updates/main/libz.deb", "trixie-security")],
)
def test_a_version_in_two_archives_is_of_the_one_that_its_path_is_in(path: str, suite: str) -> None:
    (libz,) = parse(TWICE.replace("{path}", path), "base").debs
    assert (libz.suite, libz.path) == (suite, path)


def test_an_entry_without_a_digest_is_refused() -> None:
    with pytest.raises(MirrorError, match=r"SHA256.*openjdk 8u504-1"):
        parse(SAID.replace(f"SHA256: {'a' * 64}\n", ""), "base")
