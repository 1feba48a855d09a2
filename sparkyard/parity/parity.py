"""Do two images agree that must? Facts of both in, a report of rows out; nothing is run.

What is compared, how strictly and why stands in one table a kind of edge: `rules` is of a driver
and its executors, `serves` of a hub and the servers that it starts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from sparkyard.facts.collector.redaction import WITHHELD
from sparkyard.facts.facts import Facts
from sparkyard.facts.layers import LayerComparison
from sparkyard.family.images import DRIVES, SERVES
from sparkyard.parity import serves
from sparkyard.parity.readings import contents, defaults, reason, versions, worker_path
from sparkyard.parity.rule import (
    ABSENT,
    DRIVER,
    EXECUTORS,
    MAY,
    MUST,
    Paths,
    Policy,
    Rule,
    SetRule,
    Table,
    Value,
)
from sparkyard.parity.rules import RULES, SETS, conf_policy

TABLES = {
    DRIVES: Table(
        DRIVER,
        EXECUTORS,
        "Images of one build agree: make jupyterhub, nox -s executors. A package or jar for both "
        "sides belongs into package-dependencies/, not into a child image of one of them.",
        RULES,
        SETS,
    ),
    SERVES: Table(
        "hub",
        "server",
        "Declare one major version of jupyterhub for the hub's project and for the stack "
        "(package-dependencies/), run `nox -s dependencies`, and build both.",
        serves.RULES,
    ),
}
"""The rules by the kind of edge."""


class Verdict(Enum):
    """What a row came to. Only DIFFERS and UNKNOWN fail the gate."""

    AGREES = "agrees"
    ALLOWED = "differs, allowed"
    DIFFERS = "differs"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Row:
    """One line of the report; `look_at` is the side to look at first, when it fails."""

    name: str
    driver: str
    executors: str
    read_from: str
    policy: Policy
    why: str
    verdict: Verdict
    proven_by_layers: bool = False
    look_at: str = EXECUTORS

    @property
    def fails(self) -> bool:
        """Tell whether this row alone keeps the gate shut."""
        return self.verdict in (Verdict.DIFFERS, Verdict.UNKNOWN)


@dataclass(frozen=True)
class Report:
    """All rows, in the order of the table, and the table."""

    rows: tuple[Row, ...]
    table: Table = TABLES[DRIVES]

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows that differ, or are not known, where they must agree."""
        return tuple(row for row in self.rows if row.fails)

    @property
    def holds(self) -> bool:
        """Tell whether all musts hold."""
        return not self.failures

    @property
    def summary(self) -> str:
        """One line: how many rows there are, and what they came to."""
        counts = {verdict: sum(row.verdict is verdict for row in self.rows) for verdict in Verdict}
        parts = [f"{counts[Verdict.AGREES]} agree", f"{counts[Verdict.DIFFERS]} differ"]
        if counts[Verdict.UNKNOWN]:
            parts.append(f"{counts[Verdict.UNKNOWN]} not known")
        if counts[Verdict.ALLOWED]:
            parts.append(f"{counts[Verdict.ALLOWED]} differ where they may")
        return f"{len(self.rows)} rows: {', '.join(parts)}"


def compare(
    driver: Facts,
    executors: Facts,
    layers: LayerComparison | None = None,
    table: Table = TABLES[DRIVES],
) -> Report:
    """Return what the two sides agree on.

    Args:
        driver: facts of the image, pod or machine where the driver runs; in another table, of what
            is first there.
        executors: the same of the executors; of what is second.
        layers: the layers of the two images; without them no row is proven by layers.
        table: the rules.
    """
    rows: list[Row] = [_compare_one(rule, driver, executors, layers) for rule in table.rules]
    for rule in table.sets:
        rows += _compare_set(rule, driver, executors, layers)
    return Report(tuple(rows), table)


def _proven(paths: Paths, driver: Facts, executors: Facts, layers: LayerComparison | None) -> bool:
    one, other = paths(driver, DRIVER), paths(executors, EXECUTORS)
    return bool(
        layers is not None and one and one == other and all(layers.proves(path) for path in one)
    )


def _compare_one(
    rule: Rule, driver: Facts, executors: Facts, layers: LayerComparison | None
) -> Row:
    one, other = rule.read(driver, DRIVER), rule.read(executors, EXECUTORS)
    look_at = EXECUTORS
    if one.text is None or other.text is None:
        verdict = Verdict.UNKNOWN if rule.policy is MUST else Verdict.ALLOWED
        look_at = DRIVER if one.text is None and other.text is not None else EXECUTORS
    elif one.text == other.text or (
        rule.read is worker_path and _leads_to_worker(one.text, executors)
    ):
        verdict = Verdict.AGREES
    else:
        verdict = Verdict.DIFFERS if rule.policy is MUST else Verdict.ALLOWED
    return Row(
        rule.name,
        _shown(one),
        _shown(other),
        rule.read_from,
        rule.policy,
        rule.why,
        verdict,
        verdict is Verdict.AGREES and _proven(rule.paths, driver, executors, layers),
        look_at,
    )


def _leads_to_worker(requested: str, executors: Facts) -> bool:
    worker = executors.interpreter("worker")
    return worker is not None and requested in worker.names


def _shown(value: Value) -> str:
    return value.text if value.text is not None else f"not known: {value.reason or 'not told'}"


