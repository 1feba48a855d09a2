"""Where does Debian itself come from: pulled by digest, or bootstrapped from its archive?"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from sparkyard import paths, toml_file
from sparkyard.command import Completed, run
from sparkyard.errors import MirrorError, NetworkError
from sparkyard.settings import DEBIAN, Settings, ca_bundle
from sparkyard.stack import Stack

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
    return _bootstrapped(stack) if kind == "bootstrapped" and _made(stack) else None


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
    tag = f"sparkyard/debian:{stack.debian}"
    dockerfile = str(paths.IMAGES / "debian" / "Dockerfile")
    run(["docker", "buildx", "build", "--provenance=false", "--tag", tag, "--file", dockerfile,
         str(base.rootfs)])  # fmt: skip
    return f"docker-image://{tag}"


def _tar(stack: Stack) -> Path:
    return paths.cache() / "base" / stack.debian / "rootfs.tar"


def _used(stack: Stack) -> Path:
    """The file that says where the base of the last build came from."""
    return paths.cache() / f"base-of-{stack.name}"


def _made(stack: Stack) -> bool:
    tar = _tar(stack)
    return tar.exists() and tar.with_suffix(".sha256").exists()


def _pulled(stack: Stack, settings: Settings, digest: str) -> BaseImage:
    name = f"{reference(stack, settings)}@{digest}"
    return BaseImage(f"docker-image://{name}", f"pulled debian:{stack.debian}-{VARIANT}@{digest}")


def _bootstrapped(stack: Stack) -> BaseImage:
    tar = _tar(stack)
    digest = tar.with_suffix(".sha256").read_text().strip()
    name = f"bootstrapped debian:{stack.debian} sha256:{digest}"
    return BaseImage("target:debian", name, rootfs=tar.parent)


def _bootstrap(stack: Stack, settings: Settings) -> None:
    tar = _tar(stack)
    if not shutil.which("mmdebstrap"):
        _install_mmdebstrap(stack)
    mirror = settings.apt_mirror or DEBIAN
    _say(f"No base image is pinned or pulled: bootstrapping Debian {stack.debian} ({mirror}).")
    tar.parent.mkdir(parents=True, exist_ok=True)
    beside = tar.with_suffix(".new.tar")
    argv = ["mmdebstrap", "--variant=minbase", "--quiet", '--aptopt=Acquire::Retries "5"']
    argv += [f"--dpkgopt={option}" for option in _LEFT_OUT]
    bundle = ca_bundle(settings)
    if bundle:
        argv += [f'--aptopt=Acquire::https::CAInfo "{bundle}"']
    # The file with apt's options would stay in the image with the host's path in it.
    argv += ["--customize-hook=rm -f $1/etc/apt/apt.conf.d/99mmdebstrap"]
    argv += [stack.debian, str(beside), mirror]
    ended = run(argv, check=False, quiet=False, env={"SOURCE_DATE_EPOCH": "0"})
    if ended.exit_code != 0:
        beside.unlink(missing_ok=True)
        raise _why_not(ended, mirror)
    tar.with_suffix(".sha256").unlink(missing_ok=True)
    os.replace(beside, tar)
    with tar.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    tar.with_suffix(".sha256").write_text(digest + "\n")


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
