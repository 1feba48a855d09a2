"""Which packages are on one side because of others that may be, and of nothing else?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from functools import cache

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from sparkyard.facts.facts import Facts, Interpreter
from sparkyard.parity.may_differ import Line, MayDiffer
from sparkyard.parity.readings import interpreter
from sparkyard.parity.rule import ABSENT, DRIVER

OF_JOBS = ("libopenblas", "libblas", "liblapack", "libatlas", "libmkl", "libomp")
"""How Debian packages begin that jobs find by themselves: that others need them is no reason."""

Needs = Callable[[str], Iterable[str]]


def explained(
    may: MayDiffer, kind: str, side: str, here: Facts, there: Facts
) -> Mapping[str, Line]:
    """Return the packages of one side alone that may be there, each with the line that says so.

    A package that one of both sides needs is not among them: the other side lacks it.
    """
    own, other = _names(kind, side, here), _names(kind, side, there)
    alone = own - other
    needs = _debian(here) if kind == "debian" else _python(here, side)
    lines: dict[str, Line] = {}
    for name in sorted(alone):
        values = ("there", ABSENT) if side == DRIVER else (ABSENT, "there")
        if line := may.line(kind, name, *values):
            lines[name] = line
    shared = {needed for name in own & other for needed in needs(name)}
    waiting = [name for name, line in lines.items() if line.needs]
    while waiting:
        name = waiting.pop()
        for needed in needs(name):
            unknown = needed in alone and needed not in lines
            if unknown and needed not in shared and not needed.startswith(OF_JOBS):
                lines[needed] = lines[name]
                waiting.append(needed)
    return lines


def _names(kind: str, side: str, facts: Facts) -> Set[str]:
    if kind == "debian":
        return set(facts.debian or ())
    python = interpreter(facts, side)
    return {package.name for package in python.packages} if python else set()


def _debian(facts: Facts) -> Needs:
    """Return what a Debian package needs of those that are installed."""
    packages = facts.debian or {}
    providers: dict[str, set[str]] = {name: {name} for name in packages}
    for name, package in packages.items():
        for provided in package.provides:
            providers.setdefault(provided, set()).add(name)

    def needs(name: str) -> Iterable[str]:
        for alternatives in packages[name].needs if name in packages else ():
            for wanted in alternatives.split(" | "):
                yield from providers.get(wanted, ())

    return needs


def _python(facts: Facts, side: str) -> Needs:
    """Return what a Python package needs, with the extras that other packages ask of it."""
    python = interpreter(facts, side)
    texts = {package.name: package.requires for package in python.packages} if python else {}
    extras: dict[str, set[str]] = {}
    for text in (text for many in texts.values() for text in many if "[" in text):
        if wanted := _requirement(text):
            extras.setdefault(canonicalize_name(wanted.name), set()).update(wanted.extras)

    def needs(name: str) -> Iterable[str]:
        for wanted in filter(None, map(_requirement, texts.get(name, ()))):
            chosen = ("", *extras.get(name, ()))
            if wanted.marker is None or any(
                wanted.marker.evaluate({**environment, "extra": extra}) for extra in chosen
            ):
                yield canonicalize_name(wanted.name)

    environment = _environment(python)
    return needs


@cache
def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _environment(python: Interpreter | None) -> dict[str, str]:
    environment = {key: str(value) for key, value in default_environment().items()}
    if python:
        version = ".".join(python.version.split(".")[:2])
        environment |= {"python_version": version, "python_full_version": python.version}
    return environment
