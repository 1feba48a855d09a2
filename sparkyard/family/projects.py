"""What is an environment made of, and what does a stack stand on: which Debian, Python, Java?

An environment is a project of package-dependencies/: a prefix and a Python for it, packages and
their locks. A stack is a project with Java and Spark, described in conf/stacks; what no stack owns
is described beside its locks, in project.toml. All stand on one project, "os": Debian itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sparkyard import paths
from sparkyard.errors import MalformedFileError, UnknownNameError
from sparkyard.files import toml_file
from sparkyard.names import nearest

SYSTEM = "os"
"""The project of the operating system."""

PREFIX = "/opt/venv"
"""Where each stack has its environment: an image is of one stack, so these never meet."""

_PREFIX = re.compile(r"/opt/[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Package:
    """A Debian package and the suite that it comes from."""

    name: str
    suite: str


@dataclass(frozen=True)
class Project:
    """A project: of a stack, or one that no stack owns and that has no Java.

    Attributes:
        debian: the suite of Debian that its images consist of.
        python: the minor version; empty where it has no environment of Python packages.
        python_package: where that comes from.
        java_home: a path in the images.
        prefix: the directory of its environment in the images.
        on: the project of the operating system; None for that one itself.
    """

    name: str
    summary: str
    debian: str
    python: str = ""
    python_package: Package | None = None
    java_package: Package | None = None
    java_major: int = 0
    java_home: str = ""
    prefix: str = PREFIX
    on: Project | None = None
    copy: Path | None = None
    """A directory that stands for `dependencies`: a copy in which new locks are made."""

    @property
    def is_stack(self) -> bool:
        """Whether it can be chosen with --stack, and has Spark."""
        return self.java_package is not None

    @property
    def system(self) -> Project:
        """The project of the operating system: itself, where it stands on none."""
        return self.on or self

    @property
    def chain(self) -> tuple[Project, ...]:
        """The project and what it stands on, the lowest first."""
        return (self.on, self) if self.on else (self,)

    @property
    def class_level(self) -> int:
        """The newest class file version that the stack's Java runs: 44 more than its number."""
        return 44 + self.java_major

    @property
    def dependencies(self) -> Path:
        """The directory that declares and locks what goes into the project's images."""
        return self.copy or paths.DEPENDENCIES / self.name

    @property
    def packages(self) -> tuple[str, ...]:
        """The Debian packages that its description names, as apt is asked: PACKAGE/SUITE."""
        named = (self.python_package, self.java_package)
        return tuple(f"{package.name}/{package.suite}" for package in named if package)

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites that its Debian packages come from, that of its images first."""
        named = (self.python_package, self.java_package)
        return tuple(dict.fromkeys([self.debian, *(package.suite for package in named if package)]))

    @property
    def arguments(self) -> dict[str, str]:
        """The values of the build arguments that Dockerfiles may declare."""
        return {
            "SUITES": ",".join(self.suites),
            "PYTHON": self.python,
            "PREFIX": self.prefix,
            "JAVA_HOME": self.java_home,
            "JARS_DIRECTORY": f"{self.prefix}/lib/python{self.python}/site-packages/pyspark/jars",
        }


ALL = "all"
"""The word for every stack, where one may be named."""


def stacks(directory: Path = paths.STACKS) -> tuple[str, ...]:
    """Return the names of all stacks.

    Raises:
        MalformedFileError: with two of them, tags of the one could be taken for the other's.
    """
    names = tuple(sorted(file.stem for file in directory.glob("*.toml")))
    _check_names(names, names, directory)
    return names


def others() -> tuple[str, ...]:
    """Return the names of the projects that no stack owns, the operating system's first.

    Raises:
        MalformedFileError: one cannot be told from a stack or another project, by its name or by
            its prefix.
    """
    files = sorted(paths.DEPENDENCIES.glob("*/project.toml"))
    names = tuple(sorted((file.parent.name for file in files), key=lambda name: name != SYSTEM))
    _check_names(names, (*stacks(), *names), paths.DEPENDENCIES)
    prefixes = {PREFIX: "each stack"}
    for file in files:
        prefix = toml_file.read(file).get("prefix")
        if prefix is None:
            continue
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            raise MalformedFileError(
                f"{file}: {prefix!r} is no prefix.", 'Write: prefix = "/opt/NAME"'
            )
        if prefix in prefixes:
            raise MalformedFileError(
                f"{file}: the prefix {prefix} is that of {prefixes[prefix]}, too, and no two "
                "projects share one.",
                f"Take another: /opt/{file.parent.name}, say.",
            )
        prefixes[prefix] = file.parent.name
    return names


def every() -> tuple[Project, ...]:
    """Return all projects, each after what it stands on."""
    names = others()
    return tuple(load(name) for name in (*names[:1], *stacks(), *names[1:]))


def load(name: str, directory: Path = paths.STACKS) -> Project:
    """Return the stack `name`, or the project of that name that no stack owns.

    Raises:
        UnknownNameError: there is none.
        MalformedFileError: its file cannot be read as a stack or a project.
    """
    if name in others():
        return _project(name)
    if name not in stacks(directory):
        raise UnknownNameError(
            f'There is no stack "{name}" in {directory}.', nearest(name, stacks(directory))
        )
    file = directory / f"{name}.toml"
    document = toml_file.read(file)
    python = toml_file.table(document, "python", file)
    java = toml_file.table(document, "java", file)
    major = java.get("major")
    if not isinstance(major, int):
        raise MalformedFileError(f'{file}: [java] has no number "major".', "Add: major = 8")
    system = _project(SYSTEM)
    if "debian" in document:
        raise MalformedFileError(
            f"{file} names a suite of Debian, and package-dependencies/{SYSTEM}/project.toml does "
            "so for all stacks.",
            "Take the line out.",
        )
    return Project(
        name=name,
        summary=toml_file.text(document, "summary", str(file)),
        debian=system.debian,
        python=toml_file.text(python, "minor", f"{file}: [python]"),
        python_package=_package(python, f"{file}: [python]"),
        java_package=_package(java, f"{file}: [java]"),
        java_major=major,
        java_home=toml_file.text(java, "home", f"{file}: [java]"),
        on=system,
    )


def _project(name: str) -> Project:
    file = paths.DEPENDENCIES / name / "project.toml"
    document = toml_file.read(file)
    summary = toml_file.text(document, "summary", str(file))
    if name == SYSTEM:
        return Project(name, summary, toml_file.text(document, "debian", str(file)))
    python = toml_file.table(document, "python", file)
    system = _project(SYSTEM)
    return Project(
        name=name,
        summary=summary,
        debian=system.debian,
        python=toml_file.text(python, "minor", f"{file}: [python]"),
        python_package=_package(python, f"{file}: [python]"),
        prefix=toml_file.text(document, "prefix", str(file)),
        on=system,
    )


def _check_names(names: tuple[str, ...], beside: tuple[str, ...], directory: Path) -> None:
    """Refuse names whose tags could be taken for those of others."""
    for name in names:
        if name == ALL or beside.count(name) > 1:
            why = ": that means every stack" if name == ALL else ", as another project is"
            _refuse(name, f"{why}.", directory)
        for other in beside:
            if name != other and _mistakable(name, other):
                _refuse(name, f' beside "{other}".', directory)


def _refuse(name: str, why: str, directory: Path) -> None:
    raise MalformedFileError(
        f'{directory}: a stack or project cannot be called "{name}"{why}',
        "Tags end and begin with such a name: rename the file, and its directory in "
        "package-dependencies/.",
    )


def _mistakable(name: str, other: str) -> bool:
    """Tell whether tags that begin or end with one name do so with the other, too."""
    return other.startswith(f"{name}-") or other.endswith(f"-{name}")


def _package(entries: dict[str, object], where: str) -> Package:
    return Package(
        toml_file.text(entries, "package", where), toml_file.text(entries, "suite", where)
    )
