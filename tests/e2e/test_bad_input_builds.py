"""Does a build that is stopped, or is not alone, leave nothing half done, and go on afterwards?"""

from __future__ import annotations

import os
import pty
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.bad_input import (
    IMAGE,
    JAR_PATH,
    Ended,
    Mirror,
    Yard,
    assert_clear,
    interrupt,
    make_jar,
    make_wheel,
    make_yard,
    mirror,
    mirrors,
    wait,
)

pytestmark = pytest.mark.engine

MAVEN = f"/maven/{JAR_PATH}"
STOPPED = "\nStopped. What was finished is kept; the same command goes on.\n"


@pytest.fixture
def site() -> Iterator[Mirror]:
    with mirror() as served:
        yield served


@pytest.fixture
def yard(tmp_path: Path, site: Mirror) -> Iterator[Yard]:
    """A family of which one layer is quickly made, and the other one's jar is fetched slowly."""
    made = make_yard(tmp_path / "yard")
    made.settings = dict(mirrors(site.url))
    made.family("python-tiny", "jars-tiny")
    wheel = make_wheel()
    site.serve_wheel(wheel)
    made.lock(wheel.requirement, jar=make_jar())
    yield made
    assert made.containers() == ""
    made.remove_images()


@pytest.fixture
def content(yard: Yard) -> bytes:
    """The jar that the lock of the checkout names."""
    made = make_jar()
    wheel = (yard.stack / "requirements/tiny.txt").read_text()
    yard.lock(wheel, jar=made)
    return made


def stopped_half_way(half: threading.Event) -> None:
    assert half.wait(120), "the build never asked for the jar"
    time.sleep(0.5)


def wheel_installed(yard: Yard) -> None:
    """Wait for the end of the step beside that of the jar: no other build has had this wheel."""
    deadline = time.monotonic() + 120
    while not installed(yard.log):
        assert time.monotonic() < deadline, f"the wheel was not installed\n{yard.log[-3000:]}"
        time.sleep(0.2)


def installed(log: str) -> bool:
    """Tell whether the layer with the wheel was put into the image, by the engine's words.

    The engine calls a step by the name of any target that needs it, so no name is looked for.
    """
    step = re.search(r"^(#\d+) \[[^]]+\] COPY --link --from=python-tiny", log, re.MULTILINE)
    return step is not None and f"\n{step[1]} DONE" in log


def goes_on(yard: Yard, site: Mirror, content: bytes) -> None:
    """Assert that the same command ends well, and does not do again what was done."""
    wheels = [path for path in site.asked if path.startswith("/files/")]
    assert wheels == wheels[:1]
    site.serve(MAVEN, content)
    ended = yard.run("build", "executors")
    assert ended.exit_code == 0, ended.stderr
    assert [path for path in site.asked if path.startswith("/files/")] == wheels
    assert len(yard.tags()) == 2


def test_ctrl_c_stops_the_step_and_the_same_command_goes_on(
    yard: Yard, site: Mirror, content: bytes
) -> None:
    half, go_on = site.stall(MAVEN, content)
    process = yard.start("build", "executors")
    stopped_half_way(half)
    assert site.waited_for()
    wheel_installed(yard)
    ended = interrupt(process)
    assert site.is_left()
    go_on.set()
    assert ended.exit_code == 130
    assert "Traceback" not in ended.stderr
    assert ended.stderr.endswith(STOPPED)
    assert yard.tags() == set()
    goes_on(yard, site, content)


@pytest.mark.parametrize(
    ("argv", "exit_code"),
    [
        ([".venv/bin/python", "-m", "sparkyard", "build", "executors"], 130),
        ([".venv/bin/nox", "--non-interactive", "-s", "executors"], 130),
        (["/usr/bin/make", "executors"], -signal.SIGINT),  # the terminal tells make, too
    ],
    ids=["python", "nox", "make"],
)
def test_ctrl_c_on_a_terminal(
    yard: Yard, site: Mirror, content: bytes, argv: list[str], exit_code: int
) -> None:
    half, go_on = site.stall(MAVEN, content)
    ended = on_terminal(yard, argv, half)
    assert site.is_left()
    go_on.set()
    assert ended.exit_code == exit_code, ended.stdout
    assert "Traceback" not in ended.stdout
    assert STOPPED.strip() in ended.stdout
    assert yard.tags() == set()


def test_a_second_build_waits_and_reads_its_inputs_then(
    yard: Yard, site: Mirror, content: bytes
) -> None:
    """What changes under the hands of the first one is in none of its images."""
    half, go_on = site.stall(MAVEN, content)
    first = yard.start("build", "executors")
    stopped_half_way(half)
    second = yard.start("build", "executors")
    assert second.stderr
    assert f"waiting for process {first.pid} in {yard.root}" in second.stderr.readline()
    yard.family("python-tiny", "jars-tiny", dockerfile="USER 7\n")
    go_on.set()
    changed = f"images/{IMAGE}/Dockerfile changed while"
    assert_clear(wait(first), 30, changed, "none got its name")
    ended = wait(second)
    assert ended.exit_code == 0, ended.stderr
    form = "{{.Config.User}}"
    shown = yard.call(["docker", "image", "inspect", "--format", form, *sorted(yard.tags())])
    assert shown.stdout.split() == ["7", "7"]


def test_one_image_that_fails_leaves_none_of_the_family_behind(yard: Yard) -> None:
    """The other one is done long before, and has its name in the engine by then."""
    yard.family()
    place = yard.root / "images/tiny-notebook"
    place.mkdir()
    (place / "Dockerfile").write_text("FROM environment\nRUN sleep 4; echo enough >&2; false\n")
    with (yard.root / "images/images.toml").open("a") as images:
        images.write(
            '[images.tiny-notebook]\nsummary = "tiny"\nsession = "jupyterhub"\n'
            f'drives = "{IMAGE}"\n'
        )
    ended = yard.run("build")
    assert_clear(ended, 30, "tiny-notebook", "enough")
    assert f"naming to docker.io/{yard.namespace}/{IMAGE}" in yard.log
    assert yard.tags() == set()


def test_a_failed_build_leaves_the_images_of_the_last_one(yard: Yard) -> None:
    yard.family()
    assert yard.run("build", "executors").exit_code == 0
    before = yard.tags()
    yard.family(dockerfile="RUN false\n")
    assert_clear(yard.run("build", "executors"), 30, "RUN false")
    assert yard.tags() == before


def on_terminal(yard: Yard, argv: list[str], half: threading.Event) -> Ended:
    """Run a command on a terminal, and press Ctrl-C there once half of the jar was sent."""
    environment = {k: v for k, v in yard.environment().items() if k != "CI"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(yard.root)
        os.execve(argv[0], argv, environment)  # noqa: S606 - there is no shell on purpose

    def press() -> None:
        half.wait(120)
        time.sleep(0.5)
        os.write(terminal, b"\x03")

    threading.Thread(target=press, daemon=True).start()
    written = b""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the last program on the terminal has ended
            break
        if not data:
            break
        written += data
    os.close(terminal)
    exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    text = written.decode(errors="replace").replace("\r\n", "\n")
    return Ended(exit_code, text, "")
