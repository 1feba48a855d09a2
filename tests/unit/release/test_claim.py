"""Of several that publish at once one does, and what the dead leave keeps nobody out for good."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import cast

import pytest

from sparkyard.errors import RegistryUnreachableError, ReleaseInProgressError
from sparkyard.registry.registry import Registry
from sparkyard.release import claim
from sparkyard.release.claim import Board, Claim, Holder, held
from sparkyard.release.claim_board import RegistryBoard
from tests.unit.claim_world import (
    INSIDE,
    Explorer,
    Played,
    PlayedBoard,
    PlayedRegistry,
    Program,
    World,
    holder,
)

FOR_EVER = float("inf")
Protocol = Callable[..., AbstractContextManager[Claim]]


def publishing(
    name: str,
    *,
    protocol: Protocol = held,
    one_by_one: bool = True,
    take_over: bool = False,
    wait: float = FOR_EVER,
) -> Program:
    """A contender that holds the claim for one step."""

    def program(played: Played) -> None:
        board = PlayedBoard(played, one_by_one=one_by_one)
        options = {"wait": wait, "sleep": lambda _: played.step("wait"), "take_over": take_over}
        with protocol(board, holder(name), **options):
            played.step(INSIDE)

    return program


def checking(name: str, *, take_over: bool = False) -> Program:
    """A contender that makes sure of its claim before each of two steps that readers see."""

    def program(played: Played) -> None:
        board = PlayedBoard(played, one_by_one=True)
        with held(
            board,
            holder(name),
            take_over=take_over,
            wait=FOR_EVER,
            sleep=lambda _: played.step("wait"),
        ) as mine:
            for step in ("first", "second"):
                mine.check()
                played.step("visible", step)

    return program


def in_registry(name: str, *, deletes: bool) -> Program:
    """A contender on the board that is used in earnest."""

    def program(played: Played) -> None:
        registry = cast(Registry, PlayedRegistry(played, deletes=deletes))
        board = RegistryBoard(registry, "family/releases")
        mine = Holder(name, f"release by {name}", f"host-{name}", "", 1, "now")
        with held(board, mine, wait=FOR_EVER, sleep=lambda _: played.step("wait")):
            played.step(INSIDE)

    return program


@pytest.mark.parametrize("one_by_one", [False, True])
def test_of_two_one_publishes_in_every_order_of_their_steps(one_by_one: bool) -> None:
    seen = Explorer({n: publishing(n, one_by_one=one_by_one) for n in "ab"}).explore()
    assert not seen.both_inside
    assert not seen.stuck
    assert seen.states > 100
    # The lower name never steps back; both publish where one came when the other was done.
    assert seen.ends == {("published", "refused"), ("published", "published")}


def test_of_three_one_publishes_in_every_order_of_their_steps() -> None:
    seen = Explorer({n: publishing(n, one_by_one=False) for n in "abc"}).explore()
    assert not seen.both_inside
    assert not seen.stuck
    assert all("published" in end for end in seen.ends)


def test_two_never_hold_when_waits_end_at_any_time() -> None:
    seen = Explorer(
        {n: publishing(n, one_by_one=False, wait=0.5) for n in "abc"}, patient=False
    ).explore()
    assert not seen.both_inside


@pytest.mark.parametrize("deletes", [True, False])
def test_of_two_one_publishes_on_a_registry(deletes: bool) -> None:
    seen = Explorer({n: in_registry(n, deletes=deletes) for n in "ab"}).explore()
    assert not seen.both_inside
    assert not seen.stuck
    assert ("refused", "refused") not in seen.ends


def test_three_in_a_thousand_orders_of_chance_on_lists_that_are_no_snapshot() -> None:
    chance = random.Random(1993)  # noqa: S311 - for orders, not for secrets
    for _ in range(1000):
        explorer = Explorer({n: publishing(n) for n in "abc"})
        assert "published" in _walk(explorer, chance)


def test_two_never_hold_when_either_may_die_before_any_step() -> None:
    seen = Explorer({n: publishing(n) for n in "ab"}, may_die=frozenset("ab")).explore()
    assert not seen.both_inside


def test_what_the_dead_of_this_machine_left_is_cleared_away() -> None:
    seen = Explorer(
        {n: publishing(n) for n in "bc"}, standing=frozenset("ad"), dead=frozenset("ad")
    ).explore()
    assert not seen.both_inside
    assert not seen.stuck
    assert all("published" in end for end in seen.ends)


@contextmanager
def without_a_look(board: Board, mine: Holder, **_: object) -> Iterator[Claim]:
    """Look, then write: as most would do it."""
    if board.claims():
        raise ReleaseInProgressError("taken", "wait")
    board.write(mine)
    try:
        yield Claim(board, mine)
    finally:
        board.remove(mine.name)


@contextmanager
def without_patience(board: Board, mine: Holder, **_: object) -> Iterator[Claim]:
    """Write, look, and step back from anyone: nobody may be left."""
    board.write(mine)
    try:
        if len(board.claims()) > 1:
            raise ReleaseInProgressError("taken", "wait")
        yield Claim(board, mine)
    finally:
        board.remove(mine.name)


def test_the_explorer_finds_two_that_hold_where_nobody_looks_after_writing() -> None:
    seen = Explorer({n: publishing(n, protocol=without_a_look) for n in "ab"}).explore()
    assert seen.both_inside
    assert seen.both_inside[-1].claims == {"a", "b"}


def test_the_explorer_finds_an_end_without_a_winner_where_nobody_waits() -> None:
    seen = Explorer({n: publishing(n, protocol=without_patience) for n in "ab"}).explore()
    assert not seen.both_inside
    assert ("refused", "refused") in seen.ends


def test_who_is_taken_over_stops_at_its_next_look() -> None:
    explorer = Explorer({"a": checking("a"), "b": checking("b", take_over=True)})
    seen = explorer.explore()
    assert not seen.stuck
    assert ("refused", "published") in seen.ends
    lost = [world for world in explorer.worlds() if "a" in world.lost]
    assert len(lost) > 100
    for world in lost:
        steps = _alone(explorer, world, "a")
        # Only a step that was looked at before the claim was lost is still taken.
        assert "visible" not in steps[1:]
        assert steps[-1] == "refused" or "names" not in steps


class Memory:
    """A board in memory."""

    def __init__(self, *standing: Holder) -> None:
        self.standing = {each.name: each for each in standing}

    def write(self, who: Holder) -> None:
        self.standing[who.name] = who

    def remove(self, name: str) -> None:
        self.standing.pop(name, None)

    def claims(self) -> Mapping[str, Holder]:
        return dict(self.standing)


def test_a_claim_of_another_machine_refuses_with_its_name_and_what_it_does() -> None:
    board = Memory(replace(claim.holder("release 1.4.0"), machine="other", host="build-7"))
    with (
        pytest.raises(ReleaseInProgressError, match=r"release 1\.4\.0, by process \d+ on build-7"),
        held(board, claim.holder("release 1.5.0"), wait=0),
    ):
        pytest.fail("two hold")
    assert [each.host for each in board.standing.values()] == ["build-7"]


def test_a_refusal_says_how_to_take_over() -> None:
    board = Memory(replace(claim.holder("release 1.4.0"), machine="other"))
    with (
        pytest.raises(ReleaseInProgressError) as refused,
        held(board, claim.holder("release 1.5.0"), wait=0),
    ):
        pytest.fail("two hold")
    assert "--take-over" in refused.value.remedy


def test_who_takes_over_holds_and_the_other_does_not() -> None:
    board = Memory()
    other = replace(claim.holder("release 1.4.0"), machine="other")
    with held(board, other) as lost:
        lost.check()
        with held(board, claim.holder("release 1.4.0"), take_over=True) as won:
            won.check()
            with pytest.raises(ReleaseInProgressError, match="took over"):
                lost.check()
    assert not board.standing


def test_a_dead_process_of_this_machine_keeps_nobody_out() -> None:
    died = subprocess.Popen([sys.executable, "-c", ""])
    died.wait()
    board = Memory(replace(claim.holder("release 1.4.0"), process=died.pid))
    with held(board, claim.holder("release 1.4.0"), wait=0) as mine:
        assert list(board.claims()) == [mine.holder.name]


def test_a_process_that_ended_and_was_not_waited_for_is_dead() -> None:
    zombie = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert zombie.stdout
    left = replace(claim.holder("x"), process=zombie.pid, birth=claim._birth(zombie.pid))
    zombie.stdout.read()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert left.is_dead()
    zombie.wait()


def test_a_process_that_has_the_number_of_a_dead_one_is_another() -> None:
    assert not claim.holder("x").is_dead()
    assert replace(claim.holder("x"), birth=1).is_dead()


def test_a_process_of_another_boot_or_container_is_never_taken_for_dead() -> None:
    assert not replace(claim.holder("x"), machine="other", process=2**22).is_dead()
    assert not replace(claim.holder("x"), machine="", process=2**22).is_dead()


def test_no_clock_decides_on_a_claim() -> None:
    old = replace(claim.holder("release 1.4.0"), machine="other", began="1970-01-01T00:00:00+00:00")
    with (
        pytest.raises(ReleaseInProgressError),
        held(Memory(old), claim.holder("release 1.5.0"), wait=0),
    ):
        pytest.fail("two hold")


def test_a_claim_goes_when_what_it_was_for_fails() -> None:
    board = Memory()
    with pytest.raises(ZeroDivisionError), held(board, claim.holder("release 1.4.0")):
        1 / 0  # noqa: B018
    assert not board.standing


def test_a_claim_goes_when_the_answer_to_its_writing_was_lost() -> None:
    class Lossy(Memory):
        def write(self, who: Holder) -> None:
            super().write(who)
            raise RegistryUnreachableError("reset", "again")

    board = Lossy()
    with pytest.raises(RegistryUnreachableError), held(board, claim.holder("release 1.4.0")):
        pytest.fail("held")
    assert not board.standing


def test_a_claim_that_cannot_be_taken_away_hides_no_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Stuck(Memory):
        def remove(self, name: str) -> None:
            assert name in self.standing
            raise RegistryUnreachableError("the registry does not answer", "again")

    with pytest.raises(ZeroDivisionError), held(Stuck(), claim.holder("release 1.4.0")):
        1 / 0  # noqa: B018
    assert "the registry does not answer" in capsys.readouterr().err


def test_a_claim_is_read_as_it_was_written() -> None:
    mine = claim.holder("release 1.4.0")
    assert claim.parse(claim.serialize(mine)) == mine
    assert claim.parse("") is None
    assert claim.parse("[]") is None
    assert claim.parse('{"name": "x"}') is None


def _walk(explorer: Explorer, chance: random.Random) -> tuple[str, ...]:
    """Return how all ended, in one order of chance."""
    world = explorer.begin()
    while following := explorer.following(world):
        world = chance.choice(following)
        assert [step[0] for step in explorer.steps(world).values()].count(INSIDE) < 2
    return tuple(step[1] for step in explorer.steps(world).values())


def _alone(explorer: Explorer, world: World, name: str) -> list[str]:
    """Return what a contender does from here on when nobody else does anything."""
    done = []
    while (step := explorer.steps(world)[name])[0] != "end":
        done.append(step[0])
        world = explorer.after(world, name)
    return [*done, step[1]]
