"""Is Debian pulled where it is pinned and answers, and bootstrapped where not?"""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.command import Completed
from sparkyard.errors import MirrorError, NetworkError
from sparkyard.locks import apt_lock
from sparkyard.plan import base_image
from sparkyard.settings import Settings
from tests.unit.small_family import STACK, deb, make

SETTINGS = Settings(ca_bundle="none")
DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make(tmp_path, monkeypatch)
    apt_lock.write(STACK, "debian", [deb("libc6", "2.41-1")], datetime(2026, 1, 2, tzinfo=UTC))
    monkeypatch.setattr(base_image, "pinned", lambda _: "")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    return paths.cache() / "base" / "trixie"


def root_file_system(file: Path, version: str) -> None:
    """Write one in which libc6 is installed in that version."""
    status = f"Package: libc6\nStatus: install ok installed\nVersion: {version}\n\n".encode()
    with tarfile.open(file, "w") as archive:
        member = tarfile.TarInfo("./var/lib/dpkg/status")
        member.size = len(status)
        archive.addfile(member, io.BytesIO(status))


def commands(
    monkeypatch: pytest.MonkeyPatch,
    ended: Completed,
    *,
    version: str = "2.41-1",
    snapshot: str = "",
) -> list[list[str]]:
    """Let every command end like that; a bootstrap that ends well writes its file.

    Args:
        monkeypatch: the test's.
        ended: how.
        version: the one of libc6 that the archive has.
        snapshot: the one that the snapshots have; they fail without.
    """
    asked: list[list[str]] = []

    def run(argv: list[str], **_: object) -> Completed:
        asked.append(argv)
        if argv[0] == "mmdebstrap":
            has = version if "snapshot" not in argv[-1] else snapshot
            if not has:
                return Completed(1, "", "E: Could not resolve")
            root_file_system(Path(argv[-2]), has)
        return ended

    monkeypatch.setattr(base_image, "run", run)
    return asked


def test_bootstraps_once_where_nothing_is_pinned(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = commands(monkeypatch, Completed(0, "", ""))
    assert base_image.known(STACK, SETTINGS) is None
    first = base_image.provide(STACK, SETTINGS)
    second = base_image.provide(STACK, SETTINGS)
    assert first == second == base_image.known(STACK, SETTINGS)
    assert [argv[0] for argv in asked] == ["mmdebstrap"]
    assert asked[0][-3] == "trixie"
    assert asked[0][-1] == "http://deb.debian.org/debian"
    assert (first.context, first.rootfs) == ("target:debian", cache)
    assert first.identity.startswith("bootstrapped debian:trixie sha256:")
    assert sorted(file.name for file in cache.iterdir()) == [
        "rootfs.packages",
        "rootfs.sha256",
        "rootfs.tar",
    ]


@pytest.mark.usefixtures("cache")
def test_bootstraps_from_the_mirror_with_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    asked = commands(monkeypatch, Completed(0, "", ""))
    base_image.provide(STACK, Settings(ca_bundle=str(bundle), apt_mirror="https://mine/debian"))
    assert asked[0][-1] == "https://mine/debian"
    assert f'--aptopt=Acquire::https::CAInfo "{bundle}"' in asked[0]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("E: Failed to fetch http://x  404  Not Found", MirrorError),
        ("E: File has unexpected size (1 != 2). Mirror sync in progress?", MirrorError),
        ("E: Hash Sum mismatch", MirrorError),
        ("E: Could not resolve 'deb.debian.org'", NetworkError),
        ("", NetworkError),
    ],
)
def test_a_bootstrap_that_fails_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch, said: str, error: type[Exception]
) -> None:
    commands(monkeypatch, Completed(1, "", said))
    with pytest.raises(error, match=r"deb\.debian\.org"):
        base_image.provide(STACK, SETTINGS)
    assert list(cache.iterdir()) == []
    assert base_image.known(STACK, SETTINGS) is None


def test_pulls_by_digest_where_the_registry_answers(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    (cache / "rootfs.tar").write_text("of an earlier time")
    monkeypatch.setattr(base_image, "pinned", lambda _: DIGEST)
    asked = commands(monkeypatch, Completed(0, DIGEST, ""))
    base = base_image.provide(STACK, SETTINGS)
    assert base.context == f"docker-image://docker.io/library/debian:trixie-slim@{DIGEST}"
    assert base.identity == f"pulled debian:trixie-slim@{DIGEST}"
    assert base.rootfs is None
    assert base == base_image.known(STACK, SETTINGS)
    assert not [argv for argv in asked if argv[0] == "mmdebstrap"]


@pytest.mark.usefixtures("cache")
def test_where_it_is_pulled_from_is_not_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_image, "pinned", lambda _: DIGEST)
    commands(monkeypatch, Completed(0, DIGEST, ""))
    here = base_image.provide(STACK, SETTINGS)
    there = base_image.provide(STACK, Settings(ca_bundle="none", base_registry="mine:5000/x"))
    assert there.context != here.context
    assert there.identity == here.identity


