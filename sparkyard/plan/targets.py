"""What does each part of the family need to be built: contexts, arguments, inputs?

A target is what bake calls one: an image, or a shared layer. Layers are named after their groups,
`python-<group>` and `jars-<group>`, and are built by one Dockerfile a kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparkyard import paths
from sparkyard.errors import UnknownNameError
from sparkyard.family.images import APT, JARS, PACKAGES, PYTHON, ROOT_PARENT, Family, Image
from sparkyard.family.projects import Project
from sparkyard.fetch import debs, sources
from sparkyard.locks import apt_lock, dependencies, jars
from sparkyard.names import nearest
from sparkyard.plan import inputs
from sparkyard.plan.base_image import BaseImage
from sparkyard.plan.inputs import Inputs
from sparkyard.settings import Settings

ENVIRONMENT = "environment"
"""The image in which shared layers are made: it has the Python and the prefix they are for."""
UV = paths.BUILD / "uv"


@dataclass(frozen=True)
class Target:
    """One target of the bake definition.

    Attributes:
        directory: the build's main context.
        needs: names of the targets whose content it reads.
        contexts: directories that its Dockerfile reads by name, besides.
        own_inputs: what decides on it apart from the targets that it needs.
        epoch: the time that its files and its image have, in seconds since 1970: when the Debian
            packages in it were locked.
    """

    name: str
    dockerfile: Path
    directory: Path
    needs: tuple[str, ...]
    contexts: Mapping[str, Path]
    arguments: Mapping[str, str]
    own_inputs: Inputs
    epoch: int


class Targets:
    """All targets of a family for one project, made on demand.

    Drivers' images are given the references of their executors' images, `executors`, by name.
    """

    def __init__(
        self,
        family: Family,
        project: Project,
        base: BaseImage,
        executors: Mapping[str, str],
        settings: Settings | None = None,
    ):
        self._family = family
        self._project = project
        self._base = base
        self._settings = settings or Settings()
        own = {"ARCHITECTURE": apt_lock.architecture()}
        self._values = {**project.arguments, **own}
        self._executors = executors
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
            inherited: Inputs = {}
            for needed in target.needs:
                inherited |= self.inputs(needed)
            self._inputs[name] = inherited | target.own_inputs
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
            return self._layer(name, PYTHON, dependencies.groups(self._project.dependencies))
        if name.startswith(JARS):
            return self._layer(name, JARS, jars.groups(self._project.dependencies))
        if name.startswith(APT):
            return self._layer(name, APT, apt_lock.groups(self._project))
        return self._image(self._family[name])

    def _debian(self) -> Target:
        directory = self._base.rootfs or paths.IMAGES / ROOT_PARENT
        # How layers are compressed decides on the digests of all of them.
        identity = {"debian": self._base.identity, "compression": self._settings.compression}
        dockerfile = paths.IMAGES / ROOT_PARENT / "Dockerfile"
        epoch = apt_lock.locked(self._project.system, apt_lock.DEBIAN).epoch
        return Target(ROOT_PARENT, dockerfile, directory, (), {}, {}, identity, epoch)

    def _image(self, image: Image) -> Target:
        directory = paths.IMAGES / image.name
        dockerfile = directory / "Dockerfile"
        contexts = {name: paths.ROOT / place for name, place in image.contexts.items()}
        needs = image.needs
        epoch = max(self[needed].epoch for needed in needs)
        read = [directory, *contexts.values()]
        if PACKAGES in image.given:
            system = self._project.system
            owner = system if image.project == system.name else self._project
            epoch = max(epoch, apt_lock.locked(owner, apt_lock.BASE).epoch)
            read += self._apt_files(owner, apt_lock.BASE)
            contexts |= self._apt_contexts(owner, apt_lock.BASE)
        if "uv" in image.given:
            contexts["uv"] = UV
        arguments = self._arguments(dockerfile, epoch, drives=image.drives)
        return Target(
            name=image.name,
            dockerfile=dockerfile,
            directory=directory,
            needs=needs,
            contexts=contexts,
            arguments=arguments,
            own_inputs=inputs.of_files(read) | arguments,
            epoch=epoch,
        )

    def _arguments(
        self, dockerfile: Path, epoch: int, *, group: str = "", drives: str = ""
    ) -> dict[str, str]:
        values = {**self._values, "SOURCE_DATE_EPOCH": str(epoch), "GROUP": group}
        if drives:
            values["EXECUTORS_IMAGE"] = self._executors.get(drives, "")
        return inputs.arguments(dockerfile, values)

    @staticmethod
    def _apt_files(owner: Project, name: str) -> list[Path]:
        """Return the files that decide on a list of Debian packages."""
        return [apt_lock.list_file(owner, name), apt_lock.lock_file(owner, name)]

    @staticmethod
    def _apt_contexts(owner: Project, name: str) -> dict[str, Path]:
        """Return the directories with the lock of a list and with the packages that it names."""
        return {
            PACKAGES: apt_lock.lock_file(owner, name).parent,
            "debs": debs.place(owner, name),
        }

    def _layer(self, name: str, kind: str, known: tuple[str, ...]) -> Target:
        group = name.removeprefix(kind)
        if group not in known:
            raise UnknownNameError(
                f'An image takes "{name}", but {self._project.dependencies} has no such group.',
                nearest(name, (kind + other for other in known)),
            )
        place = paths.IMAGES / kind.rstrip("-")
        dockerfile = place / "Dockerfile"
        epoch = self[ENVIRONMENT].epoch
        contexts = {"common": paths.IMAGES / "common"}
        class_path = ""
        if kind == PYTHON:
            decide = [dependencies.exported(self._project.dependencies, group)]
            contexts |= {"uv": UV, "requirements": decide[0].parent}
            contexts |= {"sources": sources.place(self._project, group)}
        elif kind == JARS:
            decide = [jars.lock_file(self._project.dependencies, group)]
            contexts |= {"locks": decide[0].parent}
            class_path = jars.directory_of(self._project.dependencies, group)
        else:
            decide = self._apt_files(self._project, group)
            contexts |= self._apt_contexts(self._project, group)
            epoch = max(epoch, apt_lock.locked(self._project, group).epoch)
        arguments = self._arguments(dockerfile, epoch, group=group)
        own_inputs = inputs.of_files([place, *decide])
        if class_path:
            arguments["JARS_DIRECTORY"] = class_path
            own_inputs[f"directory of {name}"] = class_path
        return Target(
            name=name,
            dockerfile=dockerfile,
            directory=place,
            needs=(ENVIRONMENT,),
            contexts=contexts,
            arguments=arguments,
            own_inputs=own_inputs,
            epoch=epoch,
        )
