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
from sparkyard.family.projects import Project
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


def reference(project: Project, settings: Settings) -> str:
    """Return the reference that a pulled base has, without its digest."""
    return f"{settings.base_registry}/debian:{project.debian}-{VARIANT}"


def pinned(project: Project, pins: Path = paths.PINS) -> str:
    """Return the digest pinned for the project's Debian; empty when none is."""
    if not pins.exists():
        return ""
    digests = toml_file.table(toml_file.read(pins), "base", pins)
    return str(digests.get(f"debian:{project.debian}-{VARIANT}", ""))


def pin(project: Project, settings: Settings, pins: Path = paths.PINS) -> str:
    """Ask the registry for the digest of the project's Debian, write it down, and return it.

    Raises:
        NetworkError: the registry could not be asked.
    """
    name = reference(project, settings)
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
    digests[f"debian:{project.debian}-{VARIANT}"] = digest
    lines = "".join(f'"{key}" = "{value}"\n' for key, value in sorted(digests.items()))
    pins.write_text(f"# Written by `nox -s pins`: the base images, by digest.\n[base]\n{lines}")
    return digest


def known(project: Project, settings: Settings) -> BaseImage | None:
    """Return the base that the last build used here, without asking anybody; None before."""
    used = _used(project)
    kind = used.read_text().strip() if used.exists() else ""
    digest = pinned(project)
    if kind == "pulled" and digest:
        return _pulled(project, settings, digest)
    there = kind == "bootstrapped" and _made(project)
    return _bootstrapped(project) if there else None


def can_pull(project: Project, settings: Settings) -> bool:
    """Tell whether the base is pinned, and a registry answers with it."""
    digest = pinned(project)
    return bool(digest) and _ask_registry(f"{reference(project, settings)}@{digest}").exit_code == 0


def is_there(project: Project, settings: Settings) -> bool:
    """Tell whether the base needs none of Debian's packages: it can be pulled, or is made."""
    return can_pull(project, settings) or _made(project)


def provide(project: Project, settings: Settings) -> BaseImage:
    """Return the base, pulled by its pinned digest where a registry answers, else bootstrapped.

    Raises:
        MirrorError: locked packages of Debian are gone.
        NetworkError, CertificateError: Debian's archive could not be asked for one.
    """
    digest = pinned(project)
    if can_pull(project, settings):
        base = _pulled(project, settings, digest)
    else:
        if digest:
            _say(f"{settings.base_registry} does not answer with {digest}: bootstrapping Debian.")
        if not _made(project):
            _bootstrap(project, settings)
        base = _bootstrapped(project)
    used = _used(project)
    used.parent.mkdir(parents=True, exist_ok=True)
    used.write_text("bootstrapped\n" if base.rootfs else "pulled\n")
    return base


def named(project: Project, settings: Settings) -> str:
    """Provide the base and return it as a named context that is an image, for a single build."""
    base = provide(project, settings)
    if base.rootfs is None:
        return base.context
    return f"docker-image://{_load(project, base.rootfs)}"


def _load(project: Project, rootfs: Path) -> str:
    """Give a bootstrapped base to the engine, and return its reference there."""
    tag = f"sparkyard/debian:{project.debian}"
    dockerfile = str(paths.IMAGES / "debian" / "Dockerfile")
    run(["docker", "buildx", "build", "--provenance=false", "--tag", tag, "--file", dockerfile,
         str(rootfs)])  # fmt: skip
    return tag


def _tar(project: Project) -> Path:
    """Return where the root file system of the locked packages is, or would be."""
    lock = apt_lock.locked(project.system, apt_lock.DEBIAN)
    return paths.cache() / "base" / f"{project.debian}-{lock.content[:12]}" / "rootfs.tar"


def _used(project: Project) -> Path:
    """The file that says where the base of the last build came from."""
    return paths.cache() / f"base-of-{project.system.name}"


def _made(project: Project) -> bool:
    """Tell whether there is a root file system of the packages that are locked."""
    return _tar(project).exists() and _tar(project).with_suffix(".sha256").exists()


