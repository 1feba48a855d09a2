"""What does `nox -s chaos` run: which options has it, and what does it say?"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sparkyard import commands, console
from sparkyard.commands import chaos as session
from sparkyard.commands.tests import LABEL
from sparkyard.errors import VerificationError
from sparkyard.plan import plan
from sparkyard.services import local_registry
from tests.e2e.chaos import registry
from tests.e2e.chaos.client import RELEASE, Task
from tests.e2e.chaos.kills import AFTER, BEFORE, BETWEEN, Chaos, Report
from tests.e2e.chaos.reader import first_lines
from tests.e2e.chaos.registry import OwnRegistry, own_registry


def main(argv: list[str]) -> int:
    """Kill, look, and say what was seen.

    Raises:
        VerificationError: a reader saw half of something, a blob was sent twice, or a command that
            was run again did not complete.
    """
    parser = commands.parser("chaos", session.__doc__)
    parser.add_argument("--kills", type=int, default=200, help="processes to kill (200)")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run's images and moments")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--registry", default="",
        help="a registry that is there already, below a namespace that is made up; what was sent "
        "twice is not counted there, and nothing is removed",
    )  # fmt: skip
    chosen = parser.parse_args(argv)
    seed = secrets.randbelow(1_000_000) if chosen.seed is None else chosen.seed
    console.note(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="sparkyard-chaos-") as place, _registry(chosen) as own:
        host = own.host if own else chosen.registry
        namespace = f"chaos-{secrets.token_hex(3)}"
        task = Task("", host, namespace, str(Path(place) / "layout"), seed)
        task.place.registry.ping()
        report = Chaos(task, chosen.kills, _teller(chosen.kills)).run()
        log = own.log() if own else []
    twice = registry.sent_twice(log) if own else None
    _show(report, twice, registry.received(log), as_json=chosen.json)
    _judge(report, twice or [])
    return 0


@contextmanager
def _registry(chosen: argparse.Namespace) -> Iterator[OwnRegistry | None]:
    if chosen.registry:
        yield None
        return
    image = local_registry.build(plan.site())
    with own_registry(image, label=f"{LABEL}=chaos") as own:
        yield own


class _teller:  # noqa: N801 - used as a function
    """Tells of every twentieth kill."""

    def __init__(self, kills: int) -> None:
        self._kills = kills
        self._done = 0

    def __call__(self, what: str) -> None:
        self._done += 1
        if self._done % 20 == 0:
            console.note(f"{self._done} of {self._kills}: {what}")


def _show(report: Report, twice: list[str] | None, received: int, *, as_json: bool) -> None:
    findings = report.findings
    by_phase: Counter[str] = Counter()
    for (_, phase), count in report.kills.items():
        by_phase[phase] += count
    figures = {
        "seed": report.seed,
        "kills": sum(report.kills.values()),
        **{f"kills {phase}": by_phase[phase] for phase in (BEFORE, BETWEEN, AFTER)},
        "kills of releases": sum(n for (what, _), n in report.kills.items() if what == RELEASE),
        "releases completed": report.completed[RELEASE],
        "channels moved": sum(report.completed.values()) - report.completed[RELEASE],
        "reads done": findings.looks,
        "torn reads": len(findings.torn),
        "reads without an answer": len(findings.unread),
        "tags wrong after a command": len(report.wrong),
        "blobs received": received if twice is not None else "not counted",
        "blobs sent twice": len(twice) if twice is not None else "not counted",
        "longest time with a tag mixed, s": round(findings.longest_mixed, 2),
        "a release without a kill, s": round(report.undisturbed.get(RELEASE, 0), 2),
        "seconds": round(report.seconds, 1),
    }
    if as_json:
        print(json.dumps(figures, indent=2))
    else:
        console.table(("", ""), ((name, str(value)) for name, value in figures.items()))


def _judge(report: Report, twice: list[str]) -> None:
    findings = report.findings
    wrong = {
        "torn reads": findings.torn,
        "reads without an answer": findings.unread,
        "tags wrong after a command": report.wrong,
        "blobs sent twice": twice,
    }
    if broken := {what: lines for what, lines in wrong.items() if lines}:
        raise VerificationError(
            "A promise about releases was broken: "
            + ", ".join(f"{len(lines)} {what}" for what, lines in broken.items())
            + ".",
            f"Repeat it with --seed {report.seed}; the first of each stand above.",
            detail="\n".join(first_lines(lines) for lines in broken.values()),
        )


if __name__ == "__main__":
    sys.exit(console.exit_code(main, sys.argv[1:]))
