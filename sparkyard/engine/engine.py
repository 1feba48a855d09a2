"""Is there a container engine that can build the family, and what is in it?"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from typing import Any

from sparkyard.command import Completed, run
from sparkyard.engine import install
from sparkyard.errors import (
    BuildxMissingError,
    ClassicStoreError,
    CommandFailedError,
    EngineMissingError,
    EngineTooOldError,
)

OLDEST = (25, 0)
"""Oldest Docker Engine whose containerd image store builds with buildx bake and named contexts."""
OLDEST_BUILDX = (0, 13)
"""Oldest buildx that tells of a build's steps as JSON (--progress=rawjson)."""

_INSTALL = (
    "Install Docker Engine 25 or newer with the buildx plugin: on Debian or Ubuntu run the same "
    "command as root and it is done for you; elsewhere see https://docs.docker.com/engine/install/."
)
_CONTAINERD = (
    'Put {"features": {"containerd-snapshotter": true}} into /etc/docker/daemon.json and restart '
    "the engine; images of the classic store are not seen after that, and come back if you undo it."
)
_UNREACHABLE = re.compile(
    r"Cannot connect to the Docker daemon|error during connect|dial unix|context not found", re.I
)
_OWN_SOCKET = re.compile(
    r"Cannot connect to the Docker daemon at unix:///(?:var/)?run/docker\.sock"
)
_NO_CONTEXT = re.compile(r'context "([^"]*)": context not found')


def ensure() -> None:
    """Check the engine; on Debian or Ubuntu as root, install and start a missing one first.

    Raises:
        EngineMissingError, EngineTooOldError, ClassicStoreError, BuildxMissingError: what is wrong.
    """
    said = _silent()
    if said is not None:
        # One that somebody named must be started by them; ours must not be restarted because of it.
        named = os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT")
        local = not shutil.which("docker") or _OWN_SOCKET.search(said)
        if named or not local or not install.can_install():
            raise _missing(said)
        if not shutil.which("dockerd"):
            install.install()
        install.start()
    check(*describe())
    _check_builder()


def describe() -> tuple[dict[str, Any], str]:
    """Return what `docker info` says, and buildx's version line (empty without buildx)."""
    information = json.loads(run(["docker", "info", "--format", "{{json .}}"]).stdout)
    buildx = run(["docker", "buildx", "version"], check=False)
    return information, buildx.stdout if buildx.exit_code == 0 else ""


def check(information: dict[str, Any], buildx: str) -> None:
    """Check an engine by what it says of itself.

    Args:
        information: the document of `docker info`.
        buildx: the line of `docker buildx version`; empty when there is none.

    Raises:
        EngineTooOldError: its version is below `OLDEST`, or buildx's is below `OLDEST_BUILDX`.
        BuildxMissingError: there is no buildx.
        ClassicStoreError: images are not kept in the containerd store.
    """
    version = str(information.get("ServerVersion", ""))
    if _numbers(version) < OLDEST:
        raise EngineTooOldError(
            f"The container engine is version {version}; {_dotted(OLDEST)} is the oldest to work.",
            _INSTALL,
        )
    if not buildx:
        raise BuildxMissingError(
            f"The container engine {version} answers, but its client has no buildx plugin.",
            "Install it: `apt-get install docker-buildx` on Debian and Ubuntu, "
            "docker-buildx-plugin from Docker's own repository.",
        )
    numbered = re.search(r"\bv?(\d+\.\d+[^ ]*)", buildx)
    if not numbered or _numbers(numbered.group(1)) < OLDEST_BUILDX:
        raise EngineTooOldError(
            f"buildx ({buildx.strip()}) is too old: {_dotted(OLDEST_BUILDX)} or newer is wanted.",
            "Update the docker-buildx package.",
        )
    status = dict(row for row in information.get("DriverStatus") or [] if len(row) == 2)
    if "containerd" not in str(status.get("driver-type", "")):
        raise ClassicStoreError(
            "The container engine keeps images in its classic store, in which layers of different "
            "images are never the same: driver and executors could not be shown to agree.",
            _CONTAINERD,
        )


