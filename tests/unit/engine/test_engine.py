"""Is an engine that cannot build the family told by what it says of itself?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from sparkyard.command import Completed
from sparkyard.engine import engine, install
from sparkyard.errors import (
    BuildxMissingError,
    ClassicStoreError,
    CommandFailedError,
    EngineMissingError,
    EngineTooOldError,
)

# What Docker Engine 26.1.5 of Debian says, as far as it is read.
INFORMATION: dict[str, Any] = {
    "ServerVersion": "26.1.5+dfsg1",
    "Driver": "overlayfs",
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    "DockerRootDir": "/var/lib/docker",
}
CLASSIC: dict[str, Any] = {
    **INFORMATION,
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
}
BUILDX = "github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3"


@pytest.mark.parametrize("version", ["25.0.0", "25.0", "26.1.5+dfsg1", "28.2.2", "29.0.0-rc.1"])
def test_accepts_an_engine(version: str) -> None:
    engine.check({**INFORMATION, "ServerVersion": version}, BUILDX)


@pytest.mark.parametrize("version", ["20.10.24+dfsg1", "24.0.9", "1.13.1", "", "dev", "9.9"])
def test_refuses_an_old_engine(version: str) -> None:
    with pytest.raises(EngineTooOldError, match=r"25\.0") as refusal:
        engine.check({**INFORMATION, "ServerVersion": version}, BUILDX)
    assert version in refusal.value.what


def test_refuses_an_engine_of_no_version() -> None:
    with pytest.raises(EngineTooOldError):
        engine.check({}, BUILDX)


def test_refuses_a_client_without_buildx() -> None:
    with pytest.raises(BuildxMissingError, match=r"26\.1\.5"):
        engine.check(INFORMATION, "")


@pytest.mark.parametrize(
    "line",
    [
        BUILDX,
        "github.com/docker/buildx v0.13.0 abc",
        "github.com/docker/buildx v0.29.1-desktop.1 a",
        "github.com/docker/buildx v1.0.0 a",
    ],
)
def test_accepts_a_buildx(line: str) -> None:
    engine.check(INFORMATION, line)


@pytest.mark.parametrize("line", ["github.com/docker/buildx v0.12.1 9872040", "buildx", "v0.5.1"])
def test_refuses_an_old_buildx(line: str) -> None:
    with pytest.raises(EngineTooOldError, match="buildx"):
        engine.check(INFORMATION, line)


@pytest.mark.parametrize(
    "information",
    [
        CLASSIC,
        {**INFORMATION, "DriverStatus": None},
        {**INFORMATION, "DriverStatus": []},
        {**INFORMATION, "DriverStatus": [["odd"]]},
        {k: v for k, v in INFORMATION.items() if k != "DriverStatus"},
    ],
)
def test_refuses_the_classic_store(information: dict[str, Any]) -> None:
    with pytest.raises(ClassicStoreError) as refusal:
        engine.check(information, BUILDX)
    assert "containerd-snapshotter" in refusal.value.remedy


def answers(monkeypatch: pytest.MonkeyPatch, completed: Completed | Exception) -> list[list[str]]:
    """Let every command of the module end like that; return the list of what was asked."""
    asked: list[list[str]] = []

    def run(argv: list[str], **_: object) -> Completed:
        asked.append(argv)
        if isinstance(completed, Exception):
            raise completed
        return completed

    monkeypatch.setattr(engine, "run", run)
    return asked


def test_inspect_asks_once_and_goes_by_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [{"Id": "1", "RepoTags": ["a:1", "x:1"]}, {"Id": "2", "RepoTags": None}]
    asked = answers(monkeypatch, Completed(1, json.dumps(documents), "No such image: b:1"))
    assert engine.inspect(iter(["a:1", "b:1"])) == {"a:1": documents[0]}
    assert asked == [["docker", "image", "inspect", "a:1", "b:1"]]
    assert engine.inspect([]) == {}
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("Cannot connect to the Docker daemon at unix:///x. Is it running?", "No container engine"),
        ("error during connect: Get http://x: dial tcp: i/o timeout", "No container engine"),
        ("permission denied while trying to connect: dial unix /x", "may not talk"),
    ],
)
def test_an_engine_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, said: str, what: str
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    answers(monkeypatch, Completed(1, "", said))
    with pytest.raises(EngineMissingError, match=what):
        engine.inspect(["a:1"])


def test_no_client_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    answers(monkeypatch, CommandFailedError("docker is not installed", "Install it."))
    with pytest.raises(EngineMissingError, match="no docker on PATH"):
        engine.inspect(["a:1"])


@pytest.mark.parametrize("variable", ["DOCKER_HOST", "DOCKER_CONTEXT"])
def test_installs_nothing_for_an_engine_elsewhere(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    def forbidden() -> None:
        raise AssertionError("it was installed")

    monkeypatch.setenv(variable, "tcp://elsewhere:2376")
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(install, "can_install", lambda: True)
    monkeypatch.setattr(install, "install", forbidden)
    monkeypatch.setattr(install, "start", forbidden)
    with pytest.raises(EngineMissingError):
        engine.ensure()


ABSENT = (
    'unable to resolve docker endpoint: context "gone": context not found: open /x: no such file'
)


@pytest.mark.parametrize(
    ("variable", "said", "parts"),
    [
        ("DOCKER_CONTEXT", ABSENT, ['"gone"', "variable DOCKER_CONTEXT", "Unset", ": default, b."]),
        ("", ABSENT, ['"gone"', "docker's configuration", "docker context use", ": default, b."]),
        (
            "DOCKER_CONTEXT",
            "Cannot connect to the Docker daemon at tcp://far:2376. Is it running?",
            ["answers at far, which the variable DOCKER_CONTEXT names", "unset DOCKER_CONTEXT"],
        ),
        ("", "Cannot connect to the Docker daemon at tcp://far:2376.", ["No container engine"]),
    ],
)
def test_a_context_is_named_and_this_machines_engine_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, variable: str, said: str, parts: list[str]
) -> None:
    def run(argv: list[str], **_: object) -> Completed:
        return Completed(0, "default\ngone\nb\n", "") if "ls" in argv else Completed(1, "", said)

    def forbidden() -> None:
        raise AssertionError("it was started")

    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, "gone" if said is ABSENT else "far")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr(install, "can_install", lambda: True)
    monkeypatch.setattr(install, "start", forbidden)
    for ask in (engine.ensure, lambda: engine.inspect(["a:1"])):
        with pytest.raises(EngineMissingError) as refusal:
            ask()
        message = f"{refusal.value.what} {refusal.value.remedy}"
        assert [part for part in parts if part not in message] == []


BUILDERS = (
    "NAME/NODE     DRIVER/ENDPOINT   STATUS    BUILDKIT\n"
    "remote*       remote                               \n"
    " \\_ remote0    \\_ unix:///x     running   v0.13\n"
    "default       docker                               \n"
    " \\_ default    \\_ default       running   v0.13\n"
)
"""What `docker buildx ls` of 0.13 prints."""


@pytest.mark.parametrize(
    ("variable", "shown", "parts"),
    [
        (
            "nope",
            Completed(1, "", 'ERROR: no builder "nope" found\n'),
            ["nope, which the variable BUILDX_BUILDER names", 'no builder "nope" found', "Unset"],
        ),
        (
            "",
            Completed(0, "Name:   remote\nDriver: docker-container\n", ""),
            [
                "builder remote has the driver docker-container",
                "apart from the engine's images",
                "docker buildx use",
            ],
        ),
    ],
)
def test_a_builder_other_than_the_engines_own_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, shown: Completed, parts: list[str]
) -> None:
    monkeypatch.setenv("BUILDX_BUILDER", variable)
    monkeypatch.setattr(
        engine, "run", lambda argv, **_: Completed(0, BUILDERS, "") if argv[-1] == "ls" else shown
    )
    with pytest.raises(BuildxMissingError) as refusal:
        engine._check_builder()
    message = f"{refusal.value.what} {refusal.value.remedy}"
    assert [part for part in [*parts, "engine itself: default."] if part not in message] == []


def test_the_engines_own_builder_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, Completed(0, "Name:   default\nDriver: docker\n", ""))
    engine._check_builder()


@pytest.mark.parametrize(("present", "done"), [(None, ["install", "start"]), ("x", ["start"])])
def test_installs_what_is_missing_where_it_may(
    monkeypatch: pytest.MonkeyPatch, present: str | None, done: list[str]
) -> None:
    did: list[str] = []
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: present if name == "dockerd" else None)
    monkeypatch.setattr(install, "can_install", lambda: True)
    monkeypatch.setattr(install, "install", lambda: did.append("install"))
    monkeypatch.setattr(install, "start", lambda: did.append("start"))
    monkeypatch.setattr(engine, "describe", lambda: (INFORMATION, BUILDX))
    answers(monkeypatch, Completed(0, "Driver: docker\n", ""))
    engine.ensure()
    assert did == done


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ('ID=debian\nVERSION_CODENAME="bookworm"\n', ("debian", "bookworm")),
        ('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n', ("ubuntu", "noble")),
        ('ID="fedora"\nVERSION_ID=41\n', ("fedora", "")),
        ("", ("", "")),
    ],
)
def test_reads_the_distribution(text: str, distribution: tuple[str, str]) -> None:
    found = install.read_distribution(text)
    assert (found.name, found.codename) == distribution