def test_reads_and_writes_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pins = tmp_path / "pins.toml"
    assert base_image.pinned(STACK, pins) == ""
    commands(monkeypatch, Completed(0, f'{{"digest": "{DIGEST}"}}', ""))
    assert base_image.pin(STACK, SETTINGS, pins) == DIGEST
    assert base_image.pinned(STACK, pins) == DIGEST
    assert pins.read_text().startswith("# Written by `nox -s pins`")


def test_no_pin_without_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands(monkeypatch, Completed(1, "", "no such host"))
    with pytest.raises(NetworkError, match="no such host"):
        base_image.pin(STACK, SETTINGS, tmp_path / "pins.toml")
    assert not (tmp_path / "pins.toml").exists()


def test_a_registry_that_falls_silent_brings_the_bootstrapped_one_back(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands(monkeypatch, Completed(0, "", ""))
    made = base_image.provide(STACK, SETTINGS)
    monkeypatch.setattr(base_image, "pinned", lambda _: DIGEST)
    assert base_image.provide(STACK, SETTINGS).rootfs is None
    asked = commands(monkeypatch, Completed(1, "", "no such host"))
    again = base_image.provide(STACK, SETTINGS)
    assert again == made == base_image.known(STACK, SETTINGS)
    assert (cache / "rootfs.tar").exists()
    assert asked


MOVED = "libc6: 2.41-1 is locked, 2.41-2 is there"


def test_what_the_archive_no_longer_has_is_bootstrapped_from_a_snapshot(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = commands(monkeypatch, Completed(0, "", ""), version="2.41-2", snapshot="2.41-1")
    base_image.provide(STACK, SETTINGS)
    assert [argv[-1] for argv in asked] == [
        "http://deb.debian.org/debian",
        "https://snapshot.debian.org/archive/debian/20260102T000000Z",
    ]
    assert base_image.installed(cache / "rootfs.tar") == {"libc6": "2.41-1"}


@pytest.mark.parametrize("snapshot", ["", "2.41-3"])
def test_a_base_that_moved_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch, snapshot: str
) -> None:
    commands(monkeypatch, Completed(0, "", ""), version="2.41-2", snapshot=snapshot)
    with pytest.raises(
        MirrorError, match=r"libc6: 2\.41-1 is locked, 2\.41-[23] is there"
    ) as refused:
        base_image.provide(STACK, SETTINGS)
    assert "nox -s dependencies" in refused.value.remedy
    assert "SPARKYARD_APT_MOVED=follow" in refused.value.remedy
    assert list(cache.iterdir()) == []


def test_a_base_that_moved_is_followed_aloud_where_that_is_wanted(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    follow = replace(SETTINGS, apt_moved="follow")
    commands(monkeypatch, Completed(0, "", ""), version="2.41-2")
    made = base_image.provide(STACK, follow)
    assert f"FOLLOWING the archive against the lock: {MOVED}" in capsys.readouterr().err
    assert base_image.known(STACK, follow) == made
    assert (cache / "rootfs.tar").exists()
    # It is not what is locked, so that it is made anew once nothing may be followed.
    assert base_image.known(STACK, SETTINGS) is None


@pytest.mark.usefixtures("cache")
def test_a_base_of_another_lock_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    commands(monkeypatch, Completed(0, "", ""))
    base_image.provide(STACK, SETTINGS)
    apt_lock.write(STACK, "debian", [deb("libc6", "2.41-9")], datetime(2026, 2, 2, tzinfo=UTC))
    assert base_image.known(STACK, SETTINGS) is None
    asked = commands(monkeypatch, Completed(0, "", ""), version="2.41-9")
    base_image.provide(STACK, SETTINGS)
    assert [argv[0] for argv in asked] == ["mmdebstrap"]


@pytest.mark.usefixtures("cache")
def test_nothing_of_this_machine_stays_in_a_bootstrapped_base(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = commands(monkeypatch, Completed(0, "", ""))
    base_image.provide(STACK, Settings(ca_bundle="none", apt_mirror="https://mine/debian"))
    (hook,) = [word for word in asked[0] if word.startswith("--customize-hook=")]
    for part in ("hostname", "resolv.conf", "deb http://deb.debian.org/debian trixie main"):
        assert part in hook
    assert "mine" not in hook
