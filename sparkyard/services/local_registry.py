"""Which registry serves where none is named? One on this machine's loopback, in a container.

It is Debian's docker-registry, started again by the engine after a reboot; what it holds stays in a
volume. Nobody else reaches it, so it asks for no credentials.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sparkyard import console, paths
from sparkyard.builds import bake
from sparkyard.command import run
from sparkyard.engine import engine
from sparkyard.errors import (
    BuildFailedError,
    CommandFailedError,
    RegistryUnreachableError,
    SettingsError,
    SparkyardError,
)
from sparkyard.plan import base_image
from sparkyard.plan.plan import LABEL, Site
from sparkyard.registry.http import Limits
from sparkyard.registry.registry import Registry
from sparkyard.services import local_container
from sparkyard.services.local_container import LocalContainer
from sparkyard.settings import Settings

NAME = "sparkyard-registry"
"""The container, its volume, and the repository of its image in the engine."""

DIRECTORY = paths.IMAGES / "tools" / "registry"
_DATA = "/var/lib/docker-registry"
_LABEL = f"{LABEL}.registry"
_STARTING = Limits(retries=6, backoff=0.2, connect=5, silence=10)
"""About 13 s until it must answer; docker-registry takes well under one."""


@dataclass(frozen=True)
class State:
    """The registry of this machine: `image` is what its container was made of, or empty."""

    host: str
    container: str
    volume: str
    running: bool
    image: str


def host(settings: Settings) -> str:
    """Return the host and port at which it answers."""
    return f"127.0.0.1:{settings.local_registry_port}"


def state(settings: Settings, name: str = NAME) -> State:
    """Return how it is now. Raises EngineMissingError: no engine answers."""
    now = _container(name).state()
    port = now.port or settings.local_registry_port
    return State(f"127.0.0.1:{port}", name, name, now.running, now.made_of)


def ensure(site: Site, name: str = NAME) -> str:
    """Start it unless it runs, wait until it answers, and return its host and port.

    Raises:
        SettingsError: something else has its port.
        BuildFailedError: its image could not be built.
        RegistryUnreachableError: it does not answer.
        EngineMissingError: no engine answers.
    """
    where = host(site.settings)
    now = state(site.settings, name)
    wanted = _image(site)
    if not (now.running and now.host == where and now.image == wanted):
        _provide(site, wanted)
        _container(name).remove()
        _start(site, wanted, name)
        console.note(f"started the registry {where} of this machine ({name})")
    answering = Registry(where, site.settings, limits=_STARTING)
    try:
        answering.ping()
    except RegistryUnreachableError as error:
        raise RegistryUnreachableError(
            f"The registry of this machine was started at {where}, and does not answer.",
            f"See `docker logs {name}`; start it anew: `nox -s registry -- --stop`, then "
            "`nox -s registry`.",
            detail=_container(name).log(20),
        ) from error
    finally:
        answering.close()
    return where


def stop(name: str = NAME) -> bool:
    """Take the container away, not what it holds; return whether there was one."""
    return _container(name).remove()


def remove(name: str = NAME) -> bool:
    """Take the container away with all that it holds; return whether there was anything."""
    had = _container(name).remove()
    return engine.client("volume", "rm", name).exit_code == 0 or had


def build(site: Site) -> str:
    """Return the image of the registry, built where the engine does not have it.

    Raises: as `ensure`.
    """
    wanted = _image(site)
    _provide(site, wanted)
    return wanted


def _image(site: Site) -> str:
    """Return the image's name, which tells what it is made of."""
    made_of = hashlib.sha256(site.project.debian.encode())
    for file in (DIRECTORY / "Dockerfile", DIRECTORY / "config.yml"):
        made_of.update(file.read_bytes())
    return f"{NAME}:{made_of.hexdigest()[:12]}"


def _provide(site: Site, wanted: str) -> None:
    if engine.inspect([wanted]):
        return
    engine.ensure()
    bake.write_mirrors(site.settings)
    base = base_image.named(site.project, site.settings)
    argv = ["docker", "buildx", "build", "--quiet", "--provenance=false", "--tag", wanted]
    argv += ["--build-context", f"common={paths.IMAGES / 'common'}"]
    argv += ["--build-context", f"debian={base}", "--build-arg", f"SUITE={site.project.debian}"]
    argv += [word for secret in bake.secrets(site.settings) for word in ("--secret", secret)]
    try:
        run([*argv, str(DIRECTORY)])
    except CommandFailedError as error:
        raise BuildFailedError(
            "The image of this machine's registry could not be built.",
            "The lines above are the last of its build. A registry elsewhere does as well: set "
            "REGISTRY.",
            detail=error.detail,
        ) from error


def _start(site: Site, image: str, name: str) -> None:
    port = site.settings.local_registry_port
    said = _container(name).start(
        port, image, "--restart", local_container.RESTART, "--volume", f"{name}:{_DATA}", image
    )
    if said:
        raise _not_started(port, said)


def _not_started(port: str, said: str) -> SparkyardError:
    if local_container.port_taken(said):
        return SettingsError(
            f"The registry of this machine cannot have port {port}: something else listens there.",
            "Set SPARKYARD_LOCAL_REGISTRY_PORT to a free port; or, if a registry is what listens, "
            f"REGISTRY=localhost:{port}.",
        )
    return RegistryUnreachableError(
        "The registry of this machine could not be started.",
        "See what the engine says above, or set REGISTRY to another one.",
        detail=said,
    )


def _container(name: str) -> LocalContainer:
    return LocalContainer(name, _LABEL, 5000)
