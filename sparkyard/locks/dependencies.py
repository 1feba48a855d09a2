"""How are a stack's Python packages locked, exported for the builds, and found to be stale?

Poetry locks `pyproject.toml` into `poetry.lock`. The export has one file with hashes a group,
`requirements/<group>.txt`; a package that several groups need stands in the first of them only, so
that groups can be installed as separate layers. `requirements/exported.toml` holds the digests by
which a stale or hand-edited file is noticed without running Poetry.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from sparkyard import toml_file
from sparkyard.command import run
from sparkyard.errors import (
    CommandFailedError,
    MalformedFileError,
    StaleLockError,
)
from sparkyard.family.images import Family
from sparkyard.settings import PYPI, Settings, ca_bundle

REMEDY = "Run `nox -s dependencies` (or `make dependencies`), look at the change, and commit it."
LAYER_PREFIX = "python-"
_HEADER = "# Written by `nox -s dependencies` from poetry.lock; edits are refused.\n"
_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==[^;\\]*(?:;([^\\]*))?")
_PLATFORM = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
"""What the images are: packages for other systems are left out of the export."""


@dataclass(frozen=True)
class Requirement:
    """One locked package as a requirements file has it: `lines` with version, marker, hashes."""

    name: str
    lines: str


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


def lock(stack_directory: Path, settings: Settings, *, upgrade: Sequence[str] = ()) -> None:
    """Lock and export; on any failure the files stay as they were.

    Args:
        stack_directory: where pyproject.toml and poetry.lock are.
        settings: for the index and the CA bundle.
        upgrade: packages that may move to a newer version; all when it holds ".".

    Raises:
        StaleLockError: Poetry found no set of versions, or could not reach the index.
    """
    with tempfile.TemporaryDirectory(prefix="sparkyard-lock-") as name:
        work = Path(name)
        shutil.copy(stack_directory / "pyproject.toml", work)
        if (stack_directory / "poetry.lock").exists():
            shutil.copy(stack_directory / "poetry.lock", work)
        if "." in upgrade:
            _poetry(work, settings, "lock", "--regenerate")
        elif upgrade:
            _poetry(work, settings, "update", "--lock", *upgrade)
        else:
            _poetry(work, settings, "lock")
        requirements = work / "requirements"
        requirements.mkdir()
        exports = {
            group: parse(_poetry(work, settings, "export", "--only", group))
            for group in groups(work)
        }
        for group, kept in partition(exports).items():
            exported(work, group).write_text(_HEADER + "".join(item.lines for item in kept))
        digests = "".join(f'"{key}" = "{value}"\n' for key, value in _digests(work).items())
        (requirements / "exported.toml").write_text(f"{_HEADER}[sha256]\n{digests}")
        _replace(requirements, stack_directory / "requirements")
        shutil.copy(work / "poetry.lock", stack_directory / "poetry.lock")


def lock_tools(root: Path, settings: Settings) -> None:
    """Lock Sparkyard's own tools, which pyproject.toml declares, into tools.lock."""
    words = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--upgrade"]
    words += ["--no-annotate", "--no-emit-index-url", "--no-header", "--group", "tools"]
    if settings.pypi_index:
        words += ["--default-index", settings.pypi_index]
    bundle = ca_bundle(settings)
    locked = run(
        [sys.executable, "-m", *words, "pyproject.toml"],
        cwd=root,
        env={"SSL_CERT_FILE": str(bundle)} if bundle else None,
    ).stdout
    header = "# Written by `nox -s dependencies -- --tools` from pyproject.toml.\n"
    (root / "tools.lock").write_text(header + locked)


def parse(requirements: str) -> tuple[Requirement, ...]:
    """Return the packages for Linux in the text of a requirements file that has hashes."""
    found: list[Requirement] = []
    for block in re.split(r"\n(?=\S)", requirements.strip()):
        pinned = _NAME.match(block)
        if pinned and _on_linux(pinned.group(2)):
            found.append(Requirement(canonicalize_name(pinned.group(1)), f"{block}\n"))
    return tuple(found)


def partition(
    exports: Mapping[str, Iterable[Requirement]],
) -> dict[str, tuple[Requirement, ...]]:
    """Return each group with the packages that no group before it has."""
    seen: set[str] = set()
    kept: dict[str, tuple[Requirement, ...]] = {}
    for group, packages in exports.items():
        kept[group] = tuple(package for package in packages if package.name not in seen)
        seen |= {package.name for package in kept[group]}
    return kept


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
        needed[str(package["name"]).lower()] = list(package.get("groups", []))
    home = {
        requirement.name: group
        for group in groups(stack_directory)
        for requirement in parse(exported(stack_directory, group).read_text())
    }
    for image in family.images:
        taken = {
            layer.removeprefix(LAYER_PREFIX)
            for layer in family.takes(image.name)
            if layer.startswith(LAYER_PREFIX)
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
    argv = [sys.executable, "-m", "poetry", "--no-interaction", *words]
    try:
        return run(argv, env=environment, cwd=work, quiet=words[0] == "export").stdout
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


def _on_linux(marker: str | None) -> bool:
    """Tell whether a marker can hold in the images; the lock itself limits the Python."""
    if not marker:
        return True
    irrelevant = re.sub(r"python_(full_)?version\s*\S+\s*\"[^\"]*\"", 'os_name == "posix"', marker)
    return Marker(irrelevant.strip()).evaluate(dict(_PLATFORM))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
