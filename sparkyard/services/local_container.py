"""How does this machine run a service for itself? One container, which loopback alone reaches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sparkyard.command import mask
from sparkyard.engine import engine

RESTART = "unless-stopped"
"""The engine starts it again after a reboot."""

_TAKEN = ("port is already allocated", "address already in use", "ports are not available")
_NO_MORE_RIGHTS = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


@dataclass(frozen=True)
class State:
    """How a container is now.

    Attributes:
        running: whether its main process runs.
        port: the port of loopback at which it answers; empty without a container.
        made_of: what it was started from, as `LocalContainer.start` was told.
    """

    running: bool = False
    port: str = ""
    made_of: str = ""


@dataclass(frozen=True)
class LocalContainer:
    """A service's container.

    Attributes:
        name: of the container.
        label: the label that says what it was started from.
        inside: the port that it listens on.
    """

    name: str
    label: str
    inside: int

    def state(self) -> State:
        """Return how it is now. Raises EngineMissingError: no engine answers."""
        document = self._document()
        ports = (document.get("HostConfig") or {}).get("PortBindings") or {}
        bound = [binding for binding in ports.get(f"{self.inside}/tcp") or [] if binding]
        labels = (document.get("Config") or {}).get("Labels") or {}
        return State(
            bool((document.get("State") or {}).get("Running")),
            str(bound[0]["HostPort"]) if bound else "",
            str(labels.get(self.label, "")),
        )

    def start(self, port: str, made_of: str, *words: str) -> str:
        """Start it with no more rights than it needs; return why it could not be, or nothing.

        Args:
            port: of loopback.
            made_of: what `state` will tell again.
            words: further options of `docker run`, the image, its command.

        Raises:
            EngineMissingError: no engine answers.
        """
        ended = engine.client(
            *("run", "--detach", "--name", self.name, "--pull", "never"),
            *("--publish", f"127.0.0.1:{port}:{self.inside}", *_NO_MORE_RIGHTS),
            *("--label", f"{self.label}={made_of}", *words),
        )
        if ended.exit_code == 0:
            return ""
        if "already in use by container" in ended.stderr:
            return ""  # another command was quicker: it is the same service
        # The engine leaves a container that it could not start.
        self.remove()
        return ended.stderr.strip() or f"docker run ended with {ended.exit_code}"

    def log(self, lines: int) -> str:
        """Return the last lines that it wrote, without credentials."""
        said = engine.client("logs", "--tail", str(lines), self.name)
        return mask(said.stdout + said.stderr)

    def remove(self) -> bool:
        """Take it away; return whether there was one."""
        return bool(self._document()) and engine.client("rm", "-f", self.name).exit_code == 0

    def _document(self) -> dict[str, Any]:
        inspected = engine.client("container", "inspect", self.name)
        documents = json.loads(inspected.stdout or "[]")
        return dict(documents[0]) if documents else {}


def port_taken(said: str) -> bool:
    """Tell whether a container could not be started because something else has its port."""
    return any(words in said for words in _TAKEN)
