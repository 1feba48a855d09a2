"""Do two images agree that must? Facts of both in, a report of rows out; nothing is run.

What is compared stands in one table a kind of edge: `rules` is of a driver and its executors,
`serves` of a hub and the servers that it starts. All of it must be equal; `may_differ` says what
need not be, and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sparkyard.facts.collector.redaction import WITHHELD
from sparkyard.facts.facts import Facts
from sparkyard.facts.layers import LayerComparison
from sparkyard.family.images import DRIVES, SERVES
from sparkyard.parity import may_differ, needs, readings, rules, serves
from sparkyard.parity.may_differ import Line, MayDiffer
from sparkyard.parity.rows import Row, Verdict, fingerprint, of_one_reason, whole_set
from sparkyard.parity.rule import (
    DRIVER,
    EXECUTORS,
    MAY,
    MUST,
    Paths,
    Rule,
    SetRule,
    Table,
    Value,
)

TABLES = {
    DRIVES: Table(
        DRIVER,
        EXECUTORS,
        "Images of one build agree: make jupyterhub, nox -s executors. A package or jar for both "
        "sides belongs into package-dependencies/, not into a child image of one of them. What may "
        "differ for a reason of your own is a line in conf/parity.toml.",
        rules.RULES,
        rules.BEFORE,
        rules.AFTER,
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


@dataclass(frozen=True)
class Report:
    """All rows, in the order of the table, and the table.

    `own_lines` is how many lines of a site's own table count, of `may_differ.OWN`.
    """

    rows: tuple[Row, ...]
    table: Table = TABLES[DRIVES]
    own_lines: int = 0

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
    may: MayDiffer | None = None,
) -> Report:
    """Return what the two sides agree on.

    Args:
        driver: facts of the image, pod or machine where the driver runs; in another table, of what
            is first there.
        executors: the same of the executors; of what is second.
        layers: the layers of the two images; without them no row is proven by layers.
        table: the rules.
        may: what may differ; what is shipped and a site's own lines by default.
    """
    may = may or may_differ.load()
    pair = _Pair(driver, _as_driven(driver, executors), layers, may)
    rows = [row for rule in table.before for row in pair.compare_set(rule)]
    rows += [pair.compare_one(rule) for rule in table.rules]
    rows += [row for rule in table.after for row in pair.compare_set(rule)]
    return Report(tuple(rows), table, len(may.own))


def _as_driven(driver: Facts, executors: Facts) -> Facts:
    """Return executors with the variables that their driver's configuration gives them."""
    prefix = "spark.executorEnv."
    given = {
        key.removeprefix(prefix): value
        for key, value in (driver.conf.defaults or {}).items()
        if key.startswith(prefix)
    }
    return replace(executors, environment={**executors.environment, **given})


