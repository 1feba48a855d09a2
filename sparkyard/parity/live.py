"""Do a running driver and each of its executors agree? Facts of pods in, a report of rows out.

The rules are those of the images' gate (`sparkyard.parity.parity`), applied to every executor. A
row that came out alike for all is one row; others are one row for each outcome, which names its
pods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sparkyard.facts.facts import Facts
from sparkyard.parity import may_differ, parity
from sparkyard.parity.parity import Report
from sparkyard.parity.readings import defaults
from sparkyard.parity.rows import Row, Verdict
from sparkyard.parity.rule import MAY
from sparkyard.parity.rules import AFTER

GIVEN_BY_DRIVER = "executors take it from the driver; no file of their own is read"

_CONF = next(rule for rule in AFTER if rule.read is defaults)


@dataclass(frozen=True)
class LiveRow:
    """A row of the report and the executors' pods that it is true of."""

    row: Row
    pods: tuple[str, ...]
    everywhere: bool

    @property
    def shown(self) -> Row:
        """The row for a table: it names its pods where it is not true of all."""
        if self.everywhere:
            return self.row
        listed = ", ".join(self.pods)
        return replace(self.row, executors=f"{self.row.executors} [{listed}]")


def compare(driver: Facts, executors: Mapping[str, Facts]) -> tuple[LiveRow, ...]:
    """Return what a driver and its executors agree on.

    Args:
        driver: the facts of the driver's pod.
        executors: the facts of each executor's pod, by the pods' names; at least one.
    """
    kinds: list[tuple[Facts, list[str]]] = []
    for pod, found in sorted(executors.items()):
        same = replace(found, subject="")
        for known, pods in kinds:
            if known == same:
                pods.append(pod)
                break
        else:
            kinds.append((same, [pod]))
    may = may_differ.load(live=True)
    rows: dict[tuple[str, str], dict[Row, list[str]]] = {}
    for found, pods in kinds:
        for row in parity.compare(driver, found, may=may).rows:
            counted = _as_it_runs(row, found)
            # What may differ for two reasons is two rows of one name.
            why = row.why if row.verdict is Verdict.ALLOWED else ""
            rows.setdefault((row.name, why), {}).setdefault(counted, []).extend(pods)
    return tuple(
        LiveRow(row, tuple(pods), everywhere=len(pods) == len(executors))
        for outcomes in rows.values()
        for row, pods in outcomes.items()
    )


def report(rows: Sequence[LiveRow]) -> Report:
    """Return the rows as a report, with the pods named in it."""
    return Report(tuple(each.shown for each in rows))


def _as_it_runs(row: Row, executors: Facts) -> Row:
    """Return a row of the images' gate as it counts for an executor that runs.

    An executor gets its configuration from the driver when it registers. In its pod Spark puts a
    directory of its own over the image's, without spark-defaults.conf: that is no difference.
    """
    directory = executors.conf.directory or ""
    place = f" {executors.files.get(directory, directory).removeprefix('-> ')}/"
    about_conf = row.name == _CONF.many or row.name.startswith(f"{_CONF.one} ")
    about_conf = about_conf or (row.name.startswith("file") and place in row.name)
    if row.fails and about_conf and executors.conf.defaults is None:
        return replace(row, policy=MAY, why=GIVEN_BY_DRIVER, verdict=Verdict.ALLOWED)
    return row