def _check_builder() -> None:
    """Check that builds are made by the engine's own builder: no other one shares its store.

    Raises:
        BuildxMissingError: the builder that is chosen does not exist, or is another one.
    """
    shown = run(["docker", "buildx", "inspect"], check=False)
    driver = re.search(r"^Driver:\s+(\S+)", shown.stdout, re.MULTILINE)
    if shown.exit_code == 0 and driver and driver.group(1) == "docker":
        return
    variable = os.environ.get("BUILDX_BUILDER", "")
    name = re.search(r"^Name:\s+(\S+)", shown.stdout, re.MULTILINE)
    listed = run(["docker", "buildx", "ls"], check=False).stdout
    own = re.findall(r"^([^\s/]+?)\*?\s+docker\s", listed, re.MULTILINE)
    builder = f"The builder {variable or (name.group(1) if name else 'in use')}"
    builder += ", which the variable BUILDX_BUILDER names," if variable else ""
    if driver:
        what = (
            f"{builder} has the driver {driver.group(1)}: it keeps what it builds apart from the "
            "engine's images."
        )
    else:
        said = (shown.stderr.strip().splitlines() or ["nothing"])[-1]
        what = f"{builder} cannot be used. buildx said: {said}."
    remedy = "Unset BUILDX_BUILDER" if variable else "Choose another one with `docker buildx use`"
    raise BuildxMissingError(what, f"{remedy}; builders of the engine itself: {', '.join(own)}.")


def inspect(references: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what the engine says of each of the images that it has, by reference.

    Raises:
        EngineMissingError: no engine answers.
    """
    wanted = list(references)
    if not wanted:
        return {}
    answer = client("image", "inspect", *wanted)
    documents = json.loads(answer.stdout or "[]")
    images: dict[str, dict[str, Any]] = {}
    for document in documents:
        for tag in document.get("RepoTags") or []:
            if tag in wanted:
                images[tag] = document
    return images


def client(*words: str) -> Completed:
    """Run `docker` with these words; a failing exit code is the caller's to read.

    Raises:
        EngineMissingError: no engine answers.
    """
    try:
        answer = run(["docker", *words], check=False)
    except CommandFailedError as error:
        raise _missing("") from error
    if answer.exit_code != 0 and _UNREACHABLE.search(answer.stderr):
        raise _missing(answer.stderr)
    return answer


def _silent() -> str | None:
    """Return what the client says of an engine that does not answer, or None when it does."""
    if not shutil.which("docker"):
        return ""
    answer = run(["docker", "version"], check=False)
    return None if answer.exit_code == 0 else answer.stderr


def _missing(said: str) -> EngineMissingError:
    """Return the error for an engine of which the client said `said`."""
    if not shutil.which("docker"):
        return EngineMissingError(
            "There is no container engine: no docker on PATH.",
            f"{_INSTALL} Where one is installed, put docker on PATH.",
        )
    if absent := _NO_CONTEXT.search(said):
        return _no_context(absent.group(1))
    variable = next((v for v in ("DOCKER_HOST", "DOCKER_CONTEXT") if os.environ.get(v)), "")
    where = os.environ[variable] if variable else "its usual socket"
    if "permission denied" in said:
        return EngineMissingError(
            f"This user may not talk to the container engine at {where}.",
            "Join the group that may (`sudo usermod -aG docker $USER`, then log in again), or run "
            "the same command as root.",
        )
    if variable:
        return EngineMissingError(
            f"No container engine answers at {where}, which the variable {variable} names.",
            f"Start that engine, or unset {variable} to use this machine's own.",
        )
    return EngineMissingError(
        f"No container engine answers at {where}.", f"Start it, if one is installed. {_INSTALL}"
    )


def _no_context(name: str) -> EngineMissingError:
    """Return the error for a context of the client's that does not exist."""
    listed = run(["docker", "context", "ls", "--format", "{{.Name}}"], check=False).stdout.split()
    known = ", ".join(context for context in listed if context != name)
    if os.environ.get("DOCKER_CONTEXT"):
        source, remedy = "the variable DOCKER_CONTEXT", "Unset DOCKER_CONTEXT, or name one of"
    else:
        source, remedy = "docker's configuration", "Choose another one with `docker context use`"
    return EngineMissingError(
        f'There is no docker context "{name}", which {source} names.',
        f"{remedy}: {known}.",
    )


def _numbers(version: str) -> tuple[int, ...]:
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return (int(numbers.group(1)), int(numbers.group(2))) if numbers else (0, 0)


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
