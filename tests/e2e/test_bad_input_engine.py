"""Is an engine that is missing, unsuitable or out of disk named as what it is?"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard.engine import engine
from tests.e2e.bad_input import Ended, Yard, assert_clear, make_yard
from tests.e2e.own_engine import own_engine, small_disk

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="starts engines and makes mounts"),
]

NOBODY = "65534"
PLUGINS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
"""Where the client looks for its plugins, after $DOCKER_CONFIG/cli-plugins."""


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = make_yard(tmp_path / "yard")
    yield made
    assert made.tags() == set()
    assert made.containers() == ""


@pytest.mark.parametrize("command", [["build", "executors"], ["plan"], ["engine"]], ids=" ".join)
def test_a_dead_docker_host_is_named_and_nothing_is_installed(
    yard: Yard, command: list[str]
) -> None:
    ended = yard.run(*command, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert_clear(ended, 20, "unix:///nowhere/docker.sock", "DOCKER_HOST")
    assert "installing" not in ended.stderr.lower()
    assert "Starting the engine" not in ended.stderr


def test_a_context_and_a_builder_that_do_not_exist_are_named(yard: Yard) -> None:
    ended = yard.run("engine", DOCKER_CONTEXT="nowhere")
    assert_clear(ended, 20, '"nowhere"', "variable DOCKER_CONTEXT", ": default")
    ended = yard.run("engine", BUILDX_BUILDER="nobody")
    assert_clear(ended, 23, "nobody", "variable BUILDX_BUILDER", ": default")


def test_no_docker_at_all_as_a_plain_user(yard: Yard) -> None:
    ended = as_nobody(yard, PATH="/nowhere")
    assert_clear(ended, 20, "no docker on PATH", "as root", "docs.docker.com")


def test_a_user_who_may_not_use_the_engine(yard: Yard) -> None:
    ended = as_nobody(yard)
    assert_clear(ended, 20, "may not talk to the container engine", "usermod -aG docker")


def test_an_engine_that_is_too_old(yard: Yard, tmp_path: Path) -> None:
    information, _ = engine.describe()
    old = json.dumps({**information, "ServerVersion": "20.10.24+dfsg1"})
    (tmp_path / "info.json").write_text(old)
    fake = tmp_path / "bin" / "docker"
    fake.parent.mkdir()
    fake.write_text(
        '#!/bin/sh\ncase "$1" in\n'
        f"info) cat {tmp_path}/info.json ;;\nversion) ;;\n"
        "buildx) echo 'github.com/docker/buildx 0.13.1' ;;\n*) echo '[]'; exit 1 ;;\nesac\n"
    )
    fake.chmod(0o755)
    ended = yard.run("build", "executors", PATH=f"{fake.parent}:{os.environ['PATH']}")
    assert_clear(ended, 21, "20.10.24", "25.0", "Install Docker Engine 25 or newer")


def test_an_engine_without_buildx(yard: Yard) -> None:
    hide = " ".join(f"[ ! -d {place} ] || mount -t tmpfs tmpfs {place};" for place in PLUGINS)
    argv = ["unshare", "--mount", "sh", "-c", f'{hide} exec "$@"', "sh"]
    ended = yard.call([*argv, *yard.argv("build", "executors")], DOCKER_CONFIG="/nowhere")
    assert_clear(ended, 23, "no buildx plugin", "apt-get install docker-buildx")


def test_the_classic_store(yard: Yard) -> None:
    with own_engine(containerd_store=False) as host:
        ended = yard.run("build", "executors", DOCKER_HOST=host)
    assert_clear(ended, 22, "classic store", "containerd-snapshotter", "daemon.json")


@pytest.mark.parametrize(
    ("megabytes", "step", "said"),
    [
        (150, "true", "no space left on device"),
        (600, "dd if=/dev/zero of=/fill bs=1M count=700", "No space left on device"),
        # The layer itself finds no room, or BuildKit's record of it: a matter of a few megabytes.
        (700, "dd if=/dev/urandom of=/fill bs=1M count=300", "write a layer|no space left"),
        (900, "dd if=/dev/urandom of=/fill bs=1M count=300", "no space left on device"),
    ],
    ids=["taking in", "in a step", "in the layer", "after the image got its name"],
)
def test_a_disk_that_fills_up_in_a_build(
    yard: Yard, tmp_path: Path, megabytes: int, step: str, said: str
) -> None:
    yard.family(base=f"FROM debian\nRUN --network=none {step}\n")
    with (
        small_disk(tmp_path / "small", megabytes) as disk,
        own_engine(containerd_store=True, data=disk / "data") as host,
    ):
        ended = yard.run("build", "executors", DOCKER_HOST=host)
        listed = yard.call(["docker", "image", "ls", "--quiet"], DOCKER_HOST=host)
    assert_clear(ended, 31, "nox -s clean", "Docker Root Dir")
    assert re.search(said, ended.message), ended.message
    assert listed.stdout == ""


def as_nobody(yard: Yard, **settings: str) -> Ended:
    """Run a build as a user without any rights, who can read the checkout and the tools."""
    for directory in (yard.root, *yard.root.parents):
        if directory.is_relative_to(Path(tempfile.gettempdir())) and directory.owner() == "root":
            directory.chmod(directory.stat().st_mode | 0o055)
    (yard.root / "cache").chmod(0o777)
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    path = {"HOME": str(yard.root / "cache")}
    return yard.call(
        [str(shutil.which("setpriv")), *user[1:], *yard.argv("build", "executors")],
        **{**path, **settings},
    )
