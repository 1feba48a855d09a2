"""How is a build made elsewhere on this machine: by another engine, under another host name?

The engine has its own data, sockets and network bridge, starts with nothing, uses one processor,
and is gone afterwards. It does not touch the bridge and the firewall rules of the machine's engine;
rules of its own let its steps out, and are gone with it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sparkyard.command import run
from sparkyard.errors import EngineMissingError

READY_SECONDS = 60
HOST_NAME = "elsewhere"
_NEEDED = ("dockerd", "ip", "iptables", "taskset", "unshare")


@dataclass(frozen=True)
class SecondEngine:
    """A running engine: what DOCKER_HOST is for it, and where its data is."""

    host: str
    data: Path


@contextmanager
def second_engine(parent: Path) -> Iterator[SecondEngine]:
    """Run an engine on one processor until the block ends.

    Args:
        parent: the directory below which its data is meanwhile, about 15 GB for the family.

    Raises:
        EngineMissingError: it may not or cannot be started here.
    """
    absent = [name for name in _NEEDED if not shutil.which(name)]
    if os.geteuid() != 0 or absent:
        why = f"{', '.join(absent)} is not installed" if absent else "only root may start one"
        raise EngineMissingError(
            f"The second build needs an engine of its own, and {why}.",
            "Run the command as root with the engine installed, or name another engine with "
            "--second-engine unix:///path or ssh://host.",
        )
    parent.mkdir(parents=True, exist_ok=True)
    data = Path(tempfile.mkdtemp(prefix="spk-", dir=parent))
    # A socket's path has 104 characters at most: it is not made below a directory of the caller's.
    place = Path(tempfile.mkdtemp(prefix="spk-", dir="/tmp"))
    number = secrets.randbelow(50)
    bridge = f"spk{number}"
    network = f"10.213.{number}"  # away from the addresses that Docker gives out by default
    run(["ip", "link", "add", bridge, "type", "bridge"])
    process = None
    try:
        run(["ip", "address", "add", f"{network}.1/24", "dev", bridge])
        run(["ip", "link", "set", bridge, "up"])
        for rule in _rules(bridge, network):
            run(["iptables", "--wait", *rule("--insert")])
        (place / "daemon.json").write_text('{"features": {"containerd-snapshotter": true}}')
        host = f"unix://{place}/docker.sock"
        argv = elsewhere([
            "dockerd", "--host", host, "--config-file", str(place / "daemon.json"),
            "--data-root", str(data), "--exec-root", str(place / "exec"),
            "--pidfile", str(place / "pid"), "--bridge", bridge, "--iptables=false",
            "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
        ])  # fmt: skip
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _wait(process, host, place / "log")
        yield SecondEngine(host, data)
    finally:
        if process:
            _stop(process)
        for rule in _rules(bridge, network):
            run(["iptables", "--wait", *rule("--delete")], check=False)
        run(["ip", "link", "delete", bridge], check=False)
        for directory in (place, data):
            shutil.rmtree(directory, ignore_errors=True)


def elsewhere(argv: list[str]) -> list[str]:
    """Return the command that runs `argv` on one processor, under another host name."""
    rename = f'hostname {HOST_NAME} && exec "$@"'
    return ["unshare", "--uts", "sh", "-c", rename, "sh", "taskset", "--cpu-list", "0", *argv]


def _rules(bridge: str, network: str) -> list[Callable[[str], list[str]]]:
    """Return the firewall's rules for the bridge, each as words for iptables' --insert or so."""
    out = ["--source", f"{network}.0/24", "!", "--out-interface", bridge]
    return [
        lambda how: ["--table", "nat", how, "POSTROUTING", *out, "--jump", "MASQUERADE"],
        lambda how: [how, "FORWARD", "--in-interface", bridge, "--jump", "ACCEPT"],
        lambda how: [how, "FORWARD", "--out-interface", bridge, "--jump", "ACCEPT"],
    ]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while run(["docker", "--host", host, "version"], check=False).exit_code != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            raise EngineMissingError(
                "The engine for the second build did not start.",
                "See its last words above, or name another engine with --second-engine.",
                detail="\n".join(log.read_text(errors="replace").splitlines()[-15:]),
            )
        time.sleep(0.2)
