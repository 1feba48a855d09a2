"""Where are releases killed? In a registry that logs each request, and goes at the end."""

from __future__ import annotations

import re
import secrets
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sparkyard.command import run

_STORED = re.compile(
    r'"PUT /v2/(?P<path>[^ "]+)/blobs/uploads/[^ "]*[?&]digest=(?P<digest>[^ "&]+)[^"]*" 201 '
)


@dataclass(frozen=True)
class OwnRegistry:
    """A running registry of one's own."""

    container: str
    host: str

    def log(self) -> list[str]:
        """Return the lines that it has written."""
        written = run(["docker", "logs", self.container])
        return [*written.stdout.splitlines(), *written.stderr.splitlines()]

    def kill(self) -> None:
        """End it as a power failure does."""
        run(["docker", "kill", self.container])

    def start(self) -> None:
        """Start it again, with what it stored and at the same port."""
        run(["docker", "start", self.container])


@contextmanager
def own_registry(
    image: str,
    *,
    label: str,
    options: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[OwnRegistry]:
    """Give a registry that starts empty, and remove it with all that it holds.

    Args:
        image: the image of this machine's registry; see services/local_registry.py.
        label: a label of its container, by which it can be found when this process dies.
        options: more words for `docker run`.
        environment: settings of it, on top of its file's.
    """
    name = f"sparkyard-chaos-{secrets.token_hex(4)}"
    port = _free_port()
    settings = {
        "REGISTRY_LOG_ACCESSLOG_DISABLED": "false",
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
        **(environment or {}),
    }
    words = [word for item in settings.items() for word in ("--env", "=".join(item))]
    try:
        argv = ["docker", "run", "--detach", "--name", name, "--label", label]
        run([*argv, "--publish", f"127.0.0.1:{port}:5000", *words, *options, image])
        yield OwnRegistry(name, f"127.0.0.1:{port}")
    finally:
        run(["docker", "rm", "--force", "--volumes", name], check=False)


def sent_twice(log: Iterable[str]) -> list[str]:
    """Return the digests of blobs that a registry received whole more than once, by its log."""
    received = Counter(
        found["digest"].replace("%3A", ":") for line in log if (found := _STORED.search(line))
    )
    return sorted(digest for digest, times in received.items() if times > 1)


def received(log: Iterable[str]) -> int:
    """Return how many blobs a registry received whole, by its log."""
    return sum(1 for line in log if _STORED.search(line))


def _free_port() -> int:
    """Return a port that a killed container gets again when it is started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
