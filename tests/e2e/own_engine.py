"""Container engines of the tests' own: with another image store, or on a disk that fills up.

Each has its own data, sockets and process, no network, and is stopped by its process id.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparkyard.command import run

READY_SECONDS = 60


@contextmanager
def own_engine(*, containerd_store: bool, data: Path | None = None) -> Iterator[str]:
    """Run an engine and give what DOCKER_HOST is for it.

    Args:
        containerd_store: whether it keeps images in the containerd store.
        data: the directory for its data; one that is removed afterwards by default.
    """
    # A socket's path has 104 characters at most, which pytest's own directories use up.
    place = Path(tempfile.mkdtemp(prefix="engine-"))
    host = f"unix://{place}/docker.sock"
    config = place / "daemon.json"
    config.write_text(json.dumps({"features": {"containerd-snapshotter": containerd_store}}))
    # In a network of its own: an engine without a bridge removes docker0, which is another's.
    argv = [
        "unshare", "--net", "dockerd", "--host", host, "--config-file", str(config),
        "--data-root", str(data or place / "data"), "--exec-root", str(place / "exec"),
        "--pidfile", str(place / "pid"), "--bridge=none", "--iptables=false", "--ip6tables=false",
        *([] if containerd_store else ["--storage-driver=vfs"]),
    ]  # fmt: skip
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait(process, host, place / "log")
        yield host
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """Give a directory on a file system of its own, of that size."""
    image, directory = place / "disk.img", place / "disk"
    directory.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    run(["mkfs.ext4", "-q", "-F", str(image)])
    run(["mount", "-o", "loop", str(image), str(directory)])
    try:
        yield directory
    finally:
        for _ in range(50):
            if run(["umount", str(directory)], check=False).exit_code == 0:
                break
            time.sleep(0.2)
        image.unlink()


def _wait(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while run(["docker", "--host", host, "version"], check=False).exit_code != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"No engine of our own: {log.read_text()[-2000:]}")
        time.sleep(0.2)
