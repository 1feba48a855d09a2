"""Where does Debian itself come from: pulled by digest, or bootstrapped from its locked packages?

The packages come from this machine's store, as files: what is installed is what the lock names,
and no archive is asked.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sparkyard import paths
from sparkyard.command import Completed, run
from sparkyard.errors import CommandFailedError, NetworkError, StaleLockError
from sparkyard.family.stack import Stack
from sparkyard.fetch import debs, store
from sparkyard.files import toml_file
from sparkyard.locks import apt_lock
from sparkyard.locks.apt_lock import AptLock
from sparkyard.settings import DEBIAN_ARCHIVE, Settings

VARIANT = "slim"
_PROBE_SECONDS = 20

# What debian:<suite>-slim leaves out as well: an image has nobody to read manual pages.
_LEFT_OUT = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
)

# What is of the machine that bootstraps, of the mirror, or of no use; the file with apt's options
# would stay with the host's path in it.
_TIDY = (
    'rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/var/cache/debconf/*-old '
    '"$1"/var/lib/dpkg/*-old; for file in hostname resolv.conf; do : >"$1/etc/$file"; '
    'chmod 644 "$1/etc/$file"; done; '
    'echo "deb {archive} {suite} main" >"$1"/etc/apt/sources.list'
)


@dataclass(frozen=True)
class BaseImage:
    """Debian as the builds see it.

    Attributes:
        context: what bake is given for the named context "debian".
        identity: what it is, by content: it stands in labels and decides on rebuilds.
        rootfs: the directory with rootfs.tar, for a bootstrapped one.
    """

    context: str
    identity: str
    rootfs: Path | None = None


def reference(stack: Stack, settings: Settings) -> str:
    """Return the reference that a pulled base has, without its digest."""
    return f"{settings.base_registry}/debian:{stack.debian}-{VARIANT}"


def pinned(stack: Stack, pins: Path = paths.PINS) -> str:
    """Return the digest pinned for the stack's Debian; empty when none is."""
    if not pins.exists():
        return ""
    digests = toml_file.table(toml_file.read(pins), "base", pins)
    return str(digests.get(f"debian:{stack.debian}-{VARIANT}", ""))


def pin(stack: Stack, settings: Settings, pins: Path = paths.PINS) -> str:
    """Ask the registry for the digest of the stack's Debian, write it down, and return it.

    Raises:
        NetworkError: the registry could not be asked.
    """
    name = reference(stack, settings)
    answer = _ask_registry(name)
    said = re.search(r'"digest": "(sha256:[0-9a-f]{64})"', answer.stdout)
    if answer.exit_code != 0 or not said:
        raise NetworkError(
            f"The digest of {name} could not be had: {answer.stderr.strip()[-300:]}",
            "Set base_registry to a registry that answers here; without any, the base is "
            "bootstrapped from Debian's archive and needs no pin.",
        )
    digest = said.group(1)
    digests = toml_file.read(pins).get("base", {}) if pins.exists() else {}
    digests[f"debian:{stack.debian}-{VARIANT}"] = digest
    lines = "".join(f'"{key}" = "{value}"\n' for key, value in sorted(digests.items()))
    pins.write_text(f"# Written by `nox -s pins`: the base images, by digest.\n[base]\n{lines}")
    return digest


def known(stack: Stack, settings: Settings) -> BaseImage | None:
    """Return the base that the last build used here, without asking anybody; None before."""
    used = _used(stack)
    kind = used.read_text().strip() if used.exists() else ""
    digest = pinned(stack)
    if kind == "pulled" and digest:
        return _pulled(stack, settings, digest)
    there = kind == "bootstrapped" and _made(stack)
    return _bootstrapped(stack) if there else None


def can_pull(stack: Stack, settings: Settings) -> bool:
    """Tell whether the base is pinned, and a registry answers with it."""
    digest = pinned(stack)
    return bool(digest) and _ask_registry(f"{reference(stack, settings)}@{digest}").exit_code == 0


def is_there(stack: Stack, settings: Settings) -> bool:
    """Tell whether the base needs none of Debian's packages: it can be pulled, or is made."""
    return can_pull(stack, settings) or _made(stack)


