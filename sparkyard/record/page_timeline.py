"""How did the build's time pass? Bars of the steps that took some of it, and counts of the rest."""

from __future__ import annotations

from dataclasses import dataclass

from sparkyard.record.record import BuildStep, RecordedBuild

BARS = 32
"""Steps that are drawn, the longest ones; a person looks for what took long."""
DRAWN_FROM = 0.004
"""Share of the build's time from which a step is drawn."""

_TICKS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MOST_TICKS = 6


@dataclass(frozen=True)
class Bar:
    """A step that is drawn: where it begins and how long it is, as shares of the build's time."""

    step: BuildStep
    target: str
    what: str
    begin: float
    width: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.step.ended - self.step.began


@dataclass(frozen=True)
class Timeline:
    """The picture: bars in order of their begin, ticks as (share, seconds), what is not drawn."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, float], ...]
    cached: tuple[BuildStep, ...]
    shorter: tuple[BuildStep, ...]
    seconds: float
    busy: float

    @property
    def parallel(self) -> float:
        """How many steps ran at once, on average."""
        return self.busy / self.seconds if self.seconds else 0.0


def timeline(build: RecordedBuild) -> Timeline:
    """Return the picture of a build."""
    whole = max([build.seconds, *(step.ended for step in build.steps)]) or 1.0
    cached = tuple(step for step in build.steps if step.cached)
    ran = [step for step in build.steps if not step.cached]
    longest = sorted(ran, key=lambda step: step.began - step.ended)[:BARS]
    drawn = [s for s in longest if (s.ended - s.began) / whole >= DRAWN_FROM]
    chosen = {id(step) for step in drawn}
    bars = tuple(_bar(step, whole) for step in sorted(drawn, key=lambda s: (s.began, s.ended)))
    every = next((each for each in _TICKS if whole / each <= _MOST_TICKS), _TICKS[-1])
    ticks = tuple(
        (number * every / whole, number * every) for number in range(int(whole / every) + 1)
    )
    return Timeline(
        bars,
        ticks,
        cached,
        tuple(step for step in ran if id(step) not in chosen),
        build.seconds,
        sum(step.ended - step.began for step in ran),
    )


def _bar(step: BuildStep, whole: float) -> Bar:
    target, what = split(step.name)
    return Bar(step, target, what, step.began / whole, (step.ended - step.began) / whole)


def split(name: str) -> tuple[str, str]:
    """Return a step's target and what it does: "[base 2/5] RUN x" is of base, and runs x."""
    if name.startswith("[") and "]" in name:
        inside, _, what = name[1:].partition("]")
        return inside.split(" ", 1)[0], what.strip() or inside
    return "", name
