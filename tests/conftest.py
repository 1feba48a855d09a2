"""What all tests share: the site, the images under test, and a run's part of the engine."""

from __future__ import annotations

import secrets
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from sparkyard.commands.tests import left_over
from sparkyard.engine import engine
from sparkyard.plan.plan import Site
from tests import stacks
from tests.lanes import ByLane
from tests.results import DURATIONS, Counting
from tests.support import Lab

pytest.register_assert_rewrite("tests.jobs")

# The same examples in each run, on machines that are busy; nothing is kept of them.
hypothesis.settings.register_profile(
    "sparkyard", derandomize=True, deadline=None, database=None, print_blob=False
)
hypothesis.settings.load_profile("sparkyard")

ENGINE_TESTS = ("images", "e2e", "kubernetes")
"""Directories whose tests all need a container engine."""

_LAB = pytest.StashKey[Lab]()
_USED = pytest.StashKey[bool]()
_WORKERS = pytest.StashKey[list[Lab]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sparkyard")
    group.addoption("--stack", action="append", default=[], help="a stack or project; repeat it")
    group.addoption("--image", default="", help="only this image's tests")
    group.addoption("--results", default="", help="a file for the outcomes, counted by group")
    group.addoption("--nightly", action="store_true", help="only the tests marked nightly")
    group.addoption("--keep", action="store_true", help="leave the containers for looking into")


def pytest_configure(config: pytest.Config) -> None:
    run = getattr(config, "workerinput", {}).get("run") or secrets.token_hex(4)
    config.stash[_LAB] = Lab(run, keep=bool(config.getoption("keep")))
    config.stash[_USED] = False
    config.stash[_WORKERS] = []
    if file := config.getoption("results"):
        config.pluginmanager.register(Counting(Path(file), DURATIONS))
    # As after Ctrl-C: fixtures end, and take their containers away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A background job of a shell has it ignored, and so would everything that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a worker's tests a part of the engine of their own."""
    lab = node.config.stash[_LAB]
    own = Lab(f"{lab.run}{node.gateway.id}", keep=lab.keep)
    node.workerinput["run"] = own.run
    node.config.stash[_WORKERS].append(own)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByLane:
    """Let tests of a lane run one after the other."""
    return ByLane(config, log)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on each of its stacks; tests/images/conftest.py does so for those of images."""
    sites = stacks.of_test(metafunc)
    of_images = metafunc.definition.path.is_relative_to(Path(__file__).parent / "images")
    if "stack_name" in metafunc.fixturenames and sites and not of_images:
        stacks.parametrize(metafunc, sites)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    nightly = bool(config.getoption("nightly"))
    # Not "deselected": nobody left these out of the part that runs.
    items[:] = [item for item in items if bool(item.get_closest_marker("nightly")) == nightly]
    directories = [Path(__file__).parent / name for name in ENGINE_TESTS]
    for item in items:
        if any(item.path.is_relative_to(directory) for directory in directories):
            item.add_marker(pytest.mark.engine)
    yield
    # One stack after the other: what is dear to start is started once for each.
    order = [site.project.name for site in stacks.chosen(config)]
    items.sort(key=lambda item: order.index(stacks.stack_of(item)))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    stash = session.config.stash
    # Workers have no terminal: what they leave, the process that has them takes away.
    labs = stash[_WORKERS] if shutil.which("docker") else []
    if stash[_USED] and not hasattr(session.config, "workerinput"):
        labs = [stash[_LAB]]
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    for lab in labs:
        assert reporter is not None
        if lab.keep:
            for kind, names in left_over(lab.run).items():
                reporter.write_line(f"kept {kind}: {' '.join(names)}")
                reporter.write_line("remove them with: nox -s tests -- --sweep")
        elif removed := lab.sweep():
            reporter.write_line(f"removed at the end of an interrupted run: {', '.join(removed)}")


@pytest.fixture(scope="session")
def stack_name(request: pytest.FixtureRequest) -> str:
    """The name of the stack or project under test."""
    return str(getattr(request, "param", stacks.chosen(request.config)[0].project.name))


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest, stack_name: str) -> Site:
    """The family, the project and the settings under test."""
    return next(site for site in stacks.chosen(request.config) if site.project.name == stack_name)


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Lab:
    """The run's part of the engine; tells of what earlier runs left in it."""
    request.config.stash[_USED] = True
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and (found := left_over()):
        what = ", ".join(f"{len(names)} {kind}(s)" for kind, names in found.items())
        reporter.write_line(
            f"\nOther test runs have {what} in the engine; `nox -s tests -- --sweep` removes them."
        )
    return request.config.stash[_LAB]


@pytest.fixture(scope="session")
def reference(site: Site) -> Callable[[str], str]:
    """Gives the reference of an image of the family, which must have been built."""

    def find(name: str) -> str:
        wanted = site.name(name)
        if wanted not in engine.inspect([wanted]):
            pytest.fail(
                f"{wanted} is not built: run `nox -s tests`, which builds it.", pytrace=False
            )
        return wanted

    return find


@pytest.fixture(scope="session")
def driver_image(site: Site, reference: Callable[[str], str]) -> str:
    """The image that the driver runs in."""
    return reference(site.family.pair.driver)


@pytest.fixture(scope="session")
def executor_image(site: Site, reference: Callable[[str], str]) -> str:
    """The image that executors run in."""
    return reference(site.family.pair.executors)
