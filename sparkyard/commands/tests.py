"""Test the code, the images, and the family end to end on a Spark cluster.

With --stack all, the default stack has every test, and each other those of its images and of the
kinds of job on a Spark cluster and on Kubernetes; with --nightly, each has all.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sparkyard import bootstrap, commands, console, evidence, git, paths, test_results
from sparkyard.builds import turn
from sparkyard.builds.build import build
from sparkyard.command import run
from sparkyard.engine import engine
from sparkyard.errors import TestsFailedError, UnknownNameError
from sparkyard.kubernetes import leftovers
from sparkyard.names import nearest
from sparkyard.plan import plan
from sparkyard.plan.plan import Site

PARTS = ("kubernetes", "e2e", "images", "unit")
"""The directories of tests/; those that wait longest begin first, and the others fill the time."""

LABEL = "io.sparkyard.test"
"""Borne by all that a test run makes in the engine, and by its namespaces on a cluster; its value
is the run. See tests/support.py."""

KINDS = ("container", "network", "volume", "image")
"""What a run makes in the engine, in the order in which it can be removed."""

WORKERS = (os.cpu_count() or 1) + 1
"""Processes that run tests side by side: most tests wait for others half of their time."""

HARMLESS = (
    "-n", "-v", "-vv", "--verbose", "-q", "-s", "-x", "-l", "--tb", "--durations", "--color",
    "--maxfail",
)  # fmt: skip
"""Options of pytest that do not choose among tests: a run with these may be recorded."""

_FAILED, _INTERRUPTED, _NOTHING_RUN = 1, 2, 5
"""Exit codes of pytest, after its `pytest.ExitCode`."""


def main(argv: list[str]) -> int:
    """Build what the tests need and is not up to date, then run them.

    Raises:
        TestsFailedError: a test failed, or none was found.
        KeyboardInterrupt: somebody stopped them; what they had made in the engine is removed.
    """
    chosen, rest = _parse(argv)
    if chosen.sweep:
        removed = remove(left_over()) + leftovers.sweep(LABEL)
        print("\n".join(f"removed {what}" for what in removed) or "nothing was left")
        return 0
    parts = _parts(chosen.only, chosen.image)
    sites = _sites(chosen, parts)
    if not any(where.project.is_stack for where in sites):  # Spark's own tests are of stacks alone
        parts = tuple(part for part in parts if part == "images")
    code, results = _run(sites, parts, chosen, rest) if parts else (_NOTHING_RUN, None)
    _finish(code, results.broken if results else ())
    return 0


def _sites(chosen: argparse.Namespace, parts: Sequence[str]) -> list[Site]:
    """Return what is tested: projects that no stack owns have tests of their images alone."""
    known = plan.sites(chosen.stack, locked=chosen.locked)
    having = plan.having(known, [chosen.image] if chosen.image else [])
    return [where for where, _ in having if where.project.is_stack or "images" in parts]


def _run(
    sites: Sequence[Site], parts: Sequence[str], chosen: argparse.Namespace, rest: list[str]
) -> tuple[int, test_results.Results | None]:
    """Run tests on some stacks and projects; return pytest's exit code and the results."""
    before: list[dict[str, str]] = []
    if set(parts) != {"unit"}:
        sites = [_built(where, locked=chosen.locked) for where in sites]
        before = [_digests(where) for where in sites]
    pytest = [sys.executable, "-m", "pytest", *_options(chosen, sites), *_side_by_side(rest)]
    pytest += [str(paths.ROOT / "tests" / part) for part in parts]
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "results.json"
        exit_code = bootstrap.call([*pytest, "--results", str(file), *rest])
        results = test_results.read(file)
    added = os.environ.get("PYTEST_ADDOPTS", "")
    if not _some(chosen, parts) and not _restricted(chosen.k, rest, added):
        for where, digests in zip(sites, before, strict=False):
            _record(where, results, digests)
    return exit_code, results


def _built(where: Site, *, locked: bool) -> Site:
    """Build all images of a stack, since tests of one compare it with others."""
    with turn.taken():
        where = plan.site(where.project.name, locked=locked)
        built = build(where, ())
    if built.plan.rebuilds:
        console.note(f"built what the tests need in {built.seconds:.0f} s")
    return where


def _parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = commands.parser(
        "tests",
        __doc__,
        epilog="Options after another -- are pytest's own.",
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="PART",
        help=f"only these of {', '.join(PARTS)}; repeat it, or join them with commas",
    )  # fmt: skip
    parser.add_argument(
        "--image", default="", help="only the image tests of this image (name, or its session)"
    )
    parser.add_argument("-k", default="", metavar="EXPR", help="only tests that match, as pytest's")
    parser.add_argument(
        "--nightly", action="store_true",
        help="only the tests that prove the same at greater length; other runs leave them out",
    )  # fmt: skip
    parser.add_argument(
        "--keep", action="store_true", help="leave the containers for looking into them"
    )
    parser.add_argument(
        "--sweep", action="store_true",
        help="remove what earlier runs have left in the engine and on the cluster of KUBECONFIG, "
        "and test nothing",
    )  # fmt: skip
    commands.add_stack(parser, several=True)
    parser.add_argument(
        "--locked", action="store_true",
        help="refuse, instead of renewing the locks, where locked Debian packages are gone",
    )  # fmt: skip
    own, rest = argv, []
    if "--" in argv:
        own, rest = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
    return parser.parse_args(own), rest