def provide(stack: Stack, settings: Settings) -> BaseImage:
    """Return the base, pulled by its pinned digest where a registry answers, else bootstrapped.

    Raises:
        MirrorError: locked packages of Debian are gone.
        NetworkError, CertificateError: Debian's archive could not be asked for one.
    """
    digest = pinned(stack)
    if can_pull(stack, settings):
        base = _pulled(stack, settings, digest)
    else:
        if digest:
            _say(f"{settings.base_registry} does not answer with {digest}: bootstrapping Debian.")
        if not _made(stack):
            _bootstrap(stack, settings)
        base = _bootstrapped(stack)
    used = _used(stack)
    used.parent.mkdir(parents=True, exist_ok=True)
    used.write_text("bootstrapped\n" if base.rootfs else "pulled\n")
    return base


def named(stack: Stack, settings: Settings) -> str:
    """Provide the base and return it as a named context that is an image, for a single build."""
    base = provide(stack, settings)
    if base.rootfs is None:
        return base.context
    return f"docker-image://{_load(stack, base.rootfs)}"


def _load(stack: Stack, rootfs: Path) -> str:
    """Give a bootstrapped base to the engine, and return its reference there."""
    tag = f"sparkyard/debian:{stack.debian}"
    dockerfile = str(paths.IMAGES / "debian" / "Dockerfile")
    run(["docker", "buildx", "build", "--provenance=false", "--tag", tag, "--file", dockerfile,
         str(rootfs)])  # fmt: skip
    return tag


def _tar(stack: Stack) -> Path:
    """Return where the root file system of the locked packages is, or would be."""
    lock = apt_lock.locked(stack.system, apt_lock.DEBIAN)
    return paths.cache() / "base" / f"{stack.debian}-{lock.content[:12]}" / "rootfs.tar"


def _used(stack: Stack) -> Path:
    """The file that says where the base of the last build came from."""
    return paths.cache() / f"base-of-{stack.system.name}"


def _made(stack: Stack) -> bool:
    """Tell whether there is a root file system of the packages that are locked."""
    return _tar(stack).exists() and _tar(stack).with_suffix(".sha256").exists()


def _pulled(stack: Stack, settings: Settings, digest: str) -> BaseImage:
    name = f"{reference(stack, settings)}@{digest}"
    return BaseImage(f"docker-image://{name}", f"pulled debian:{stack.debian}-{VARIANT}@{digest}")


def _bootstrapped(stack: Stack) -> BaseImage:
    tar = _tar(stack)
    digest = tar.with_suffix(".sha256").read_text().strip()
    name = f"bootstrapped debian:{stack.debian} sha256:{digest}"
    return BaseImage("target:debian", name, rootfs=tar.parent)


def _bootstrap(stack: Stack, settings: Settings) -> None:
    """Make the packages of the lock a root file system."""
    tar = _tar(stack)
    if not shutil.which("mmdebstrap"):
        _install_mmdebstrap(stack)
    debs.must(debs.fetch(debs.of_lists(stack.system, [apt_lock.DEBIAN]), settings), settings)
    _say(f"Bootstrapping Debian {stack.debian}: no base image is pinned or pulled.")
    tar.parent.mkdir(parents=True, exist_ok=True)
    beside = tar.with_suffix(".new.tar")
    try:
        with tempfile.TemporaryDirectory(prefix="sparkyard-debian-") as directory:
            archive = _local_archive(stack, Path(directory))
            _mmdebstrap(stack, archive, beside)
        lock = apt_lock.locked(stack.system, apt_lock.DEBIAN)
        if wrong := differences(lock, installed(beside)):
            raise StaleLockError(
                f"{apt_lock.lock_file(stack.system, apt_lock.DEBIAN)} does not name what Debian "
                f"{stack.debian} consists of: {'; '.join(wrong[:3])}.",
                apt_lock.MEND,
            )
        _keep(beside, tar)
    finally:
        beside.unlink(missing_ok=True)


