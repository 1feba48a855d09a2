"""How does a fresh Debian or Ubuntu machine get a container engine from its own packages?"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sparkyard.command import run
from sparkyard.errors import EngineMissingError
from sparkyard.settings import DEBIAN_ARCHIVE

_PACKAGES = ("docker.io", "docker-buildx", "containerd")
_TOOLS = ("iptables", "ca-certificates", "mmdebstrap")
_NEWER_SUITE = {"bookworm": "trixie"}
"""Debian releases whose own engine is too old, and the release that its packages come from."""

_DAEMON_CONFIG = Path("/etc/docker/daemon.json")
_DAEMON_LOG = Path("/var/log/sparkyard-dockerd.log")
_SOURCES = Path("/etc/apt/sources.list.d/sparkyard-engine.sources")
_PREFERENCES = Path("/etc/apt/preferences.d/sparkyard-engine")
_READY_SECONDS = 60


@dataclass(frozen=True)
class Distribution:
    """What /etc/os-release says: `name` is its ID, `codename` its VERSION_CODENAME."""

    name: str
    codename: str


def read_distribution(os_release: str) -> Distribution:
    """Return the distribution that the text of an os-release file describes."""
    fields = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', os_release, re.MULTILINE))
    return Distribution(fields.get("ID", ""), fields.get("VERSION_CODENAME", ""))


def can_install() -> bool:
    """Tell whether this process may install an engine here: Debian or Ubuntu, as root."""
    os_release = Path("/etc/os-release")
    if os.geteuid() != 0 or not os_release.exists() or not shutil.which("apt-get"):
        return False
    return read_distribution(os_release.read_text()).name in ("debian", "ubuntu")


def install() -> None:
    """Install Docker Engine and buildx from the distribution's packages.

    Raises:
        EngineMissingError: the package manager could not do it.
    """
    distribution = read_distribution(Path("/etc/os-release").read_text())
    suite = _NEWER_SUITE.get(distribution.codename)
    origin = f"{distribution.name} {suite or distribution.codename}"
    _say(f"No container engine here: installing {', '.join(_PACKAGES)} from {origin}.")
    if suite:
        _add_suite(suite)
    _apt("update")
    wanted = [f"{name}/{suite}" if suite else name for name in _PACKAGES]
    _apt("install", "--yes", "--no-install-recommends", *wanted, *_TOOLS)


def start() -> None:
    """Start the installed engine with the containerd image store, and wait until it answers.

    Raises:
        EngineMissingError: it did not answer within a minute.
    """
    if not _DAEMON_CONFIG.exists():
        _DAEMON_CONFIG.parent.mkdir(parents=True, exist_ok=True)
        _DAEMON_CONFIG.write_text(json.dumps({"features": {"containerd-snapshotter": True}}) + "\n")
        _say(f"Wrote {_DAEMON_CONFIG}: images are kept in the containerd store.")
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "restart", "docker"], check=False)
    else:
        # A container or a minimal machine without a service manager: the engine runs by itself.
        with _DAEMON_LOG.open("ab") as log:
            subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    _say("Starting the engine.")
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if run(["docker", "version"], check=False).exit_code == 0:
            return
        time.sleep(0.5)
    log_end = _DAEMON_LOG.read_text().splitlines()[-15:] if _DAEMON_LOG.exists() else []
    raise EngineMissingError(
        f"The engine was started but did not answer within {_READY_SECONDS} s.",
        f"Read its log ({_DAEMON_LOG}, or `journalctl -u docker`) and run the command again.",
        detail="\n".join(log_end),
    )


def _add_suite(suite: str) -> None:
    """Add a newer release at a priority at which nothing is taken from it unless named."""
    mirror = _mirror()
    _SOURCES.write_text(
        "# Written by Sparkyard for the container engine; remove it together with the engine.\n"
        f"Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    _PREFERENCES.write_text(f"Package: *\nPin: release n={suite}\nPin-Priority: 100\n")


def _mirror() -> str:
    """Return the archive that this machine's apt already uses, so that a mirror stays a mirror."""
    targets = run(["apt-get", "indextargets", "--format", "$(REPO_URI)"], check=False).stdout
    for uri in targets.split():
        if uri.rstrip("/").endswith("/debian"):
            return uri
    return DEBIAN_ARCHIVE


def _apt(*words: str) -> None:
    argv = ["apt-get", "-o", "DPkg::Lock::Timeout=120", "-qq", *words]
    ended = run(argv, check=False, quiet=False, env={"DEBIAN_FRONTEND": "noninteractive"})
    if ended.exit_code != 0:
        raise EngineMissingError(
            f"`apt-get {words[0]}` failed while installing a container engine.",
            "Mend the package sources (or the network) named above and run the same command again, "
            "or install Docker Engine 25 or newer with buildx yourself.",
            detail="\n".join((ended.stdout + ended.stderr).splitlines()[-20:]),
        )


def _say(text: str) -> None:
    print(f"sparkyard: {text}", file=sys.stderr, flush=True)
