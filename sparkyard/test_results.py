"""Which evidence is a run of tests? Its results in, what may be recorded of each image out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparkyard.decode import decode
from sparkyard.evidence import Evidence
from sparkyard.family import capabilities
from sparkyard.family.images import Family
from sparkyard.git import Checkout

WHOLE_FAMILY = ("e2e", "kubernetes", "nightly")
"""Groups that are a part of evidence of all images, which are at work in it together."""


@dataclass(frozen=True)
class Group:
    """Counts of one group of tests; `collected` says how many there should be."""

    collected: int
    passed: int
    failed: int
    skipped: int
    seconds: float
    failures: tuple[str, ...] = ()

    def __add__(self, other: Group) -> Group:
        return Group(
            self.collected + other.collected,
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.seconds + other.seconds,
            self.failures + other.failures,
        )

    @property
    def tells(self) -> bool:
        """Whether something can be said: a test failed, or all ended and not all were skipped."""
        return bool(self.failed) or self.collected - self.skipped == self.passed > 0


@dataclass(frozen=True)
class Results:
    """A run of pytest.

    Attributes:
        groups: by stack or project, "unit", those of `WHOLE_FAMILY`, and for each image
            "images/NAME"; "shared/NAME" is of all images with the capability NAME.
        deselected: tests that were left out by choice.
        broken: files whose tests could not be collected.
    """

    groups: Mapping[str, Mapping[str, Group]]
    deselected: int
    broken: tuple[str, ...]

    def as_document(self) -> dict[str, object]:
        """Return it ready for `json.dumps`."""
        return dataclasses.asdict(self)

    @property
    def whole(self) -> bool:
        """Whether every test of the parts that ran was there to be run."""
        return not self.deselected and not self.broken


def read(file: Path) -> Results | None:
    """Return what a run wrote; None where it came to no end, or was killed while it wrote."""
    try:
        return decode(Results, json.loads(file.read_text(encoding="utf-8")), "results")
    except (OSError, ValueError):
        return None


def evidence_of(
    results: Results,
    family: Family,
    digests: Mapping[str, str],
    checkout: Checkout | None,
    at: str,
) -> tuple[Evidence, ...]:
    """Return the evidence that a run gives.

    Args:
        results: of a run that was not restricted by options.
        family: of one stack or project; says what each image has.
        digests: of the images under test, by name.
        checkout: the one whose tests ran.
        at: when they ended, RFC 3339 in UTC.
    """
    if not results.whole:
        return ()
    groups = results.groups.get(family.project, {})
    outcomes = []
    for name, digest in digests.items():
        own = groups.get(f"images/{name}")
        for capability in capabilities.of(family, name):
            if own and (shared := groups.get(f"shared/{capability}")):
                own += shared
        whole_family = ((part, groups.get(part)) for part in WHOLE_FAMILY)
        for part, group in (("images", own), *whole_family):
            if not group or not group.tells:
                continue
            others = {n: d for n, d in digests.items() if n != name}
            outcomes.append(
                Evidence(
                    digest=digest,
                    image=name,
                    part=part,
                    passed=group.passed,
                    failed=group.failed,
                    skipped=group.skipped,
                    seconds=round(group.seconds, 1),
                    at=at,
                    revision=checkout.revision if checkout else "",
                    dirty=checkout.dirty if checkout else False,
                    failures=group.failures,
                    beside=others if part in WHOLE_FAMILY else {},
                )
            )
    return tuple(outcomes)