def _compare_set(
    rule: SetRule, driver: Facts, executors: Facts, layers: LayerComparison | None
) -> list[Row]:
    one, other = rule.read(driver, DRIVER), rule.read(executors, EXECUTORS)
    if one is None or other is None:
        return [_without_set(rule, driver, executors, one, other)]
    if rule.policy is MAY:
        return [_as_one_row(rule, one, other)]
    versions_differ = differing_versions(driver, executors) if rule.read is contents else set()
    equal: dict[str, str] = {}
    rows: list[Row] = []
    for name in sorted({*one, *other}):
        if name in one and one[name] == other.get(name) and not _unreadable(one[name]):
            equal[name] = one[name]
        elif name not in versions_differ:
            rows.append(_differing(rule, name, one.get(name), other.get(name)))
    allowed = [row for row in rows if not row.fails]
    rows = [row for row in rows if row.fails]
    if equal or not rows:
        proven = not rows and not allowed and _proven(rule.paths, driver, executors, layers)
        text = f"{len(equal)} ({_fingerprint(equal)})" if equal else "none"
        rows.append(
            Row(
                rule.many,
                text,
                text,
                rule.read_from,
                rule.policy,
                rule.why,
                Verdict.AGREES,
                proven,
            )
        )
    return rows + _gathered(rule, allowed)


def differing_versions(driver: Facts, executors: Facts) -> set[str]:
    """Return the packages whose version row speaks already: their files need not."""
    one, other = versions(driver, DRIVER) or {}, versions(executors, EXECUTORS) or {}
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}


def _unreadable(text: str) -> bool:
    return text.startswith(("not known", "not readable"))


def _differing(rule: SetRule, name: str, one: str | None, other: str | None) -> Row:
    policy, why = rule.policy, rule.why
    if rule.read is defaults:
        policy, why = conf_policy(name, rule.why)
        if one == other == WITHHELD:
            policy, why = MAY, "a secret: only its presence is compared"
    elif other is None and rule.only_driver is MAY:
        policy, why = MAY, rule.only_driver_why
    verdict = Verdict.ALLOWED
    if policy is MUST:
        unreadable = any(text is not None and _unreadable(text) for text in (one, other))
        verdict = Verdict.UNKNOWN if unreadable else Verdict.DIFFERS
    damaged = one is not None and "(" in one and (other is None or "(" not in other)
    return Row(
        f"{rule.one} {name}",
        ABSENT if one is None else one,
        ABSENT if other is None else other,
        rule.read_from,
        policy,
        why,
        verdict,
        look_at=DRIVER if damaged else EXECUTORS,
    )


def _without_set(
    rule: SetRule,
    driver: Facts,
    executors: Facts,
    one: Mapping[str, str] | None,
    other: Mapping[str, str] | None,
) -> Row:
    """Return the one row of a set that a side, or both, does not have at all."""

    def shown(facts: Facts, found: Mapping[str, str] | None) -> str:
        if found is not None:
            return str(len(found))
        return rule.nothing_is or f"not known: {reason(facts, *rule.missing)}"

    if rule.policy is MAY:
        verdict = Verdict.AGREES if one is other is None else Verdict.ALLOWED
    elif rule.nothing_is is None:
        verdict = Verdict.UNKNOWN
    else:
        needed = [key for key in one or other or {} if conf_policy(key, "")[0] is MUST]
        same = Verdict.AGREES if one is other is None else Verdict.ALLOWED
        verdict = Verdict.DIFFERS if needed else same
    return Row(
        rule.many,
        shown(driver, one),
        shown(executors, other),
        rule.read_from,
        rule.policy,
        rule.why,
        verdict,
        look_at=DRIVER if one is None and other is not None else EXECUTORS,
    )


def _as_one_row(rule: SetRule, one: Mapping[str, str], other: Mapping[str, str]) -> Row:
    """Return a set that may differ as one row: its differences are no one's task."""
    both = {*one} & {*other}
    changed = sorted(name for name in both if one[name] != other[name])
    more = f", other versions: {', '.join(changed[:3])}" if changed else ""
    return Row(
        rule.many,
        f"{len(one)}, of which {len({*one} - both)} only here{more}",
        f"{len(other)}, of which {len({*other} - both)} only here",
        rule.read_from,
        rule.policy,
        rule.why,
        Verdict.AGREES if dict(one) == dict(other) else Verdict.ALLOWED,
    )


def _gathered(rule: SetRule, rows: list[Row]) -> list[Row]:
    """Return allowed differences: those that only the driver has as one row, others as they are."""
    alone = [row for row in rows if row.executors == ABSENT and rule.read is not defaults]
    others = [row for row in rows if row not in alone]
    if not alone:
        return others
    names = [row.name.removeprefix(f"{rule.one} ") for row in alone]
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return [
        *others,
        Row(
            f"{rule.many}, driver only",
            f"{len(names)}: {', '.join(names[:4])}{more}",
            ABSENT,
            rule.read_from,
            MAY,
            rule.only_driver_why,
            Verdict.ALLOWED,
        ),
    ]


def _fingerprint(found: Mapping[str, str]) -> str:
    text = "".join(f"{name} {value}\n" for name, value in sorted(found.items()))
    return hashlib.sha256(text.encode()).hexdigest()
