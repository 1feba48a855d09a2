"""How are a stack's Python packages locked, exported for the builds, and found to be stale?

Poetry locks `pyproject.toml` into `poetry.lock`. From that one file with hashes is written a group,
`requirements/<group>.txt`; a package that several groups need stands in the first of them only, so
that groups can be installed as separate layers. `requirements/exported.toml` holds the digests by
which a stale or hand-edited file is noticed without running Poetry.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from sparkyard.command import run
from sparkyard.errors import (
    CommandFailedError,
    MalformedFileError,
    StaleLockError,
)
from sparkyard.family.images import PYTHON, Family
from sparkyard.files import toml_file
from sparkyard.locks import python_lock, source_archive
from sparkyard.locks.python_lock import Package
from sparkyard.settings import PYPI, Settings, ca_bundle

REMEDY = "Run `nox -s dependencies` (or `make dependencies`), look at the change, and commit it."
_HEADER = "# Written by `nox -s dependencies` from poetry.lock; edits are refused.\n"


def groups(stack_directory: Path) -> tuple[str, ...]:
    """Return the groups of Python packages in the order in which they are declared."""
    file = stack_directory / "pyproject.toml"
    poetry = toml_file.table(toml_file.read(file), "tool", file).get("poetry", {})
    declared = poetry.get("group", {})
    if not declared:
        raise MalformedFileError(
            f"{file} declares no group of packages.", "Add [tool.poetry.group.NAME.dependencies]."
        )
    return tuple(declared)


def exported(stack_directory: Path, group: str) -> Path:
    """Return the requirements file of a group."""
    return stack_directory / "requirements" / f"{group}.txt"


def check_current(stack_directory: Path) -> None:
    """Check that lock and export belong to the declaration, by their digests alone.

    Raises:
        StaleLockError: one does not; the message names the file.
    """
    record = stack_directory / "requirements" / "exported.toml"
    if not record.exists():
        raise StaleLockError(f"{stack_directory} was never locked and exported.", REMEDY)
    digests = toml_file.table(toml_file.read(record), "sha256", record)
    for name, digest in _digests(stack_directory).items():
        if digests.get(name) != digest:
            raise StaleLockError(_why_stale(stack_directory, name), REMEDY)
    leftover = set(digests) - set(_digests(stack_directory))
    if leftover:
        raise StaleLockError(
            f"{record} speaks of {', '.join(sorted(leftover))}, which is gone.", REMEDY
        )
    _check_sources(stack_directory)


def lock(
    stack_directory: Path,
    settings: Settings,
    archive: Callable[[Package, Path, Settings], str],
    *,
    upgrade: Sequence[str] = (),
    origin: Path | None = None,
) -> None:
    """Lock, and write the requirements files; on any failure the files stay as they were.

    Args:
        stack_directory: where pyproject.toml and poetry.lock are.
        settings: for the index and the CA bundle.
        archive: makes the archive of a package that is in no index, keeps it, and returns its
            sha256; gets the package, the directory that its path is relative to, the settings.
        upgrade: packages that may move to a newer version; all when it holds ".".
        origin: the directory in the checkout, where stack_directory is a copy of it.

    Raises:
        StaleLockError: Poetry found no set of versions, could not reach the index, or locked a
            package that no build could take.
    """
    origin = origin or stack_directory
    with tempfile.TemporaryDirectory(prefix="sparkyard-lock-") as name:
        work = _laid_out(stack_directory, origin, Path(name))
        if "." in upgrade:
            _poetry(work, settings, "lock", "--regenerate")
        elif upgrade:
            _poetry(work, settings, "update", "--lock", *upgrade)
        else:
            _poetry(work, settings, "lock")
        packages = python_lock.read(work / "poetry.lock")
        python_lock.require_installable(
            packages, origin / "pyproject.toml", groups(work), settings.pypi_index or PYPI
        )
        (work / "requirements").mkdir()
        texts = python_lock.requirements(
            packages, groups(work), lambda package: archive(package, origin, settings)
        )
        for group, text in texts.items():
            exported(work, group).write_text(_HEADER + text)
        digests = "".join(f'"{key}" = "{value}"\n' for key, value in _digests(work).items())
        (work / "requirements/exported.toml").write_text(f"{_HEADER}[sha256]\n{digests}")
        _replace(work / "requirements", stack_directory / "requirements")
        shutil.copy(work / "poetry.lock", stack_directory / "poetry.lock")


def lock_tools(root: Path, settings: Settings) -> None:
    """Lock Sparkyard's own tools, which pyproject.toml declares, into tools.lock."""
    words = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--upgrade"]
    words += ["--no-annotate", "--no-emit-index-url", "--no-header", "--group", "tools"]
    # No argument: its URL may hold a password, and everybody sees arguments.
    environment = {"UV_DEFAULT_INDEX": settings.pypi_index or PYPI}
    if bundle := ca_bundle(settings):
        environment["SSL_CERT_FILE"] = str(bundle)
    argv = [sys.executable, "-m", *words, "pyproject.toml"]
    locked = run(argv, cwd=root, env=environment).stdout
    header = "# Written by `nox -s dependencies -- --tools` from pyproject.toml.\n"
    (root / "tools.lock").write_text(header + locked)


