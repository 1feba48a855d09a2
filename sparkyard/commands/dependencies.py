"""Lock the Python and Debian packages and the jars, and export them for builds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from sparkyard import commands, console, paths, settings
from sparkyard.builds import apt_resolver, bake, proposal, supply, turn
from sparkyard.builds.failure import explain
from sparkyard.builds.proposal import Move, Proposal
from sparkyard.engine import engine
from sparkyard.errors import OutdatedLocksError, StaleLockError
from sparkyard.family import images, projects
from sparkyard.family.projects import Project
from sparkyard.fetch import sources
from sparkyard.locks import current, dependencies, jar_resolver, jars, spark_jars
from sparkyard.locks.current import APT, JARS, KINDS, PYTHON
from sparkyard.plan import base_image
from sparkyard.settings import Settings


def main(argv: list[str]) -> int:
    """Write the locks of a stack or project, or of all; or say what that would change.

    Raises:
        OutdatedLocksError: under --dry-run, where a package would move.
        SparkyardError: what could not be locked; the locks are as they were then.
    """
    chosen = _parse(argv)
    if chosen.tools:
        with turn.taken():
            dependencies.lock_tools(paths.ROOT, settings.load())
        return 0
    kinds = tuple(chosen.only or KINDS)
    upgrade = ["."] if chosen.upgrade == [] else chosen.upgrade or []
    with nullcontext() if chosen.check else turn.taken():
        every = projects.every()
        named = [projects.load(chosen.stack)] if chosen.stack else every
        if not chosen.check:
            with proposal.propose(*every) as made:
                names = [project.name for project in named]
                _lock(names, made, kinds, upgrade, only=bool(chosen.only))
                if chosen.dry_run:
                    _show(made.moves(), list(made.files()), as_json=chosen.json)
                    return 0
                if made.files():
                    supply.put(made)
        family = images.load()
        for project in named:
            current.check(project, family.on(project.name), kinds)
            done = [kind for kind in kinds if kind in current.kinds(project)]
            console.note(f"{project.name}: locks and exports are current ({', '.join(done)})")
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = commands.parser("dependencies", __doc__)
    commands.add_stack(parser, default="all")
    parser.add_argument(
        "--upgrade", nargs="*", metavar="PACKAGE", default=None,
        help="let these Python packages move to newer versions; all without names",
    )  # fmt: skip
    parser.add_argument(
        "--only", action="append", choices=KINDS, metavar="KIND",
        help=f"lock only this kind ({', '.join(KINDS)}), and jars even where their declaration is "
        "what it was; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run", action="store_true",
        help="write nothing; list what would move, and exit with "
        f"{OutdatedLocksError.exit_code} if there is anything",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the list of --dry-run as JSON")
    parser.add_argument("--check", action="store_true", help="only check that all is current")
    parser.add_argument("--tools", action="store_true", help="lock Sparkyard's own tools instead")
    chosen = parser.parse_args(argv)
    if chosen.json and not chosen.dry_run:
        parser.error("--json goes with --dry-run")
    if chosen.only and chosen.upgrade is not None and PYTHON not in chosen.only:
        parser.error(f"--upgrade is of Python packages, and --only leaves out {PYTHON}")
    for alone in ("check", "tools"):
        given = {"--only": chosen.only, "--dry-run": chosen.dry_run, "--upgrade": chosen.upgrade}
        for option, value in given.items():
            if getattr(chosen, alone) and value not in (None, False):
                parser.error(f"--{alone} does not go with {option}")
    return chosen


def _lock(
    names: Iterable[str],
    made: Proposal,
    kinds: tuple[str, ...],
    upgrade: list[str],
    *,
    only: bool,
) -> None:
    """Make new locks of some kinds in a proposal, for the named ones of its projects.

    Python packages and jars are exact once they are locked: they are resolved again where their
    declaration changed, or on request (`upgrade`, `only`). Debian's packages are what apt has now,
    and are of one day in all projects, whichever are named.
    """
    site = settings.load()
    if APT in kinds:
        made.secured = apt_resolver.lock(made.copies.values(), site)
    for name in names:
        project, copy = made.projects[name], made.copies[name]
        origin, directory = project.dependencies, copy.dependencies
        own = [kind for kind in current.kinds(project) if kind in kinds]
        if PYTHON in own and (upgrade or not _is_current(dependencies.check_current, origin)):
            dependencies.lock(directory, site, sources.archive, upgrade=upgrade, origin=origin)
        # Whether jars fit depends on the Spark that poetry.lock names.
        if JARS in own and (only or not _is_current(jars.check_current, directory)):
            engine.ensure()
            _lock_jars(copy, site)


def _is_current(check: Callable[[Path], None], directory: Path) -> bool:
    try:
        check(directory)
    except StaleLockError:
        return False
    return True


def _lock_jars(copy: Project, site: Settings) -> None:
    """Resolve the jars in a container on the base image."""
    bundle = settings.ca_bundle(site)
    base = base_image.named(copy, site)
    bake.write_mirrors(site)
    secrets = bake.secrets(site)
    jars.lock(
        copy.dependencies,
        resolve=jar_resolver.in_container(base, copy.debian, explain=explain, secrets=secrets),
        spark_jars=lambda: spark_jars.names(
            copy.dependencies,
            index=site.pypi_index or settings.PYPI,
            ca_bundle=bundle,
        ),
        class_level=copy.class_level,
    )


def _show(moves: Mapping[str, tuple[Move, ...]], files: list[Path], *, as_json: bool) -> None:
    """Print what would move.

    Raises:
        OutdatedLocksError: something would.
    """
    names = [proposal.shown(file) for file in files]
    count = sum(map(len, moves.values()))
    if as_json:
        stacks = {name: [asdict(move) for move in of] for name, of in moves.items()}
        print(json.dumps({"moves": stacks, "files": names}, indent=2))
    elif count:
        words = {True: "security", False: "", None: ""}
        console.table(
            ("project", "kind", "in", "package", "locked", "new", ""),
            (
                (name, move.kind, move.group, move.name, move.old or "-", move.new or "-",
                 words[move.security])
                for name, of in moves.items()
                for move in of
            ),
        )  # fmt: skip
    if files:
        raise OutdatedLocksError(
            f"{count} locked packages would move; {len(files)} files would change.",
            "Run the same command without --dry-run, look at the change, and commit it.",
        )
    console.note("nothing would move")
