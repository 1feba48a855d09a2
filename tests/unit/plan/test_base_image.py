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
from sparkyard.errors import CommandFailedError, MirrorError, NetworkError, StaleLockError
from sparkyard.fetch import debs, store
from sparkyard.fetch.debs import Missing
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
    monkeypatch.setattr(debs, "fetch", lambda *_: Missing())
    monkeypatch.setattr(store, "link", lambda _, target: target.write_text("a package"))
    return place()


def place() -> Path:
    """Where the root file system of what is locked now is kept."""
    lock = apt_lock.locked(STACK, "debian")
    return paths.cache() / "base" / f"trixie-{lock.content[:12]}"


def root_file_system(file: Path, version: str) -> None:
    """Write one in which libc6 is installed in that version."""
    status = f"Package: libc6\nStatus: install ok installed\nVersion: {version}\n\n".encode()
    with tarfile.open(file, "w") as archive:
        member = tarfile.TarInfo("./var/lib/dpkg/status")
        member.size = len(status)
        archive.addfile(member, io.BytesIO(status))


def commands(
    monkeypatch: pytest.MonkeyPatch, ended: Completed, *, version: str = "2.41-1"
) -> list[list[str]]:
    """Let every command end like that; a bootstrap that ends well installs libc6 in a version."""
    asked: list[list[str]] = []

    def run(argv: list[str], **_: object) -> Completed:
        if argv[0] == "dpkg-deb":
            return Completed(0, "Package: libc6\nVersion: 2.41-1\n", "")
        asked.append(argv)
        if argv[0] == "mmdebstrap" and ended.exit_code == 0:
            root_file_system(Path(argv[-2]), version)
            archive = Path(argv[-1].split()[2].removeprefix("copy:"))
            asked.append([(archive / name).read_text() for name in ("Packages", "Release")])
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
    bootstrap, (packages, release) = asked
    assert bootstrap[0] == "mmdebstrap"
    assert bootstrap[-3] == "trixie"
    assert "Filename: ./libc6_amd64.deb\nSize: 1000\nSHA256: " in packages
    assert release.startswith("Codename: trixie\n")
    assert (first.context, first.rootfs) == ("target:debian", cache)
    assert first.identity.startswith("bootstrapped debian:trixie sha256:")
    assert sorted(file.name for file in cache.iterdir()) == ["rootfs.sha256", "rootfs.tar"]


def test_a_bootstrap_asks_no_host(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = commands(monkeypatch, Completed(0, "", ""))
    base_image.provide(STACK, replace(SETTINGS, apt_mirror="https://mine/debian"))
    assert cache.is_dir()
    assert asked[0][-1].startswith("deb [trusted=yes] copy:/")
    assert "mine" not in " ".join(asked[0])


def test_a_bootstrap_that_fails_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands(monkeypatch, Completed(1, "", "E: dpkg was interrupted"))
    with pytest.raises(CommandFailedError, match="trixie") as failure:
        base_image.provide(STACK, SETTINGS)
    assert "dpkg was interrupted" in failure.value.detail
    assert list(cache.iterdir()) == []
    assert base_image.known(STACK, SETTINGS) is None


def test_locked_packages_that_are_gone_are_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = commands(monkeypatch, Completed(0, "", ""))
    monkeypatch.setattr(debs, "fetch", lambda *_: Missing((deb("libc6", "2.41-1"),)))
    with pytest.raises(MirrorError, match=r"libc6 2\.41-1"):
        base_image.provide(STACK, SETTINGS)
    assert asked == []
    assert not cache.exists()


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


def test_a_lock_that_does_not_name_all_of_debian_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands(monkeypatch, Completed(0, "", ""), version="2.41-2")
    with pytest.raises(StaleLockError, match=r"libc6: 2\.41-1 is locked, 2\.41-2 is there"):
        base_image.provide(STACK, SETTINGS)
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("cache")
def test_a_base_of_another_lock_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    commands(monkeypatch, Completed(0, "", ""))
    base_image.provide(STACK, SETTINGS)
    apt_lock.write(STACK, "debian", [deb("libc6", "2.41-9")], datetime(2026, 2, 2, tzinfo=UTC))
    assert base_image.known(STACK, SETTINGS) is None
    asked = commands(monkeypatch, Completed(0, "", ""), version="2.41-9")
    base_image.provide(STACK, SETTINGS)
    assert asked[0][0] == "mmdebstrap"


@pytest.mark.usefixtures("cache")
def test_nothing_of_this_machine_stays_in_a_bootstrapped_base(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = commands(monkeypatch, Completed(0, "", ""))
    base_image.provide(STACK, SETTINGS)
    (hook,) = [word for word in asked[0] if word.startswith("--customize-hook=")]
    for part in ("hostname", "resolv.conf", "deb http://deb.debian.org/debian trixie main"):
        assert part in hook