def _parts(only: list[str], image: str) -> tuple[str, ...]:
    """Return the parts of the tests that were asked for, in their order.

    Raises:
        UnknownNameError: there is no such part.
    """
    named = [name for words in only for name in words.split(",") if name]
    for name in named:
        if name not in PARTS:
            raise UnknownNameError(f'There is no part "{name}" of the tests.', nearest(name, PARTS))
    if named:
        return tuple(part for part in PARTS if part in named)
    return ("images",) if image else PARTS


def _options(chosen: argparse.Namespace, sites: Sequence[Site]) -> list[str]:
    options = [f"--stack={where.project.name}" for where in sites]
    options += ["--image", sites[0].family.find(chosen.image).name] if chosen.image else []
    options += ["-k", chosen.k] if chosen.k else []
    options += ["--nightly"] if chosen.nightly else []
    options += ["--keep"] if chosen.keep else []
    return options


def _side_by_side(rest: Sequence[str]) -> list[str]:
    """Return the options by which several processes run tests, unless a terminal is wanted."""
    if {"--pdb", "--trace", "-s"} & set(rest):
        return []
    return ["-n", str(WORKERS), "--no-loadscope-reorder"]


def _some(chosen: argparse.Namespace, parts: Sequence[str]) -> bool:
    """Tell whether a nightly run takes some directories alone: its tests are one part of all."""
    return chosen.nightly and (tuple(parts) != PARTS or bool(chosen.image))


def _restricted(expression: str, rest: Sequence[str], added: str) -> bool:
    """Tell whether options may have left tests out, so that the run speaks for no image."""
    options = [*rest, *added.split()]
    return bool(expression) or any(option.split("=")[0] not in HARMLESS for option in options)


def _digests(where: Site) -> dict[str, str]:
    """Return the digest of each published image that is built."""
    names = {where.name(image.name): image.name for image in where.family.published}
    return {names[tag]: str(image["Id"]) for tag, image in engine.inspect(names).items()}


def _record(where: Site, results: test_results.Results | None, before: Mapping[str, str]) -> None:
    """Keep what the run proved of the images, or say why it proved nothing."""
    if results is None:
        return
    if _digests(where) != before:
        console.note("nothing was recorded: images were built anew while their tests ran")
        return
    outcomes = test_results.evidence_of(results, where.family, before, git.known(), evidence.now())
    if not outcomes:
        console.note("nothing was recorded: of no image did all the tests of a part run")
    by_part: dict[str, list[str]] = {}
    for outcome in outcomes:
        evidence.record(outcome)
        mark = "" if outcome.good else f" ({outcome.failed} failed)"
        by_part.setdefault(outcome.part, []).append(f"{outcome.image}{mark}")
    for part, names in by_part.items():
        console.note(f"recorded the part {part} of {', '.join(names)}")


def _finish(exit_code: int, broken: Sequence[str] = ()) -> None:
    if broken:  # pytest gives it the exit code of an interruption
        raise TestsFailedError(
            f"Tests could not be collected from {', '.join(broken)}.",
            "pytest's lines above say why; mend that file.",
        )
    if exit_code == _INTERRUPTED:
        raise KeyboardInterrupt
    if exit_code == _NOTHING_RUN:
        raise TestsFailedError("No test was run.", "Ask for fewer restrictions: see -- --help.")
    if exit_code == _FAILED:
        raise TestsFailedError(
            "At least one test failed; pytest's summary above names them.",
            "Run one again with -- -k NAME; --keep leaves its containers for looking into them.",
        )
    if exit_code:
        raise TestsFailedError(
            f"The tests could not be run: pytest's exit code is {exit_code}.",
            "The lines above say why.",
        )


def left_over(of_run: str = "") -> dict[str, list[str]]:
    """Return what there is of a test run in the engine, by kind: of any run when none is named."""
    label = f"label={LABEL}={of_run}" if of_run else f"label={LABEL}"
    left: dict[str, list[str]] = {}
    for kind in KINDS:
        every = ["--all"] if kind == "container" else []
        listed = run(["docker", kind, "ls", *every, "--quiet", "--filter", label], check=False)
        if names := list(dict.fromkeys(listed.stdout.split())):
            left[kind] = names
    return left


def remove(things: Mapping[str, Sequence[str]]) -> list[str]:
    """Remove things by kind, and return each as `kind name`."""
    removed = []
    for kind in KINDS:
        if names := things.get(kind):
            force = [] if kind == "network" else ["--force"]
            run(["docker", kind, "rm", *force, *names], check=False)
            removed += [f"{kind} {name}" for name in names]
    return removed
