"""What does a stack stand on: which Debian, which Python, which Java?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparkyard import paths, toml_file
from sparkyard.errors import MalformedFileError, UnknownNameError
from sparkyard.names import nearest


@dataclass(frozen=True)
class Package:
    """A Debian package and the suite that it comes from."""

    name: str
    suite: str


@dataclass(frozen=True)
class Stack:
    """One file of conf/stacks: `java_home` is a path in the images, `debian` a suite's name."""

    name: str
    summary: str
    debian: str
    python: str
    python_package: Package
    java_package: Package
    java_major: int
    java_home: str
    copy: Path | None = None
    """A directory that stands for `dependencies`: a copy in which new locks are made."""

    @property
    def class_level(self) -> int:
        """The newest class file version that the stack's Java runs: 44 more than its number."""
        return 44 + self.java_major

    @property
    def dependencies(self) -> Path:
        """The directory that declares and locks what goes into the stack's images."""
        return self.copy or paths.DEPENDENCIES / self.name

    @property
    def arguments(self) -> dict[str, str]:
        """The values of the build arguments that Dockerfiles may declare."""
        suites = dict.fromkeys([self.debian, self.python_package.suite, self.java_package.suite])
        return {
            "SUITES": ",".join(suites),
            "PYTHON": self.python,
            "PYTHON_PACKAGE": f"{self.python_package.name}/{self.python_package.suite}",
            "JAVA_PACKAGE": f"{self.java_package.name}/{self.java_package.suite}",
            "JAVA_HOME": self.java_home,
            "JARS_DIRECTORY": f"/opt/venv/lib/python{self.python}/site-packages/pyspark/jars",
        }


ALL = "all"
"""The word for every stack, where one may be named."""


def known(directory: Path = paths.STACKS) -> tuple[str, ...]:
    """Return the names of all stacks.

    Raises:
        MalformedFileError: with two of them, tags of the one could be taken for the other's.
    """
    names = tuple(sorted(file.stem for file in directory.glob("*.toml")))
    for name in names:
        for other in names:
            if name == ALL or (name != other and _mistakable(name, other)):
                raise MalformedFileError(
                    f'{directory}: a stack cannot be called "{name}"'
                    + (f' beside "{other}".' if name != ALL else ": that means every stack."),
                    "Tags end and begin with a stack's name: rename the file, and its directory "
                    "in package-dependencies/.",
                )
    return names


def _mistakable(name: str, other: str) -> bool:
    """Tell whether tags that begin or end with one name do so with the other, too."""
    return other.startswith(f"{name}-") or other.endswith(f"-{name}")


def load(name: str, directory: Path = paths.STACKS) -> Stack:
    """Return the stack `name`.

    Raises:
        UnknownNameError: there is no such stack.
        MalformedFileError: its file cannot be read as a stack.
    """
    if name not in known(directory):
        raise UnknownNameError(
            f'There is no stack "{name}" in {directory}.', nearest(name, known(directory))
        )
    file = directory / f"{name}.toml"
    document = toml_file.read(file)
    python = toml_file.table(document, "python", file)
    java = toml_file.table(document, "java", file)
    major = java.get("major")
    if not isinstance(major, int):
        raise MalformedFileError(f'{file}: [java] has no number "major".', "Add: major = 8")
    return Stack(
        name=name,
        summary=toml_file.text(document, "summary", str(file)),
        debian=toml_file.text(document, "debian", str(file)),
        python=toml_file.text(python, "minor", f"{file}: [python]"),
        python_package=_package(python, f"{file}: [python]"),
        java_package=_package(java, f"{file}: [java]"),
        java_major=major,
        java_home=toml_file.text(java, "home", f"{file}: [java]"),
    )


def _package(entries: dict[str, object], where: str) -> Package:
    return Package(
        toml_file.text(entries, "package", where), toml_file.text(entries, "suite", where)
    )
