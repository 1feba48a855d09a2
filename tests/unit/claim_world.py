"""What can several contenders for a claim do, in every order of their single steps?

A contender is the real code, run on a board that answers as it did before and stops the run at the
first question that is new. So it can be continued from any state, without threads: all states that
can be reached are visited, each once.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sparkyard.errors import RegistryAbsentError, ReleaseInProgressError
from sparkyard.registry import oci
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.release import claim
from sparkyard.release.claim import Holder
from sparkyard.release.claim_board import ANNOTATION, KIND, PREFIX

Step = tuple[str, str]
Answer = Any
Program = Callable[["Played"], object]

INSIDE = "inside"
"""The step of who holds: two contenders that are about to take it hold at the same time."""


class Pause(BaseException):
    """The contender asks something that was not answered yet."""


class Played:
    """Answers a contender as it was answered before, then stops it."""

    def __init__(self, answers: tuple[Answer, ...]) -> None:
        self._answers = answers
        self._at = 0
        self.wanted: Step | None = None

    def step(self, action: str, name: str = "") -> Answer:
        if self.wanted or self._at == len(self._answers):
            self.wanted = self.wanted or (action, name)
            raise Pause
        self._at += 1
        return self._answers[self._at - 1]


@dataclass(frozen=True)
class Known(Holder):
    """A holder of which the world knows whether it lives."""

    ask: Callable[[str], bool] = field(default=lambda _: False, compare=False)

    def is_dead(self) -> bool:
        return self.ask(self.name)


def holder(name: str, ask: Callable[[str], bool] = lambda _: False) -> Known:
    """Return a contender of another machine, or one whose life `ask` tells."""
    return Known(name, f"release by {name}", f"host-{name}", "", 1, "now", ask=ask)


class PlayedBoard:
    """A `claim.Board`; with `one_by_one`, what it returns was never there at one moment."""

    def __init__(self, played: Played, *, one_by_one: bool) -> None:
        self._played = played
        self._one_by_one = one_by_one

    def write(self, who: Holder) -> None:
        self._played.step("write", who.name)

    def remove(self, name: str) -> None:
        self._played.step("remove", name)

    def claims(self) -> Mapping[str, Holder]:
        names = self._played.step("names")
        if self._one_by_one:
            names = [name for name in names if self._played.step("read", name)]
        return {name: holder(name, lambda n: bool(self._played.step("dead", n))) for name in names}


class PlayedRegistry:
    """As much of a registry as `RegistryBoard` asks; it deletes nothing where it may not."""

    def __init__(self, played: Played, *, deletes: bool) -> None:
        self._played = played
        self._deletes = deletes
        self._names: dict[str, str] = {}

    def tags(self, _: str) -> tuple[str, ...]:
        return ("1.0.0", *(PREFIX + name for name in self._played.step("names")))

    def manifest(self, _: str, tag: str) -> Content:
        name = tag.removeprefix(PREFIX)
        found = self._played.step("read", name)
        if not found:
            raise RegistryAbsentError("gone", "nothing")
        return _claim(name if found == "claim" else "")

    def resolve(self, _: str, tag: str) -> Descriptor | None:
        name = tag.removeprefix(PREFIX)
        found = _claim(name).descriptor
        self._names[found.digest] = name
        return found if self._played.step("read", name) else None

    def delete_manifest(self, _: str, digest: str) -> bool:
        if self._deletes:
            self._played.step("remove", self._names[digest])
        return self._deletes

    def has_blob(self, *_: str) -> bool:
        return True

    def put_manifest(self, _: str, tag: str, content: Content) -> None:
        said = json.loads(content.data)["annotations"].get(ANNOTATION)
        self._played.step("write" if said else "empty", tag.removeprefix(PREFIX))


def _claim(name: str) -> Content:
    empty = {"empty": Content(oci.EMPTY, oci.EMPTY_CONTENT)}
    mine = Holder(name, f"release by {name}", f"host-{name}", "", 1, "now")
    return oci.artifact(KIND, empty, {ANNOTATION: claim.serialize(mine)} if name else {})


@dataclass(frozen=True)
class World:
    """One state.

    Attributes:
        claims: those that stand; emptied: those that a registry could not delete.
        lost: those that another took away.
        dead: contenders that died.
        answers: what each contender was answered until now.
        looked: the claims that stood when each contender last listed them.
    """

    claims: frozenset[str]
    emptied: frozenset[str]
    lost: frozenset[str]
    dead: frozenset[str]
    answers: tuple[tuple[Answer, ...], ...]
    looked: tuple[frozenset[str], ...]


@dataclass
class Seen:
    """What was found: the way to a state in which two hold, and how all came to an end."""

    states: int = 0
    both_inside: tuple[World, ...] = ()
    ends: set[tuple[str, ...]] = field(default_factory=set)
    stuck: list[World] = field(default_factory=list)


@dataclass
class Explorer:
    """Visits all states that contenders can reach.

    Attributes:
        programs: each contender by its name.
        standing: claims that stand before all begin.
        dead: names of those who died; only those of this machine are known to be dead.
        may_die: contenders that may die before any of their steps.
        patient: who waits does so until the claims change; else a wait may end at any time.
    """

    programs: Mapping[str, Program]
    standing: frozenset[str] = frozenset()
    dead: frozenset[str] = frozenset()
    may_die: frozenset[str] = frozenset()
    patient: bool = True
    _known: dict[tuple[str, tuple[Answer, ...]], Step] = field(default_factory=dict)

    def begin(self) -> World:
        """Return the state before all steps."""
        none: frozenset[str] = frozenset()
        count = len(self.programs)
        return World(self.standing, none, none, self.dead, ((),) * count, (none,) * count)

    def steps(self, world: World) -> dict[str, Step]:
        """Return what each contender does next."""
        return {
            name: self._next(name, answers)
            for name, answers in zip(self.programs, world.answers, strict=True)
        }

    def worlds(self, at_most: int = 2_000_000) -> dict[World, World | None]:
        """Return all states that can be reached, each with the one before it."""
        came_from: dict[World, World | None] = {self.begin(): None}
        todo = deque(came_from)
        while todo:
            world = todo.popleft()
            for after in self.following(world):
                if after not in came_from:
                    came_from[after] = world
                    todo.append(after)
            assert len(came_from) < at_most, f"over {at_most} states"
        return came_from

    def explore(self) -> Seen:
        """Visit all states."""
        seen = Seen()
        came_from = self.worlds()
        seen.states = len(came_from)
        for world in came_from:
            steps = self.steps(world)
            inside = [n for n, step in steps.items() if step[0] == INSIDE and n not in world.dead]
            if len(inside) > 1 and not seen.both_inside:
                seen.both_inside = _way(world, came_from)
            if self.following(world):
                continue
            ends = tuple(step[1] if step[0] == "end" else "stuck" for step in steps.values())
            seen.ends.add(ends)
            if any(steps[name][0] != "end" for name in steps.keys() - world.dead):
                seen.stuck.append(world)
        return seen

    def following(self, world: World) -> list[World]:
        """Return the states to which one step of one contender leads."""
        found = []
        for at, (name, step) in enumerate(self.steps(world).items()):
            if step[0] == "end" or name in world.dead:
                continue
            if name in self.may_die:
                found.append(replace(world, dead=world.dead | {name}))
            if step[0] == "wait" and self.patient and world.looked[at] == world.claims:
                continue
            found.append(self.after(world, name))
        return found

    def after(self, world: World, name: str) -> World:
        """Return the state after the next step of a contender."""
        action, of = self.steps(world)[name]
        claims = world.claims
        answer: Answer = None
        if action == "names":
            answer = tuple(sorted(claims | world.emptied))
        elif action == "read":
            answer = "claim" if of in claims else "empty" if of in world.emptied else None
        elif action == "dead":
            answer = of in world.dead
        elif action == "write":
            claims = claims | {of}
        elif action in ("remove", "empty"):
            claims = claims - {of}
        gone = {of} if action in ("remove", "empty") and of in world.claims else set()
        at = list(self.programs).index(name)
        told = (*world.answers[at], answer)
        looked = world.claims if action == "names" else world.looked[at]
        return replace(
            world,
            claims=claims,
            emptied=world.emptied | (gone if action == "empty" else set()),
            lost=world.lost | (gone - {name}),
            answers=(*world.answers[:at], told, *world.answers[at + 1 :]),
            looked=(*world.looked[:at], looked, *world.looked[at + 1 :]),
        )

    def _next(self, name: str, answers: tuple[Answer, ...]) -> Step:
        """Return what a contender does next, given all that it was answered until now."""
        if (name, answers) not in self._known:
            played = Played(answers)
            step: Step
            try:
                self.programs[name](played)
                step = ("end", "published")
            except Pause:
                assert played.wanted
                step = played.wanted
            except ReleaseInProgressError:
                step = ("end", "refused")
            self._known[name, answers] = step
        return self._known[name, answers]


def _way(world: World, came_from: Mapping[World, World | None]) -> tuple[World, ...]:
    way = [world]
    while before := came_from[way[-1]]:
        way.append(before)
    return tuple(reversed(way))
