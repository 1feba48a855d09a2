"""What does each part of the family need to be built: contexts, arguments, inputs?

A target is what bake calls one: an image, or a shared layer. Layers are named after their groups,
`python-<group>` and `jars-<group>`, and are built by one Dockerfile a kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparkyard import dependencies, inputs, jars, paths
from sparkyard.base_image import BaseImage
from sparkyard.errors import UnknownNameError
from sparkyard.images import ROOT_PARENT, Family, Image
from sparkyard.inputs import Inputs
from sparkyard.names import nearest
from sparkyard.stack import Stack

PYTHON = dependencies.LAYER_PREFIX
JARS = "jars-"
APT = "apt-"
BASE = "base"
"""The image in which shared layers are made: it has the Python and the user they are for."""
UV = paths.BUILD / "uv"


@dataclass(frozen=True)
class Target:
    """One target of the bake definition.

    Attributes:
        directory: the build's main context.
        needs: names of the targets whose content it reads.
        contexts: directories that its Dockerfile reads by name, besides.
        own_inputs: what decides on it apart from the targets that it needs.
    """

    name: str
    dockerfile: Path
    directory: Path
    needs: tuple[str, ...]
    contexts: Mapping[str, Path]
    arguments: Mapping[str, str]
    own_inputs: Inputs


class Targets:
    """All targets of a family on one stack, made on demand."""

    def __init__(self, family: Family, stack: Stack, base: BaseImage, extra: Mapping[str, str]):
        self._family = family
        self._stack = stack
        self._base = base
        self._values = {**stack.arguments, **extra}
        self._made: dict[str, Target] = {}
        self._inputs: dict[str, Inputs] = {}

    def __getitem__(self, name: str) -> Target:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def inputs(self, name: str) -> Inputs:
        """Return all that decides on a target's content."""
        if name not in self._inputs:
            target = self[name]
            found: Inputs = {}
            for needed in target.needs:
                found |= self.inputs(needed)
            self._inputs[name] = found | target.own_inputs
        return self._inputs[name]

    def closure(self, names: tuple[str, ...]) -> tuple[Target, ...]:
        """Return the targets and all that they need, each after what it needs."""
        ordered: dict[str, Target] = {}

        def place(name: str) -> None:
            if name not in ordered:
                for needed in self[name].needs:
                    place(needed)
                ordered[name] = self[name]

        for name in names:
            place(name)
        return tuple(ordered.values())

    def _make(self, name: str) -> Target:
        if name == ROOT_PARENT:
            return self._debian()
        if name.startswith(PYTHON):
            return self._layer(name, PYTHON, dependencies.groups(self._stack.dependencies))
        if name.startswith(JARS):
            return self._layer(name, JARS, jars.groups(self._stack.dependencies))
        if name.startswith(APT):
            lists = sorted((self._stack.dependencies / "apt").glob("*.txt"))
            return self._layer(name, APT, tuple(file.stem for file in lists))
        return self._image(self._family[name])

    def _debian(self) -> Target:
        directory = self._base.rootfs or paths.IMAGES / ROOT_PARENT
        identity = {"debian": self._base.identity}
        dockerfile = paths.IMAGES / ROOT_PARENT / "Dockerfile"
        return Target(ROOT_PARENT, dockerfile, directory, (), {}, {}, identity)

    def _image(self, image: Image) -> Target:
        directory = paths.IMAGES / image.name
        dockerfile = directory / "Dockerfile"
        contexts = {name: paths.ROOT / place for name, place in image.contexts.items()}
        if image.name == BASE:
            contexts["uv"] = UV
        arguments = inputs.arguments(dockerfile, self._values)
        read = [directory, *(place for name, place in contexts.items() if name != "uv")]
        return Target(
            name=image.name,
            dockerfile=dockerfile,
            directory=directory,
            needs=(image.parent, *image.takes),
            contexts=contexts,
            arguments=arguments,
            own_inputs=inputs.of_files(read) | arguments,
        )

    def _layer(self, name: str, kind: str, known: tuple[str, ...]) -> Target:
        group = name.removeprefix(kind)
        if group not in known:
            raise UnknownNameError(
                f'images/images.toml takes "{name}", but the stack {self._stack.name} has no such '
                "group.",
                nearest(name, (kind + other for other in known)),
            )
        place = paths.IMAGES / kind.rstrip("-")
        dockerfile = place / "Dockerfile"
        arguments = inputs.arguments(dockerfile, {**self._values, "GROUP": group})
        if kind == PYTHON:
            lock = dependencies.exported(self._stack.dependencies, group)
            contexts = {"uv": UV, "requirements": lock.parent}
        elif kind == JARS:
            lock = jars.lock_file(self._stack.dependencies, group)
            contexts = {"locks": lock.parent}
        else:
            lock = self._stack.dependencies / "apt" / f"{group}.txt"
            contexts = {"packages": lock.parent, "common": paths.IMAGES / "common"}
        return Target(
            name=name,
            dockerfile=dockerfile,
            directory=place,
            needs=(BASE,),
            contexts=contexts,
            arguments=arguments,
            own_inputs=inputs.of_files([place, lock]),
        )
