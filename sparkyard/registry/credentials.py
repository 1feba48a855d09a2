"""Who are we to a registry? Asked of the engine's own configuration, and of nothing else.

That is docker's config.json: a credential helper of the host, the store of all hosts, or the
credentials in the file. They stay in memory: on no command line, in no log, in no error.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparkyard.command import run
from sparkyard.errors import CommandFailedError, MalformedFileError, RegistryCredentialsError

DOCKER_HUB = "https://index.docker.io/v1/"
"""The name under which docker keeps the credentials of docker.io (docker login's own default)."""

_HUB_HOSTS = ("docker.io", "index.docker.io", "registry-1.docker.io")
_TOKEN_USER = "<token>"  # noqa: S105 - what helpers answer in place of a user: an identity token
_NOT_FOUND = "credentials not found"
_HELPER_SECONDS = 60


@dataclass(frozen=True)
class Credentials:
    """A user with a password, or an identity token to be exchanged for tokens."""

    user: str
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


def config_file() -> Path:
    """Return where docker keeps its configuration for this user."""
    directory = os.environ.get("DOCKER_CONFIG")
    return (Path(directory) if directory else Path.home() / ".docker") / "config.json"


def find(host: str, config: Path | None = None) -> Credentials | None:
    """Return the credentials for a registry's host, None where there are none.

    Args:
        host: as in an image's name, with its port.
        config: docker's config.json; the one of this user when not given.

    Raises:
        MalformedFileError: the file is not what docker writes.
        RegistryCredentialsError: the credential helper that it names does not work.
    """
    file = config or config_file()
    document = _read(file)
    server = DOCKER_HUB if host in _HUB_HOSTS else host
    helper = _part(document, "credHelpers", file).get(host) or document.get("credsStore")
    if helper:
        credentials = _ask(str(helper), server)
        if credentials:
            return credentials
    entries = _part(document, "auths", file)
    for name, entry in entries.items():
        if name == server or _host_of(name) == host:
            credentials = _entry(entry, name, file)
            if credentials:
                return credentials
    return None


def _read(file: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise MalformedFileError(
            f"{file} is not JSON.", "Write it anew: `docker login`."
        ) from error
    if not isinstance(document, dict):
        raise MalformedFileError(f"{file} is no JSON object.", "Write it anew: `docker login`.")
    return document


def _part(document: Mapping[str, Any], name: str, file: Path) -> Mapping[str, Any]:
    part = document.get(name) or {}
    if not isinstance(part, dict):
        raise MalformedFileError(
            f"{name} in {file} is no JSON object.", "Write it anew: `docker login`."
        )
    return part


def _host_of(name: str) -> str:
    """Return the host of an entry, which old clients wrote as a URL."""
    return name.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _entry(entry: object, name: str, file: Path) -> Credentials | None:
    if not isinstance(entry, dict):
        return None
    token = str(entry.get("identitytoken") or "")
    if entry.get("auth"):
        try:
            plain = base64.b64decode(str(entry["auth"]), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            plain = ""
        user, colon, password = plain.partition(":")
        if not colon:
            # Nothing of the value may stand in the message or in what led to it.
            raise MalformedFileError(
                f'The entry "{name}" of auths in {file} cannot be read.',
                f"Write it anew: `docker login {_host_of(name)}`.",
            ) from None
        return Credentials(user, password.rstrip("\0"), token)
    if token:
        return Credentials("", "", token)
    if entry.get("username"):
        return Credentials(str(entry["username"]), str(entry.get("password") or ""))
    return None


def _ask(helper: str, server: str) -> Credentials | None:
    program = f"docker-credential-{helper}"
    try:
        ended = run([program, "get"], stdin=server, check=False, timeout=_HELPER_SECONDS)
    except CommandFailedError as error:
        raise RegistryCredentialsError(
            f"docker's configuration keeps the credentials of {server} with {program}, "
            "which cannot be run or does not end.",
            f"Put {program} on PATH, or take it out of {config_file()}.",
        ) from error
    if ended.exit_code != 0:
        if _NOT_FOUND in (ended.stdout + ended.stderr).lower():
            return None
        raise RegistryCredentialsError(
            f"{program} does not give the credentials of {server}: exit code {ended.exit_code}.",
            f"See what it says: `echo {server} | {program} get`.",
        )
    try:
        answer = json.loads(ended.stdout)
        user, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        raise RegistryCredentialsError(
            f"{program} answers for {server} with something that is no credentials.",
            f"See what it says: `echo {server} | {program} get`.",
        ) from None
    return Credentials("", "", secret) if user == _TOKEN_USER else Credentials(user, secret)