def _pulled(project: Project, settings: Settings, digest: str) -> BaseImage:
    name = f"{reference(project, settings)}@{digest}"
    return BaseImage(f"docker-image://{name}", f"pulled debian:{project.debian}-{VARIANT}@{digest}")


def _bootstrapped(project: Project) -> BaseImage:
    tar = _tar(project)
    digest = tar.with_suffix(".sha256").read_text().strip()
    name = f"bootstrapped debian:{project.debian} sha256:{digest}"
    return BaseImage("target:debian", name, rootfs=tar.parent)


def _bootstrap(project: Project, settings: Settings) -> None:
    """Make the packages of the lock a root file system."""
    tar = _tar(project)
    if not shutil.which("mmdebstrap"):
        _install_mmdebstrap(project)
    debs.must(debs.fetch(debs.of_lists(project.system, [apt_lock.DEBIAN]), settings), settings)
    _say(f"Bootstrapping Debian {project.debian}: no base image is pinned or pulled.")
    tar.parent.mkdir(parents=True, exist_ok=True)
    beside = tar.with_suffix(".new.tar")
    try:
        with tempfile.TemporaryDirectory(prefix="sparkyard-debian-") as directory:
            archive = _local_archive(project, Path(directory))
            _mmdebstrap(project, archive, beside)
        lock = apt_lock.locked(project.system, apt_lock.DEBIAN)
        if wrong := differences(lock, installed(beside)):
            raise StaleLockError(
                f"{apt_lock.lock_file(project.system, apt_lock.DEBIAN)} does not name what Debian "
                f"{project.debian} consists of: {'; '.join(wrong[:3])}.",
                apt_lock.MEND,
            )
        _keep(beside, tar)
    finally:
        beside.unlink(missing_ok=True)


def _local_archive(project: Project, directory: Path) -> str:
    """Make an archive of the locked packages, and return it as apt's sources name it.

    It is trusted without a signature: the sha256 of each file was compared with the lock's.
    """
    directory.chmod(0o755)  # for the user as whom mmdebstrap runs apt
    entries = []
    for deb in apt_lock.locked(project.system, apt_lock.DEBIAN).debs:
        store.link(deb.sha256, directory / deb.file)
        control = run(["dpkg-deb", "--field", str(directory / deb.file)]).stdout.strip()
        where = f"Filename: ./{deb.file}\nSize: {deb.size}\nSHA256: {deb.sha256}"
        entries.append(f"{control}\n{where}\n")
    packages = "\n".join(entries).encode()
    index, release = directory / "Packages", directory / "Release"
    index.write_bytes(packages)
    # mmdebstrap finds what a minimal Debian is by the name of the release.
    release.write_text(
        f"Codename: {project.debian}\nSHA256:\n "
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


def _mmdebstrap(project: Project, archive: str, tar: Path) -> None:
    argv = ["mmdebstrap", "--variant=minbase", "--quiet"]
    argv += ['--aptopt=APT::Sandbox::User "root"']
    argv += [f"--dpkgopt={option}" for option in _LEFT_OUT]
    argv += [f"--customize-hook={_TIDY.format(archive=DEBIAN_ARCHIVE, suite=project.debian)}"]
    argv += [project.debian, str(tar), archive]
    ended = run(argv, check=False, quiet=False, env={"SOURCE_DATE_EPOCH": "0"})
    if ended.exit_code != 0:
        raise CommandFailedError(
            f"Debian {project.debian} could not be bootstrapped from its locked packages: "
            f"mmdebstrap ended with exit code {ended.exit_code}.",
            "See its lines above; or pin a base image with `nox -s pins`, where a registry "
            "answers.",
            detail="\n".join(ended.stderr.splitlines()[-15:]),
        )


def _install_mmdebstrap(project: Project) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NetworkError(
            f"No digest is pinned for debian:{project.debian}-{VARIANT}, and mmdebstrap is not "
            "here to bootstrap it.",
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