def _local_archive(stack: Stack, directory: Path) -> str:
    """Make an archive of the locked packages, and return it as apt's sources name it.

    It is trusted without a signature: the sha256 of each file was compared with the lock's.
    """
    directory.chmod(0o755)  # for the user as whom mmdebstrap runs apt
    entries = []
    for deb in apt_lock.locked(stack.system, apt_lock.DEBIAN).debs:
        store.link(deb.sha256, directory / deb.file)
        control = run(["dpkg-deb", "--field", str(directory / deb.file)]).stdout.strip()
        where = f"Filename: ./{deb.file}\nSize: {deb.size}\nSHA256: {deb.sha256}"
        entries.append(f"{control}\n{where}\n")
    packages = "\n".join(entries).encode()
    index, release = directory / "Packages", directory / "Release"
    index.write_bytes(packages)
    # mmdebstrap finds what a minimal Debian is by the name of the release.
    release.write_text(
        f"Codename: {stack.debian}\nSHA256:\n "
        f"{hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n"
    )
    for file in (index, release):
        file.chmod(0o644)
    return f"deb [trusted=yes] copy:{directory} ./"


def installed(tar: Path) -> dict[str, str]:
    """Return the version of each package that the package database of a root file system has."""
    with tarfile.open(tar) as archive:
        names = ("./var/lib/dpkg/status", "var/lib/dpkg/status")
        member = next((m for m in archive if m.name in names), None)
        content = archive.extractfile(member) if member else None
        text = content.read().decode() if content else ""
    entries = re.findall(r"^Package: (\S+)$.*?^Version: (\S+)$", text, re.MULTILINE | re.DOTALL)
    return dict(entries)


def differences(lock: AptLock, found: dict[str, str]) -> tuple[str, ...]:
    """Return what is not as the lock has it, as "NAME: LOCKED is locked, FOUND is there"."""
    wanted = {deb.name: deb.version for deb in lock.debs}
    return tuple(
        f"{name}: {wanted.get(name, 'nothing')} is locked, {found.get(name, 'nothing')} is there"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    )


def _keep(beside: Path, tar: Path) -> None:
    tar.with_suffix(".sha256").unlink(missing_ok=True)
    os.replace(beside, tar)
    with tar.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    tar.with_suffix(".sha256").write_text(digest + "\n")


def _mmdebstrap(stack: Stack, archive: str, tar: Path) -> None:
    argv = ["mmdebstrap", "--variant=minbase", "--quiet"]
    argv += ['--aptopt=APT::Sandbox::User "root"']
    argv += [f"--dpkgopt={option}" for option in _LEFT_OUT]
    argv += [f"--customize-hook={_TIDY.format(archive=DEBIAN_ARCHIVE, suite=stack.debian)}"]
    argv += [stack.debian, str(tar), archive]
    ended = run(argv, check=False, quiet=False, env={"SOURCE_DATE_EPOCH": "0"})
    if ended.exit_code != 0:
        raise CommandFailedError(
            f"Debian {stack.debian} could not be bootstrapped from its locked packages: "
            f"mmdebstrap ended with exit code {ended.exit_code}.",
            "See its lines above; or pin a base image with `nox -s pins`, where a registry "
            "answers.",
            detail="\n".join(ended.stderr.splitlines()[-15:]),
        )


def _install_mmdebstrap(stack: Stack) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NetworkError(
            f"No digest is pinned for debian:{stack.debian}-{VARIANT}, and mmdebstrap is not here "
            "to bootstrap it.",
            "Where a container registry answers, run `nox -s pins`; "
            "else install the package mmdebstrap.",
        )
    _say("Installing mmdebstrap, which makes the base image.")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "-qq", "update"], env=quiet, check=False)
    run(["apt-get", "-qq", "install", "--yes", "--no-install-recommends", "mmdebstrap",
         "debian-archive-keyring"], env=quiet, quiet=False)  # fmt: skip


def _ask_registry(name: str) -> Completed:
    argv = ["docker", "buildx", "imagetools", "inspect", name, "--format", "{{json .Manifest}}"]
    return run(["timeout", str(_PROBE_SECONDS), *argv], check=False)


def _say(text: str) -> None:
    print(f"sparkyard: {text}", file=sys.stderr, flush=True)