class _Pair:
    """Two sides that are compared."""

    def __init__(
        self, driver: Facts, executors: Facts, layers: LayerComparison | None, may: MayDiffer
    ) -> None:
        self._driver, self._executors, self._layers, self._may = driver, executors, layers, may
        self._sides = ((DRIVER, driver, executors), (EXECUTORS, executors, driver))
        self._altered = {
            side: {
                path: name for name, each in (here.debian or {}).items() for path in each.altered
            }
            for side, here, _ in self._sides
        }
        self._needed: dict[tuple[str, str], Mapping[str, Line]] = {
            (kind, side): needs.explained(may, kind, side, here, there)
            for kind in ("package", "debian")
            for side, here, there in self._sides
        }

    def compare_one(self, rule: Rule) -> Row:
        """Return the row of a single fact."""
        one, other = rule.read(self._driver, DRIVER), rule.read(self._executors, EXECUTORS)
        line = self._may.line("fact", rule.name, one.text or "", other.text or "")
        look_at = EXECUTORS
        if one.text is None or other.text is None:
            verdict = Verdict.ALLOWED if line else Verdict.UNKNOWN
            look_at = DRIVER if one.text is None and other.text is not None else EXECUTORS
        elif one.text == other.text or self._is_the_same(rule, one.text, other.text):
            verdict = Verdict.AGREES
        else:
            verdict = Verdict.ALLOWED if line else Verdict.DIFFERS
        return Row(
            rule.name,
            _shown(one),
            _shown(other),
            rule.read_from,
            MAY if line else MUST,
            line.reason if line else rule.why,
            verdict,
            verdict is Verdict.AGREES and self._proven(rule.paths),
            look_at,
        )

    def _is_the_same(self, rule: Rule, driver: str, executors: str) -> bool:
        if rule.read is readings.worker_path:
            worker = self._executors.interpreter("worker")
            return worker is not None and driver in worker.names
        if rule.read is readings.executors_image:
            return readings.NOT_TOLD in (driver, executors) or driver.endswith(f"-{executors}")
        # What the driver has beyond it comes after all that the executors have.
        return rule.read is readings.search_path and driver.startswith(f"{executors} ")

    def compare_set(self, rule: SetRule) -> list[Row]:
        """Return the rows of named things: one for all that agree, others by name or reason."""
        one, other = rule.read(self._driver, DRIVER), rule.read(self._executors, EXECUTORS)
        if one is None or other is None:
            return [self._without(rule, one, other)]
        if rule.may:
            return [whole_set(rule, one, other)]
        names = {*one} & {*other} if rule.common else {*one, *other}
        equal, allowed, failing = {}, dict[str, list[tuple[str, Row]]](), list[Row]()
        for name in sorted(names):
            here, there = one.get(name), other.get(name)
            if here is not None and here == there and not _unreadable(here):
                equal[name] = here
                continue
            row, line = self._differing(rule, name, here, there)
            if row is None:
                equal[name] = here or ""
            elif line is None:
                failing.append(row)
            else:
                allowed.setdefault(line, []).append((name, row))
        rows = failing
        if equal or not (failing or allowed):
            text = f"{len(equal)} ({fingerprint(equal)})" if equal else "none"
            whole = not failing and not allowed and self._proven(rule.paths)
            why = rule.why.removeprefix("unexplained: ")
            agrees = Row(rule.many, text, text, rule.read_from, MUST, why, Verdict.AGREES, whole)
            rows = [*failing, agrees]
        return rows + [of_one_reason(rule, members) for members in allowed.values()]

    def _differing(
        self, rule: SetRule, name: str, here: str | None, there: str | None
    ) -> tuple[Row | None, str | None]:
        """Return a thing's row and the reason why it may differ; no row where it agrees."""
        unreadable = any(value is not None and _unreadable(value) for value in (here, there))
        if rule.kind == "file":
            here, there = self._as_installed(name, here, there)
            unreadable = False  # nor can a job read it
        values = here or rule.absent, there or rule.absent
        if readings.without_mark(values[0]) == readings.without_mark(values[1]) and not unreadable:
            return None, None
        if rule.read is readings.contents and self._versions_differ(name):
            return None, None
        if rule.kind == "file" and self._is_of_a_package_that_fails(name):
            return None, None
        why = self._reason(rule, name, values)
        if why is None and values == (WITHHELD, WITHHELD):
            why = "a secret: only its presence is compared"
        verdict = Verdict.UNKNOWN if unreadable else Verdict.DIFFERS
        damaged = here is not None and "(" in here and (there is None or "(" not in there)
        row = Row(
            rule.name_of(name),
            readings.without_mark(values[0]),
            readings.without_mark(values[1]),
            rule.read_from,
            MUST if why is None else MAY,
            rule.why if why is None else why,
            verdict if why is None else Verdict.ALLOWED,
            look_at=DRIVER if damaged else EXECUTORS,
            group=rule.many,
        )
        return row, why

    def _reason(self, rule: SetRule, name: str, values: tuple[str, str]) -> str | None:
        """Return why a thing may differ: by its own line, or as a part of what may be there."""
        if line := self._may.line(rule.kind, name, *values):
            return line.reason
        for (side, facts, other), (value, value_there) in zip(
            self._sides, (values, values[::-1]), strict=True
        ):
            if value_there != rule.absent:
                continue
            if line := self._needed.get((rule.kind, side), {}).get(name):
                return line.reason
            if rule.kind == "file" and (owner := facts.made_for.get(name)):
                line = self._needed["debian", side].get(owner)
                return line.reason if line else None
            if rule.kind == "library":
                owner = facts.libraries[name].removeprefix(value).strip()
                if value not in other.files and owner not in (other.debian or {}):
                    return "its file is only there, and compared by itself"
        return None

    def _is_of_a_package_that_fails(self, link: str) -> bool:
        """Tell whether a link leads into a package of one side alone, whose own row fails."""
        for side, facts, other in self._sides:
            owner = facts.made_for.get(link)
            if owner and owner not in (other.debian or {}):
                return owner not in self._needed["debian", side]
        return False

    def _as_installed(
        self, path: str, here: str | None, there: str | None
    ) -> tuple[str | None, str | None]:
        """Return a file's values, with those of packages that have it as it was installed."""
        if here is not None and there is not None:
            return here, there
        other = self._executors if here is not None else self._driver
        owner = self._altered[DRIVER if here is not None else EXECUTORS].get(path)
        if owner is None:
            return here, there
        of_other = (other.debian or {}).get(owner)
        if of_other is None:  # the package's own row speaks
            return here, here
        told = f"{readings.AS_INSTALLED} by {owner}"
        return here or told, there or told

    def _versions_differ(self, name: str) -> bool:
        one = readings.versions(self._driver, DRIVER) or {}
        other = readings.versions(self._executors, EXECUTORS) or {}
        return one.get(name) != other.get(name)

    def _without(
        self, rule: SetRule, one: Mapping[str, str] | None, other: Mapping[str, str] | None
    ) -> Row:
        """Return the one row of a set that a side, or both, does not have at all."""

        def shown(facts: Facts, found: Mapping[str, str] | None) -> str:
            if found is not None:
                return str(len(found))
            return rule.nothing_is or f"not known: {readings.reason(facts, *rule.missing)}"

        same = Verdict.AGREES if one is other is None else Verdict.ALLOWED
        if rule.may:
            verdict = same
        elif rule.nothing_is is None:
            verdict = Verdict.UNKNOWN
        else:
            pairs = (
                (name, (value, rule.absent) if other is None else (rule.absent, value))
                for name, value in (one or other or {}).items()
            )
            missed = [name for name, values in pairs if self._reason(rule, name, values) is None]
            verdict = Verdict.DIFFERS if missed else same
        return Row(
            rule.many,
            shown(self._driver, one),
            shown(self._executors, other),
            rule.read_from,
            MAY if rule.may else MUST,
            rule.may or rule.why,
            verdict,
            look_at=DRIVER if one is None and other is not None else EXECUTORS,
        )

    def _proven(self, paths: Paths) -> bool:
        layers = self._layers
        one, other = paths(self._driver, DRIVER), paths(self._executors, EXECUTORS)
        return bool(
            layers is not None and one and one == other and all(layers.proves(path) for path in one)
        )


def _shown(value: Value) -> str:
    return value.text if value.text is not None else f"not known: {value.reason or 'not told'}"


def _unreadable(text: str) -> bool:
    return text.startswith(("not known", "not readable"))
