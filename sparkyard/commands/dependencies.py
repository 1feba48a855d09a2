"""Lock the Python and Debian packages and the jars, and export them for builds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from sparkyard import commands, console, paths, settings
from sparkyard.builds import apt_resolver, bake, proposal, supply, turn
from sparkyard.builds.failure import explain
from sparkyard.builds.proposal import APT, JARS, KINDS, PYTHON, Move, Proposal
from sparkyard.engine import engine
from sparkyard.errors import OutdatedLocksError, StaleLockError
from sparkyard.family import images, stack
from sparkyard.family.stack import Stack
from sparkyard.fetch import sources
from sparkyard.locks import apt_lock, dependencies, jar_resolver, jars, spark_jars
from sparkyard.plan import base_image, plan
from sparkyard.plan.plan import Site


def main(argv: list[str]) -> int:
    """Write the locks of a stack, or of all; or say what that would change.

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
    moves: dict[str, tuple[Move, ...]] = {}
    files: list[Path] = []
    for name in [chosen.stack] if chosen.stack else stack.known():
        with nullcontext() if chosen.check else turn.taken():
            where = plan.site(name)
            if not chosen.check:
                with proposal.propose(where.stack) as made:
                    _lock(where, made, kinds, upgrade, only=bool(chosen.only))
                    moves[name] = made.moves()
                    files += made.files()
                    if made.files() and not chosen.dry_run:
                        supply.put(made)
            if not chosen.dry_run:
                _check(where.stack, kinds)
                console.note(f"{name}: locks and exports are current ({', '.join(kinds)})")
    if chosen.dry_run:
        _show(moves, files, as_json=chosen.json)
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
    where: Site, made: Proposal, kinds: tuple[str, ...], upgrade: list[str], *, only: bool
) -> None:
    """Make new locks of some kinds in a proposal.

    Python packages and jars are exact once they are locked: they are resolved again where their
    declaration changed, or on request (`upgrade`, `only`). Debian's packages are what apt has now.
    """
    directory = made.stack.dependencies
    if PYTHON in kinds and (upgrade or not _is_current(dependencies.check_current, directory)):
        dependencies.lock(
            made.copy.dependencies,
            where.settings,
            sources.archive,
            upgrade=upgrade,
            origin=made.stack.dependencies,
        )
    if APT in kinds:
        made.secured = apt_resolver.lock(made.copy, where.settings)
    # Whether jars fit depends on the Spark that poetry.lock names.
    if JARS in kinds and (only or not _is_current(jars.check_current, made.copy.dependencies)):
        engine.ensure()
        _lock_jars(made.copy, where)


def _is_current(check: Callable[[Path], None], directory: Path) -> bool:
    try:
        check(directory)
    except StaleLockError:
        return False
    return True


def _lock_jars(copy: Stack, where: Site) -> None:
    """Resolve the jars in a container on the stack's own base."""
    bundle = settings.ca_bundle(where.settings)
    base = base_image.named(copy, where.settings)
    bake.write_mirrors(where.settings)
    secrets = bake.secrets(where.settings)
    jars.lock(
        copy.dependencies,
        resolve=jar_resolver.in_container(base, copy.debian, explain=explain, secrets=secrets),
        spark_jars=lambda: spark_jars.names(
            copy.dependencies,
            index=where.settings.pypi_index or settings.PYPI,
            ca_bundle=bundle,
        ),
        class_level=copy.class_level,
    )


def _check(locked: Stack, kinds: tuple[str, ...]) -> None:
    """Check that locks and exports belong to what is declared, without asking anybody."""
    if PYTHON in kinds:
        dependencies.check_current(locked.dependencies)
        dependencies.check_closed(locked.dependencies, images.load())
    if JARS in kinds:
        jars.check_current(locked.dependencies)
    if APT in kinds:
        apt_lock.check_current(locked)


def _show(moves: dict[str, tuple[Move, ...]], files: list[Path], *, as_json: bool) -> None:
    """Print what would move.

    Raises:
        OutdatedLocksError: something would.
    """
    names = [proposal.shown(file) for file in files]
    count = sum(map(len, moves.values()))
    if as_json:
        stacks = {name: [asdict(move) for move in of_stack] for name, of_stack in moves.items()}
        print(json.dumps({"moves": stacks, "files": names}, indent=2))
    elif count:
        words = {True: "security", False: "", None: ""}
        console.table(
            ("stack", "kind", "in", "package", "locked", "new", ""),
            (
                (name, move.kind, move.group, move.name, move.old or "-", move.new or "-",
                 words[move.security])
                for name, of_stack in moves.items()
                for move in of_stack
            ),
        )  # fmt: skip
    if files:
        raise OutdatedLocksError(
            f"{count} locked packages would move; {len(files)} files would change.",
            "Run the same command without --dry-run, look at the change, and commit it.",
        )
    console.note("nothing would move")
