"""On which stacks does a test run? On the first that was chosen, or on each of them."""

from __future__ import annotations

from functools import cache

import pytest

from sparkyard.plan import plan
from sparkyard.plan.plan import Site


def chosen(config: pytest.Config) -> tuple[Site, ...]:
    """Return the sites of the stacks and projects under test, the default stack's without any."""
    return _sites(tuple(config.getoption("stack")))


@cache
def _sites(names: tuple[str, ...]) -> tuple[Site, ...]:
    return tuple(plan.site(name) for name in names or ("",))


def of_test(metafunc: pytest.Metafunc) -> list[Site]:
    """Return the sites on which a test runs that is not of one image; none where that is clear.

    Where several stacks are tested, the first one answers for what is the same on each. Spark's own
    tests are of stacks alone.
    """
    stacks = [site for site in chosen(metafunc.config) if site.project.is_stack]
    if not stacks[1:]:  # a parameter of the session changes the order of the tests
        return []
    every = metafunc.definition.get_closest_marker("every_stack")
    return stacks if every or metafunc.config.getoption("nightly") else stacks[:1]


def parametrize(metafunc: pytest.Metafunc, sites: list[Site]) -> None:
    """Run a test on these sites; on the first that was chosen, its name is the plain one."""
    first = chosen(metafunc.config)[0]
    parameters = [
        pytest.param(name := site.project.name, id=pytest.HIDDEN_PARAM if site is first else name)
        for site in sites
    ]
    metafunc.parametrize("stack_name", parameters, indirect=True, scope="session")


def stack_of(item: pytest.Item) -> str:
    """Return the name of the stack or project that a test runs on: the first if on none."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return str(parameters.get("stack_name", chosen(item.config)[0].project.name))
