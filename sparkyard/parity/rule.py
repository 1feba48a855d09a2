"""What is a rule of parity: what is compared, how strictly, and why?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from sparkyard.facts.facts import Facts

DRIVER, EXECUTORS = "driver", "executors"
ABSENT = "not there"
UNSET = "unset"
EMPTY = "set to nothing"


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
Paths = Callable[[Facts, str], tuple[str, ...]]


@dataclass(frozen=True)
class Rule:
    """One fact: how it is read from a side's document, and which paths of the image decide it."""

    name: str
    policy: Policy
    why: str
    read_from: str
    read: Read
    paths: Paths


@dataclass(frozen=True)
class SetRule:
    """Named things with a value each; what is on one side only has a policy of its own."""

    one: str
    many: str
    why: str
    read_from: str
    read: Callable[[Facts, str], Mapping[str, str] | None]
    missing: tuple[str, ...]
    paths: Paths
    policy: Policy = Policy.MUST
    only_driver: Policy = Policy.MUST
    only_driver_why: str = ""
    nothing_is: str | None = None
    """What it means that a side has no such document at all; None: that is not known, and fails."""


@dataclass(frozen=True)
class Table:
    """The rules of one kind of edge between images.

    Attributes:
        first: what the image is that the edge begins at, in a word.
        second: what the one is that it leads to.
        remedy: what mends a pair that does not agree.
    """

    first: str
    second: str
    remedy: str
    rules: tuple[Rule, ...]
    sets: tuple[SetRule, ...] = ()

    @property
    def words(self) -> tuple[str, str]:
        """What the two are."""
        return self.first, self.second
