"""Where does Debian itself come from: pulled by digest, or bootstrapped from its archive?

A bootstrapped one consists of the packages of its lock, in their versions: where the archive has
moved on, the snapshots of it are asked.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from sparkyard import paths, toml_file
from sparkyard.command import Completed, run
from sparkyard.errors import MirrorError, NetworkError
from sparkyard.family.stack import Stack
from sparkyard.locks import apt_lock
from sparkyard.locks.apt_lock import AptLock
from sparkyard.settings import DEBIAN, Settings, ca_bundle

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
    made = kind == "bootstrapped" and _made(stack, settings)
    return _bootstrapped(stack) if made else None


def provide(stack: Stack, settings: Settings) -> BaseImage:
    """Return the base, pulled by its pinned digest where a registry answers, else bootstrapped.

    Raises:
        NetworkError: neither a registry nor Debian's archive answers.
        MirrorError: the archive answers, but not as Debian's.
    """
    digest = pinned(stack)
    if digest and _ask_registry(f"{reference(stack, settings)}@{digest}").exit_code == 0:
        base = _pulled(stack, settings, digest)
    else:
        if digest:
            _say(f"{settings.base_registry} does not answer with {digest}: bootstrapping Debian.")
        if not _made(stack, settings):
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
    return paths.cache() / "base" / stack.debian / "rootfs.tar"


def _used(stack: Stack) -> Path:
    """The file that says where the base of the last build came from."""
    return paths.cache() / f"base-of-{stack.name}"


def _made(stack: Stack, settings: Settings) -> bool:
    """Tell whether there is a root file system of the packages that are locked."""
    tar = _tar(stack)
    of = tar.with_suffix(".packages")
    if not (tar.exists() and tar.with_suffix(".sha256").exists() and of.exists()):
        return False
    lock = apt_lock.locked(stack, apt_lock.DEBIAN)
    wanted = _listed({deb.name: deb.version for deb in lock.debs})
    return settings.apt_moved == "follow" or of.read_text() == wanted


def _listed(packages: dict[str, str]) -> str:
    return "".join(f"{name}={version}\n" for name, version in sorted(packages.items()))


def _pulled(stack: Stack, settings: Settings, digest: str) -> BaseImage:
    name = f"{reference(stack, settings)}@{digest}"
    return BaseImage(f"docker-image://{name}", f"pulled debian:{stack.debian}-{VARIANT}@{digest}")


def _bootstrapped(stack: Stack) -> BaseImage:
    tar = _tar(stack)
    digest = tar.with_suffix(".sha256").read_text().strip()
    name = f"bootstrapped debian:{stack.debian} sha256:{digest}"
    return BaseImage("target:debian", name, rootfs=tar.parent)


def _bootstrap(stack: Stack, settings: Settings) -> None:
    """Make the packages of the lock a root file system, from the archive or a snapshot of it."""
    tar = _tar(stack)
    _say(f"No base image is pinned or pulled: bootstrapping Debian {stack.debian}.")
    lock = apt_lock.locked(stack, apt_lock.DEBIAN)
    mirror = settings.apt_mirror or DEBIAN
    beside = tar.with_suffix(".new.tar")
    try:
        _mmdebstrap(stack, settings, mirror, beside)
        moved = differences(lock, installed(beside))
        if moved and settings.apt_moved != "follow":
            _say(f"{mirror} has moved on ({moved[0]}): asking the snapshot of {lock.snapshot}.")
            snapshot = f"{settings.apt_snapshot}/debian/{lock.snapshot}"
            _from_snapshot(stack, settings, snapshot, beside, moved)
            moved = differences(lock, installed(beside))
            if moved:
                raise _moved(stack, moved, f"{mirror} and {snapshot}")
        elif moved:
            _say(f"FOLLOWING the archive against the lock: {'; '.join(moved)}")
        _keep(beside, tar)
    finally:
        beside.unlink(missing_ok=True)


def bootstrapped_anew(stack: Stack, settings: Settings) -> str:
    """Bootstrap what the archive has now, lock or not, and return it as an image's reference."""
    tar = _tar(stack)
    beside = tar.with_suffix(".new.tar")
    try:
        _mmdebstrap(stack, settings, settings.apt_mirror or DEBIAN, beside)
        _keep(beside, tar)
    finally:
        beside.unlink(missing_ok=True)
    return _load(stack, tar.parent)


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


def _from_snapshot(
    stack: Stack, settings: Settings, snapshot: str, tar: Path, moved: tuple[str, ...]
) -> None:
    try:
        _mmdebstrap(stack, settings, snapshot, tar, "Acquire::Check-Valid-Until false")
    except (MirrorError, NetworkError) as error:
        refusal = _moved(stack, moved, f"{settings.apt_mirror or DEBIAN}; {snapshot} is of no help")
        refusal.detail = error.detail
        raise refusal from error


def _moved(stack: Stack, moved: tuple[str, ...], where: str) -> MirrorError:
    more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    return MirrorError(
        f"Debian {stack.debian} is not at {where} as it is locked: {'; '.join(moved[:3])}{more}.",
        apt_lock.MEND_MOVED,
    )


def _keep(beside: Path, tar: Path) -> None:
    tar.with_suffix(".sha256").unlink(missing_ok=True)
    packages = _listed(installed(beside))
    os.replace(beside, tar)
    tar.with_suffix(".packages").write_text(packages)
    with tar.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    tar.with_suffix(".sha256").write_text(digest + "\n")


def _mmdebstrap(stack: Stack, settings: Settings, mirror: str, tar: Path, *options: str) -> None:
    if not shutil.which("mmdebstrap"):
        _install_mmdebstrap(stack)
    tar.parent.mkdir(parents=True, exist_ok=True)
    argv = ["mmdebstrap", "--variant=minbase", "--quiet"]
    argv += [f"--aptopt={option}" for option in ('Acquire::Retries "5"', *options)]
    argv += [f"--dpkgopt={option}" for option in _LEFT_OUT]
    bundle = ca_bundle(settings)
    if bundle:
        argv += [f'--aptopt=Acquire::https::CAInfo "{bundle}"']
    argv += [f"--customize-hook={_TIDY.format(archive=DEBIAN, suite=stack.debian)}"]
    argv += [stack.debian, str(tar), mirror]
    ended = run(argv, check=False, quiet=False, env={"SOURCE_DATE_EPOCH": "0"})
    if ended.exit_code != 0:
        tar.unlink(missing_ok=True)
        raise _why_not(ended, mirror)


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


def _why_not(ended: Completed, mirror: str) -> NetworkError | MirrorError:
    detail = "\n".join(ended.stderr.splitlines()[-15:])
    if "404" in ended.stderr or "unexpected size" in ended.stderr or "Hash Sum" in ended.stderr:
        return MirrorError(
            f"{mirror} does not answer as Debian's archive.",
            "Set apt_mirror to a mirror of Debian, or leave it out.",
            detail=detail,
        )
    return NetworkError(
        f"Debian could not be bootstrapped from {mirror}.",
        "See the lines above; set apt_mirror to a mirror that answers here, "
        "or pin a base image with `nox -s pins`.",
        detail=detail,
    )


def _ask_registry(name: str) -> Completed:
    argv = ["docker", "buildx", "imagetools", "inspect", name, "--format", "{{json .Manifest}}"]
    return run(["timeout", str(_PROBE_SECONDS), *argv], check=False)


def _say(text: str) -> None:
    print(f"sparkyard: {text}", file=sys.stderr, flush=True)
