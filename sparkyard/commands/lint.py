"""Check the code, the scripts, the Dockerfiles and the generated files."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from sparkyard import commands, console, paths
from sparkyard.command import run
from sparkyard.errors import CommandFailedError, LintError, SparkyardError
from sparkyard.family import images, projects
from sparkyard.files import toml_file
from sparkyard.locks import current

_BIN = Path(sys.executable).parent


def main(argv: list[str]) -> int:
    """Run every check, and fail when one has failed."""
    parser = commands.parser("lint", __doc__)
    parser.add_argument(
        "--fix", action="store_true", help="format the code, and mend what ruff can"
    )
    chosen = parser.parse_args(argv)
    if chosen.fix:
        _tool("ruff", "format", ".")
        _tool("ruff", "check", "--fix", ".")
    checks: dict[str, Callable[[], None]] = {
        "ruff check": lambda: _tool("ruff", "check", "."),
        "ruff format": lambda: _tool("ruff", "format", "--check", "."),
        "mypy --strict": lambda: _tool("mypy"),
        "shellcheck": lambda: _tool("shellcheck", *map(str, scripts())),
        "hadolint": lambda: _tool("hadolint", *map(str, dockerfiles())),
        "locks and exports": _locks,
        "images.toml and Dockerfiles": _images,
        "tools.lock": check_tools_lock,
    }
    failed = []
    for name, check in checks.items():
        try:
            check()
            console.note(f"{name}: good")
        except SparkyardError as error:
            console.note(f"{name}: FAILED")
            console.fail(error)
            failed.append(name)
    if failed:
        raise LintError(
            f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}.",
            "The lines above say where; `nox -s lint -- --fix` mends what can be mended by itself.",
        )
    return 0


def scripts(root: Path = paths.ROOT) -> list[Path]:
    """Return the shell scripts of the checkout: files that begin with a shell's name."""
    places = [root / "images", root / "conf", root / ".ci", root / "tests"]
    files = (file for place in places for file in sorted(place.rglob("*")) if file.is_file())
    return [file for file in files if re.match(rb"#!/\S*/(?:env )?(?:ba)?sh\b", _start(file))]


def dockerfiles() -> list[Path]:
    """Return all Dockerfiles of the checkout."""
    return sorted(paths.IMAGES.rglob("Dockerfile"))


def check_tools_lock() -> None:
    """Check that tools.lock satisfies what pyproject.toml asks for, without asking an index.

    Raises:
        LintError: a tool that pyproject.toml names is not in the lock.
    """
    from packaging.requirements import Requirement  # noqa: PLC0415

    declared = toml_file.read(paths.ROOT / "pyproject.toml")
    wanted = [*declared["project"]["dependencies"], *declared["dependency-groups"]["tools"]]
    text = (paths.ROOT / "tools.lock").read_text()
    locked = dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))
    for line in wanted:
        requirement = Requirement(line)
        version = locked.get(requirement.name)
        if version is None or version not in requirement.specifier:
            raise LintError(
                f"tools.lock has {requirement.name} {version or 'not at all'}, and pyproject.toml "
                f"asks for {requirement}.",
                "Run `nox -s dependencies -- --tools`.",
            )


def _images() -> None:
    images.load()


def _locks() -> None:
    family = images.load()
    for project in projects.every():
        current.check(project, family.on(project.name))


def _tool(name: str, *words: str) -> None:
    try:
        run([str(_BIN / name), *words], cwd=paths.ROOT)
    except CommandFailedError as error:
        detail = "\n".join(error.detail.splitlines()[-40:])
        raise LintError(f"{name} found something.", "Mend it.", detail=detail) from error


def _start(file: Path) -> bytes:
    with file.open("rb") as content:
        return content.read(40)
