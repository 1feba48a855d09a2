"""What do tests make in the engine, and how is all of it taken away again?

Whatever a run makes bears the label `io.sparkyard.test=<run>`, so that one look at the engine finds
it again: at the end of the run, after Ctrl-C, and in a later run after a crash.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sparkyard.command import Completed, run
from sparkyard.commands.tests import LABEL, left_over, remove
from sparkyard.errors import CommandFailedError

PREFIX = "sparkyard-test"


@dataclass(frozen=True)
class Container:
    """A running container."""

    id: str
    name: str

    def exec(
        self,
        *argv: str,
        user: str = "",
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
        check: bool = True,
        timeout: float = 300,
    ) -> Completed:
        """Run a command in it, as its own user by default.

        Raises:
            CommandFailedError: it took longer than `timeout` seconds, or failed under `check`.
        """
        words = ["docker", "exec", *(["--interactive"] if stdin is not None else [])]
        words += ["--user", user] if user else []
        for name in environment or {}:
            words += ["--env", name]  # the value is taken from docker's own environment
        command = [*words, self.id, *argv]
        try:
            return run(command, env=environment, stdin=stdin, check=check, timeout=timeout)
        except CommandFailedError as error:
            error.add_note(error.detail)
            raise

    def python(self, code: str, *arguments: str, **options: Any) -> str:
        """Run Python code with the image's own interpreter, and return what it prints."""
        return self.exec("python", "-", *arguments, stdin=code, **options).stdout.strip()

    def logs(self) -> str:
        """Return what its main process has written so far."""
        written = run(["docker", "logs", self.id], check=False)
        return written.stdout + written.stderr

    def inspect(self) -> dict[str, Any]:
        """Return what the engine says of it."""
        document: list[dict[str, Any]] = json.loads(run(["docker", "inspect", self.id]).stdout)
        return document[0]

    def wait_for(self, holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait until something about it holds.

        Raises:
            AssertionError: it did not within that time, or the container ended; with its log.
        """
        deadline = time.monotonic() + seconds
        while not holds():
            ended = not self.inspect()["State"]["Running"]
            late = time.monotonic() > deadline
            if ended or late:
                why = "ended" if ended else f"took over {seconds:.0f} s"
                raise AssertionError(f"{self.name} {why}: no {what}\n{self.logs()[-3000:]}")
            time.sleep(0.3)


@dataclass(frozen=True)
class Lab:
    """One test run's part of the engine: everything made through it bears the run's label."""

    run: str
    keep: bool = False

    def name(self, what: str) -> str:
        """Return a name that no other run has."""
        return f"{PREFIX}-{self.run}-{what}"

    @property
    def label(self) -> str:
        """The label of everything that the run makes, as name=value."""
        return f"{LABEL}={self.run}"

    @contextmanager
    def container(
        self,
        image: str,
        *command: str,
        what: str,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Container]:
        """Give a container that runs in the background, and remove it afterwards.

        Args:
            command: what it runs instead of the image's own command.
            what: the part of its name that says what it is for.
            options: further words for `docker run`.
            environment: variables, whose values appear on no command line.
        """
        name = self.name(what)
        words = ["docker", "run", "--detach", "--name", name, "--label", self.label]
        for variable in environment or {}:
            words += ["--env", variable]
        started = run([*words, *options, image, *command], env=environment, timeout=120)
        try:
            yield Container(started.stdout.strip(), name)
        finally:
            if not self.keep:
                run(["docker", "rm", "--force", "--volumes", name], check=False)

    def once(
        self,
        image: str,
        *command: str,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = 120,
    ) -> Completed:
        """Run a command in a container of its own, and return how it ended."""
        words = ["docker", "run", "--rm", "--label", self.label]
        words += ["--interactive"] if stdin is not None else []
        for variable in environment or {}:
            words += ["--env", variable]
        argv = [*words, *options, image, *command]
        return run(argv, env=environment, stdin=stdin, check=False, timeout=timeout)

    @contextmanager
    def network(self) -> Iterator[str]:
        """Give a network on which containers find each other by name, and remove it afterwards."""
        name = self.name("net")
        run(["docker", "network", "create", "--label", self.label, name])
        try:
            yield name
        finally:
            if not self.keep:
                run(["docker", "network", "rm", name], check=False)

    def sweep(self) -> list[str]:
        """Remove what the run left in the engine, and return what that was."""
        return remove(left_over(self.run))


def must(ended: Completed) -> str:
    """Return what a command printed.

    Raises:
        AssertionError: it failed; with all that it wrote.
    """
    assert ended.exit_code == 0, f"exit code {ended.exit_code}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout.strip()
