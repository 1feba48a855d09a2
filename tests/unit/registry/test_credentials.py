"""Are credentials found where docker keeps them, and told to nobody?"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from sparkyard.errors import MalformedFileError, RegistryCredentialsError
from sparkyard.registry import credentials
from sparkyard.registry.credentials import Credentials

SECRET = "pw-4d1e"  # noqa: S105
HOST = "registry.example.com:5000"
HELPER = """#!/bin/sh
read -r server
echo "$*" >>"$0.argv"
if [ "$1" = get ] && [ "$server" = "{host}" ]; then
    echo '{{"ServerURL": "{host}", "Username": "{user}", "Secret": "{secret}"}}'
else
    echo "{failure}"
    exit 1
fi
"""


def write(directory: Path, document: object) -> Path:
    file = directory / "config.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return file


def pair(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper on PATH that knows one host."""
    program = tmp_path / "bin" / "docker-credential-test"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    make(program)
    return program


def make(program: Path, user: str = "ann", failure: str = "credentials not found") -> None:
    text = HELPER.format(host=HOST, user=user, secret=SECRET, failure=failure)
    program.write_text(text)
    program.chmod(0o755)


def test_without_a_configuration_there_are_none(tmp_path: Path) -> None:
    assert credentials.find(HOST, tmp_path / "config.json") is None


@pytest.mark.parametrize("name", [HOST, f"https://{HOST}", f"https://{HOST}/v1/"])
def test_what_the_file_holds_is_found(tmp_path: Path, name: str) -> None:
    file = write(tmp_path, {"auths": {name: {"auth": pair(f"ann:{SECRET}:x")}}})
    assert credentials.find(HOST, file) == Credentials("ann", f"{SECRET}:x")
    assert credentials.find("registry.example.com", file) is None


def test_an_identity_token_is_found(tmp_path: Path) -> None:
    file = write(tmp_path, {"auths": {HOST: {"auth": pair("ann:"), "identitytoken": SECRET}}})
    assert credentials.find(HOST, file) == Credentials("ann", "", SECRET)


def test_docker_hub_has_its_own_name(tmp_path: Path) -> None:
    file = write(tmp_path, {"auths": {credentials.DOCKER_HUB: {"auth": pair("ann:x")}}})
    assert credentials.find("docker.io", file) == Credentials("ann", "x")


def test_dockers_variable_names_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"auths": {HOST: {"auth": pair("ann:x")}}})
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert credentials.find(HOST) == Credentials("ann", "x")


@pytest.mark.parametrize("by", [{"credHelpers": {HOST: "test"}}, {"credsStore": "test"}])
def test_a_helper_is_asked_on_its_standard_input(
    tmp_path: Path, helper: Path, by: dict[str, object]
) -> None:
    assert credentials.find(HOST, write(tmp_path, by)) == Credentials("ann", SECRET)
    assert Path(f"{helper}.argv").read_text() == "get\n"


def test_a_helper_may_give_an_identity_token(tmp_path: Path, helper: Path) -> None:
    make(helper, user="<token>")
    file = write(tmp_path, {"credsStore": "test"})
    assert credentials.find(HOST, file) == Credentials("", "", SECRET)


def test_a_helper_that_knows_none_is_no_error(tmp_path: Path, helper: Path) -> None:
    assert helper.exists()
    assert credentials.find("other.example.com", write(tmp_path, {"credsStore": "test"})) is None


def test_a_helper_that_fails_is_told_without_what_it_said(tmp_path: Path, helper: Path) -> None:
    make(helper, failure=f"locked: {SECRET}")
    with pytest.raises(RegistryCredentialsError, match="docker-credential-test") as raised:
        credentials.find("other.example.com", write(tmp_path, {"credsStore": "test"}))
    assert SECRET not in f"{raised.value.what}{raised.value.remedy}{raised.value.detail}"


def test_a_missing_helper_is_told(tmp_path: Path) -> None:
    with pytest.raises(RegistryCredentialsError, match="docker-credential-none-such"):
        credentials.find(HOST, write(tmp_path, {"credsStore": "none-such"}))


@pytest.mark.parametrize(
    "document",
    ["{", "[]", {"auths": [1]}, {"auths": {HOST: {"auth": f"!{SECRET}"}}}],
)
def test_a_damaged_file_is_told_without_its_content(tmp_path: Path, document: object) -> None:
    with pytest.raises(MalformedFileError, match=r"config\.json") as raised:
        credentials.find(HOST, write(tmp_path, document))
    assert SECRET not in f"{raised.value.what}{raised.value.remedy}"


def test_a_secret_is_not_printed() -> None:
    assert SECRET not in repr(Credentials("ann", SECRET, SECRET))
