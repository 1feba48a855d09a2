"""What is a rule of parity: what is compared, and why?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from sparkyard.facts.facts import Facts

DRIVER, EXECUTORS = "driver", "executors"
ABSENT = "not there"
UNSET = "unset"
EMPTY = "set to nothing"
NOTHING = (ABSENT, UNSET)
"""The values of what a side does not have."""


class Policy(Enum):
    """Whether the two sides have to agree on a row."""

    MUST = "must be equal"
    MAY = "may differ"


MUST, MAY = Policy.MUST, Policy.MAY


@dataclass(frozen=True)
class Value:
    """A fact as one side has it: None is "not known", and `reason` says why."""

    text: str | None
    reason: str = ""


Read = Callable[[Facts, str], Value]
ReadSet = Callable[[Facts, str], Mapping[str, str] | None]
Paths = Callable[[Facts, str], tuple[str, ...]]


def no_paths(_facts: Facts, _side: str) -> tuple[str, ...]:
    """Return that no path of the image decides a fact."""
    return ()


@dataclass(frozen=True)
class Rule:
    """One fact: how it is read from a side's document, and which paths of the image decide it."""

    name: str
    why: str
    read_from: str
    read: Read
    paths: Paths = no_paths


@dataclass(frozen=True)
class SetRule:
    """Named things with a value each, of one kind of the table of what may differ.

    Attributes:
        kind: of `sparkyard.parity.may_differ.KINDS`.
        one: what one of them is called, many: what several are.
        why: what comes of a difference.
        read_from: where it is read.
        read: the things and their values; None where a side has no such document.
        missing: the facts whose absence is the reason for that.
        paths: which paths of the image decide it.
        absent: the value of a thing that a side does not have.
        nothing_is: what it means that a side has no such document; None: not known, and it fails.
        common: whether only things count that both sides have.
        may: why all of it may differ; empty where the table decides.
    """

    kind: str
    one: str
    many: str
    why: str
    read_from: str
    read: ReadSet
    missing: tuple[str, ...] = ()
    paths: Paths = no_paths
    absent: str = ABSENT
    nothing_is: str | None = None
    common: bool = False
    may: str = ""

    def name_of(self, thing: str) -> str:
        """Return what a row about one thing is called."""
        return f"{self.one} {thing}" if self.one else thing


@dataclass(frozen=True)
class Table:
    """The rules of one kind of edge between images.

    Attributes:
        first: what the image is that the edge begins at, in a word.
        second: what the one is that it leads to.
        remedy: what mends a pair that does not agree.
        before: what is compared by name before the facts, as it is the cause of others.
        rules: single facts.
        after: what is compared by name after them.
    """

    first: str
    second: str
    remedy: str
    rules: tuple[Rule, ...]
    before: tuple[SetRule, ...] = ()
    after: tuple[SetRule, ...] = ()

    @property
    def words(self) -> tuple[str, str]:
        """What the two are."""
        return self.first, self.second
