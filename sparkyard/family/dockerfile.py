"""What does a Dockerfile stand on, take in and read?

The Dockerfile of an image is the graph: its parent is the FROM of its last stage, its shared layers
are what that stage copies with `COPY --link --from=`, and all other names are directories, images
and layers that a step reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dockerfile as buildkit

from sparkyard.errors import ImageGraphError, MalformedFileError

NOTHING = "scratch"
"""Docker's own word for an empty parent."""


@dataclass(frozen=True)
class Dockerfile:
    """The names in a Dockerfile that are not its own stages, each once, in their order.

    Attributes:
        parent: what its last stage starts from; "" where it starts from nothing.
        takes: what its last stage copies.
        reads: all others.
    """

    parent: str
    takes: tuple[str, ...]
    reads: tuple[str, ...]


def read(file: Path) -> Dockerfile:
    """Return what a Dockerfile names.

    Raises:
        MalformedFileError: it is missing, or is no Dockerfile.
        ImageGraphError: it copies a layer without --link.
    """
    try:
        commands = buildkit.parse_file(str(file))
    except buildkit.GoIOError:
        raise MalformedFileError(
            f"{file} cannot be read.", "Each image has a Dockerfile."
        ) from None
    except buildkit.GoParseError as error:
        raise MalformedFileError(f"{file} is no Dockerfile: {error}.", "Correct it.") from None
    stages = _stages(commands, file)
    own = {name for name, _, _ in stages} | {str(number) for number in range(len(stages))}
    last = _ancestry(stages)
    takes: list[str] = []
    reads: list[str] = []
    for stage in stages:
        _, base, steps = stage
        reads.append(base)
        for step in steps:
            sources = list(_sources(step))
            if stage in last and step.cmd == "COPY":
                takes += [source for source in sources if source not in own]
                _require_link(step, own, file)
            else:
                reads += sources
    parent = last[-1][1]
    return Dockerfile(
        parent="" if parent == NOTHING else parent,
        takes=_others(takes, own),
        reads=_others(reads, own | {NOTHING, parent, *takes}),
    )


_Stage = tuple[str, str, list[buildkit.Command]]


def _stages(commands: Iterable[buildkit.Command], file: Path) -> list[_Stage]:
    stages: list[_Stage] = []
    for command in commands:
        if command.cmd == "FROM":
            name = command.value[2] if len(command.value) > 2 else ""
            stages.append((name, command.value[0], []))
        elif stages:
            stages[-1][2].append(command)
    if not stages:
        raise MalformedFileError(f"{file} has no FROM.", "Begin it with FROM and its parent.")
    return stages


def _ancestry(stages: list[_Stage]) -> list[_Stage]:
    """Return the last stage and those that it stands on."""
    named = {name: stage for stage in stages if (name := stage[0])}
    ancestry = [stages[-1]]
    while (above := named.get(ancestry[-1][1])) and above not in ancestry:
        ancestry.append(above)
    return ancestry


def _sources(command: buildkit.Command) -> Iterator[str]:
    """Give the names after from= in a command's flags."""
    for flag in command.flags:
        _, _, value = flag.removeprefix("--").partition("=")
        if flag.startswith("--from="):
            yield value
        elif flag.startswith("--mount="):
            options = (option.partition("=") for option in value.split(","))
            yield from (given for key, _, given in options if key == "from")


def _require_link(command: buildkit.Command, own: set[str], file: Path) -> None:
    foreign = [source for source in _sources(command) if source not in own]
    if foreign and "--link" not in command.flags:
        raise ImageGraphError(
            f"{file}, line {command.start_line} copies {foreign[0]} without --link.",
            "Write COPY --link --from=...: only then is it the same layer in every image.",
        )


def _others(names: Iterable[str], known: set[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if name not in known)
