"""Do a project's locks and exports belong to what it declares? Nobody is asked for that."""

from __future__ import annotations

from collections.abc import Collection

from sparkyard.family.images import Family
from sparkyard.family.projects import Project
from sparkyard.locks import apt_lock, dependencies, jars

APT, PYTHON, JARS = KINDS = ("apt", "python", "jars")
"""What a project may lock, in the order in which it is locked."""


def kinds(project: Project) -> tuple[str, ...]:
    """Return what a project locks: jars are for Java, and the operating system has no Python."""
    python = (PYTHON,) if project.python else ()
    return (APT, *python, *((JARS,) if project.is_stack else ()))


def check(project: Project, family: Family, only: Collection[str] = KINDS) -> None:
    """Check the locks of a project and of what it stands on, of some kinds.

    Args:
        project: whose locks.
        family: with the images that take its groups.
        only: the kinds.

    Raises:
        StaleLockError: a lock or an export does not belong to its declaration.
    """
    checked = set(kinds(project)).intersection(only)
    if PYTHON in checked:
        dependencies.check_current(project.dependencies)
        dependencies.check_closed(project.dependencies, family)
    if JARS in checked:
        jars.check_current(project.dependencies)
    if APT in checked:
        for each in project.chain:
            apt_lock.check_current(each)
