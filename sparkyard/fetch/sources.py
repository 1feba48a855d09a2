"""How does a build get Python packages that are in no index: from the checkout, or from git?

Each is one archive, which the lock names by its sha256 and the store keeps.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from sparkyard import paths
from sparkyard.command import mask, run
from sparkyard.errors import CommandFailedError, HashMismatchError, MirrorError
from sparkyard.family.projects import Project
from sparkyard.fetch import store
from sparkyard.locks import dependencies, python_lock, source_archive
from sparkyard.locks.python_lock import Package
from sparkyard.settings import Settings, ca_bundle

_TIME = 600
"""Seconds in which a repository has to be there."""


def place(project: Project, group: str) -> Path:
    """Return the directory with the archives of a group of packages, for its build."""
    return paths.cache() / "sources" / project.name / group


def archive(package: Package, directory: Path, settings: Settings) -> str:
    """Make the archive of a package, keep it in the store, and return its sha256.

    Raises:
        StaleLockError: it is not in the checkout.
        MirrorError: its git repository could not be read.
    """
    if package.kind == python_lock.GIT:
        content = _of_git(package, settings)
    else:
        content = source_archive.of_checkout(package, directory)
    sha256 = source_archive.digest(content)
    store.put(sha256, [content])
    return sha256


def lay_out(project: Project, group: str, settings: Settings) -> None:
    """Put the archives of a group of packages, as they are locked, where its build has them.

    Raises:
        HashMismatchError: a git repository has other files than were locked.
        StaleLockError, MirrorError: as `archive`.
    """
    directory = place(project, group)
    text = dependencies.exported(project.dependencies, group).read_text()
    locked = python_lock.archives(text)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for wanted in locked:
        if not store.holds(wanted.sha256):
            packages = python_lock.read(project.dependencies / "poetry.lock")
            package = next(one for one in packages if one.name == wanted.package)
            sha256 = archive(package, project.dependencies, settings)
            if sha256 != wanted.sha256:
                raise HashMismatchError(
                    f"The sources of {package.name} at {mask(package.origin)} have sha256 "
                    f"{sha256}, and {wanted.sha256} is locked.",
                    "Find out who changed them; then run `nox -s dependencies`.",
                )
        store.link(wanted.sha256, directory / wanted.file)


def _of_git(package: Package, settings: Settings) -> bytes:
    """Clone a repository, its submodules as well, and return the archive of the locked commit."""
    bundle = ca_bundle(settings)
    environment = {"GIT_TERMINAL_PROMPT": "0"} | ({"GIT_SSL_CAINFO": str(bundle)} if bundle else {})
    with tempfile.TemporaryDirectory(prefix="sparkyard-git-") as name:
        clone = Path(name) / "clone"
        here = ["git", "-C", str(clone)]
        try:
            for argv in (
                ["git", "clone", "--quiet", "--no-checkout", "--", package.origin, str(clone)],
                [*here, "checkout", "--quiet", package.commit],
                [*here, "submodule", "--quiet", "update", "--init", "--recursive"],
            ):
                run(argv, env=environment, timeout=_TIME)
        except CommandFailedError as error:
            raise MirrorError(
                f"{package.name} could not be had from the git repository {mask(package.origin)}, "
                f"commit {package.commit[:12]}.",
                "The lines above are git's own reason; git's own settings say how it signs in.",
                detail=error.detail or error.what,
            ) from error
        shutil.rmtree(clone / ".git")
        return source_archive.pack(clone, package.name, package.version)
