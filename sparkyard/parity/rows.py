"""What is a row of the report, and how are many told as one?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from sparkyard.parity.rule import DRIVER, EXECUTORS, MAY, Policy, SetRule


class Verdict(Enum):
    """What a row came to. Only DIFFERS and UNKNOWN fail the gate."""

    AGREES = "agrees"
    ALLOWED = "differs, allowed"
    DIFFERS = "differs"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Row:
    """One line of the report.

    `look_at` is the side to look at first, when it fails; `group` is what it is one of, "files".
    """

    name: str
    driver: str
    executors: str
    read_from: str
    policy: Policy
    why: str
    verdict: Verdict
    proven_by_layers: bool = False
    look_at: str = EXECUTORS
    group: str = ""

    @property
    def fails(self) -> bool:
        """Tell whether this row alone keeps the gate shut."""
        return self.verdict in (Verdict.DIFFERS, Verdict.UNKNOWN)


def whole_set(rule: SetRule, one: Mapping[str, str], other: Mapping[str, str]) -> Row:
    """Return a set that may differ as one row: its differences are no one's task."""
    both = {*one} & {*other}
    changed = sorted(name for name in both if one[name] != other[name])
    more = f", other versions: {', '.join(changed[:3])}" if changed else ""

    def told(side: Mapping[str, str]) -> str:
        alone = sorted({*side} - both)
        return f"{len(side)}, of which {len(alone)} only here{': ' if alone else ''}{listed(alone)}"

    return Row(
        rule.many,
        told(one) + more,
        told(other),
        rule.read_from,
        MAY,
        rule.may,
        Verdict.AGREES if dict(one) == dict(other) else Verdict.ALLOWED,
    )


def listed(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"{', '.join(names[:4])}{more}"


def of_one_reason(rule: SetRule, members: list[tuple[str, Row]]) -> Row:
    """Return one row for what may differ for one reason."""
    if len(members) == 1:
        return members[0][1]
    names = [name for name, _ in members]
    rows = [row for _, row in members]
    told = listed(names)
    driver = executors = told
    name = rule.many
    for side, here, there in ((DRIVER, "driver", "executors"), (EXECUTORS, "executors", "driver")):
        if all(getattr(row, there) == rule.absent for row in rows):
            name, told = f"{rule.many}, {side} only", f"{len(names)}: {told}"
            driver, executors = (told, rule.absent) if here == "driver" else (rule.absent, told)
    return replace(rows[0], name=name, driver=driver, executors=executors)


def fingerprint(found: Mapping[str, str]) -> str:
    """Return one hash of named values, in hex."""
    text = "".join(f"{name} {value}\n" for name, value in sorted(found.items()))
    return hashlib.sha256(text.encode()).hexdigest()