def check_closed(stack_directory: Path, family: Family) -> None:
    """Check that each image takes all groups in which the packages of its groups stand.

    A group's packages need others, which may stand in an earlier group; an image that takes the
    one group and not the other would lack them.

    Raises:
        StaleLockError: an image lacks a package; the message names it, and both groups.
    """
    file = stack_directory / "poetry.lock"
    needed: dict[str, list[str]] = {}
    for package in toml_file.read(file).get("package", []):
        needed[canonicalize_name(str(package["name"]))] = list(package.get("groups", []))
    home = {
        package: group
        for group in groups(stack_directory)
        for package in python_lock.names(exported(stack_directory, group).read_text())
    }
    for image in family.images:
        taken = {
            layer.removeprefix(PYTHON)
            for layer in family.takes(image.name)
            if layer.startswith(PYTHON)
        }
        for package, wanted_by in needed.items():
            wanting = taken.intersection(wanted_by)
            if wanting and home.get(package, "") not in taken | {""}:
                raise StaleLockError(
                    f"{image.name} takes the group {min(wanting)}, which needs {package}, but "
                    f"{package} stands in the group {home[package]}, which it does not take.",
                    f"Declare {package} in {file.parent.name}/pyproject.toml in a group that comes "
                    "earlier and that the image takes (common, say); then `nox -s dependencies`.",
                )


def _laid_out(stack_directory: Path, origin: Path, place: Path) -> Path:
    """Copy what Poetry reads, so that paths lead from it where they lead in the checkout."""
    root = origin.parents[1].resolve()
    work = place / origin.resolve().relative_to(root)
    work.mkdir(parents=True)
    for name in ("pyproject.toml", "poetry.lock"):
        if (stack_directory / name).exists():
            shutil.copy(stack_directory / name, work)
    for name, path in _paths(stack_directory / "pyproject.toml"):
        source = (origin / path).resolve()
        if not source.is_relative_to(root):
            raise StaleLockError(
                f"{origin / 'pyproject.toml'} takes {name} from {path}, outside of the checkout: "
                "no other machine has it there.",
                "Put it into the checkout, or take it by git, by url or from the index.",
            )
        files = [source]
        if source.is_dir():
            files = [source / file for file in source_archive.files(source)]
        elif not source.exists():
            raise StaleLockError(
                f"{origin / 'pyproject.toml'} takes {name} from {path}, and there is nothing.",
                f"Correct the path: it is relative to {origin}.",
            )
        for file in files:
            copy = place / file.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy, follow_symlinks=False)
    return work


def _paths(declaration: Path) -> Iterator[tuple[str, str]]:
    """Give name and path of each package that is declared by its path."""
    poetry = toml_file.table(toml_file.read(declaration), "tool", declaration).get("poetry", {})
    for group in poetry.get("group", {}).values():
        for name, wanted in group.get("dependencies", {}).items():
            for one in wanted if isinstance(wanted, list) else [wanted]:
                if isinstance(one, dict) and "path" in one:
                    yield name, str(one["path"])


def _check_sources(stack_directory: Path) -> None:
    """Check that packages which are taken from the checkout are what was locked.

    Raises:
        StaleLockError: one was changed, or is gone.
    """
    locked = {
        archive.package: archive.sha256
        for group in groups(stack_directory)
        for archive in python_lock.archives(exported(stack_directory, group).read_text())
    }
    for package in python_lock.read(stack_directory / "poetry.lock") if locked else ():
        if package.kind in (python_lock.DIRECTORY, python_lock.FILE):
            content = source_archive.of_checkout(package, stack_directory)
            if source_archive.digest(content) != locked.get(package.name):
                raise StaleLockError(
                    f"{stack_directory / package.origin} was changed after {package.name} was "
                    "last locked.",
                    REMEDY,
                )


def _poetry(work: Path, settings: Settings, *words: str) -> str:
    bundle = ca_bundle(settings)
    # Through the plugin Poetry reads a PEP 503 index, which is what mirrors serve, and the lock
    # does not name it.
    environment = {
        "POETRY_PYPI_MIRROR_URL": settings.pypi_index or f"{PYPI}/",
        "POETRY_VIRTUALENVS_CREATE": "false",
        "POETRY_KEYRING_ENABLED": "false",
    }
    if bundle:
        environment |= {"REQUESTS_CA_BUNDLE": str(bundle), "SSL_CERT_FILE": str(bundle)}
    runner = Path(__file__).with_name("any_python.py")
    argv = [sys.executable, "-P", str(runner), "--no-interaction", *words]
    try:
        return run(argv, env=environment, cwd=work, quiet=False).stdout
    except CommandFailedError as error:
        raise StaleLockError(
            f"`poetry {words[0]}` failed: nothing was changed.",
            "The lines above are Poetry's reason: mend the declaration in pyproject.toml or, "
            "where the index could not be reached, the setting pypi_index.",
            detail=error.detail,
        ) from error


def _digests(stack_directory: Path) -> dict[str, str]:
    """Return the digest of each file that must belong together, by name.

    The declaration's digest is taken over its meaning: a comment makes nothing stale.
    """
    declaration = toml_file.read(stack_directory / "pyproject.toml")
    digests = {"pyproject.toml": _sha256(json.dumps(declaration, sort_keys=True))}
    for file in [
        stack_directory / "poetry.lock",
        *(exported(stack_directory, group) for group in groups(stack_directory)),
    ]:
        name = str(file.relative_to(stack_directory))
        digests[name] = _sha256(file.read_text()) if file.exists() else "absent"
    return digests


def _why_stale(stack_directory: Path, name: str) -> str:
    if name == "pyproject.toml":
        return f"{stack_directory / name} was changed after it was last locked."
    if not (stack_directory / name).exists():
        return f"{stack_directory / name} is missing."
    return f"{stack_directory / name} is not as `nox -s dependencies` wrote it: it was edited."


def _replace(new: Path, old: Path) -> None:
    """Put the files of `new` in the place of those of `old`, each in one step."""
    old.mkdir(exist_ok=True)
    for file in new.iterdir():
        beside = old / f".{file.name}.new"
        shutil.copy(file, beside)
        os.replace(beside, old / file.name)
    for file in old.iterdir():
        if not (new / file.name).exists():
            file.unlink()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
