"""Is a network that is away, a CA that does not fit, a mirror that lies named as what it is?

The mirrors are servers of the tests' own on this machine's side of the engine's bridge. One fault
of each kind happens in a real build. The wording of the others is tested on recorded logs in
tests/unit/builds; that their logs still look like this is tested nightly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard.command import run
from tests.e2e.bad_input import (
    JAR_PATH,
    Mirror,
    Wheel,
    Yard,
    assert_clear,
    gateway,
    make_certificate,
    make_jar,
    make_wheel,
    make_yard,
    mirror,
    mirrors,
)

pytestmark = pytest.mark.engine

LOGIN_PAGE = b"<html>Please log in to the network.</html>"
MAVEN = f"/maven/{JAR_PATH}"


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = make_yard(tmp_path / "yard")
    yield made
    assert made.containers() == ""
    made.remove_images()


@pytest.fixture
def site(yard: Yard) -> Iterator[Mirror]:
    """A mirror of everything, which has nothing; the checkout is set to it."""
    with mirror() as served:
        yard.settings = dict(mirrors(served.url))
        yield served


def refused(yard: Yard, exit_code: int, *parts: str) -> None:
    """Assert that the build ends with a clear message and leaves no image behind."""
    ended = yard.run("build", "executors")
    assert_clear(ended, exit_code, *parts)
    assert yard.tags() == set()


def python_package(yard: Yard) -> Wheel:
    yard.family("python-tiny")
    wheel = make_wheel()
    yard.lock(wheel.requirement)
    return wheel


def jar(yard: Yard) -> bytes:
    yard.family("jars-tiny")
    content = make_jar()
    yard.lock(jar=content)
    return content


# No network.


@pytest.mark.nightly
def test_a_package_index_that_nobody_serves(yard: Yard) -> None:
    python_package(yard)
    yard.settings = dict(mirrors(f"http://{gateway()}:9"))
    refused(yard, 32, f"http://{gateway()}:9/simple/", "Connection refused", "Check the network")


def test_a_maven_mirror_whose_name_nobody_knows(yard: Yard) -> None:
    jar(yard)
    yard.settings = dict(mirrors("http://mirror.invalid"))
    refused(yard, 32, "http://mirror.invalid/maven/", "Check the network")


# A CA that does not fit.


@pytest.mark.nightly
def test_a_ca_bundle_that_does_not_know_the_package_index(yard: Yard, tmp_path: Path) -> None:
    """The one that people use by default: nothing is asked of it without trust."""
    python_package(yard)
    yard.settings = {"SPARKYARD_CA_BUNDLE": str(make_certificate(tmp_path / "other.pem"))}
    refused(yard, 33, "https://pypi.org/simple/", "SPARKYARD_CA_BUNDLE")


def test_a_mirror_whose_certificate_does_not_fit_until_its_ca_is_set(
    yard: Yard, tmp_path: Path
) -> None:
    content = jar(yard)
    own = make_certificate(tmp_path / "own.pem")
    with mirror(own) as served:
        served.serve(MAVEN, content)
        yard.settings = dict(mirrors(served.url))
        refused(yard, 33, served.url, "SPARKYARD_CA_BUNDLE")
        assert served.asked == []
        yard.settings["SPARKYARD_CA_BUNDLE"] = str(own)
        assert yard.run("build", "executors").exit_code == 0


# A mirror that answers something else.


@pytest.mark.nightly
def test_a_package_that_the_index_does_not_have(yard: Yard, site: Mirror) -> None:  # noqa: ARG001
    wheel = python_package(yard)
    refused(yard, 34, wheel.name, "pypi_index")


def test_a_wheel_that_the_index_promises_and_does_not_have(yard: Yard, site: Mirror) -> None:
    wheel = python_package(yard)
    site.serve_wheel(wheel)
    del site.answers[f"/files/{wheel.file}"]
    refused(yard, 34, wheel.name, "404 Not Found", "pypi_index")


@pytest.mark.nightly
def test_a_wheel_that_is_cut_off(yard: Yard, site: Mirror) -> None:
    wheel = python_package(yard)
    site.serve_wheel(wheel, cut=300)
    refused(yard, 34, wheel.name, "end of file", "pypi_index")


@pytest.mark.nightly
def test_a_login_page_in_a_wheels_place(yard: Yard, site: Mirror) -> None:
    wheel = python_package(yard)
    site.serve_wheel(wheel, content=LOGIN_PAGE)
    refused(yard, 34, wheel.name, "pypi_index")


def test_another_wheel_of_the_same_name(yard: Yard, site: Mirror) -> None:
    wheel = python_package(yard)
    site.serve_wheel(wheel, content=make_wheel().content)
    refused(yard, 14, wheel.name, "nox -s dependencies")


@pytest.mark.nightly
def test_a_jar_that_the_mirror_does_not_have(yard: Yard, site: Mirror) -> None:
    jar(yard)
    refused(yard, 34, f"{site.url}{MAVEN}", "404", "maven_mirror")


@pytest.mark.nightly
def test_a_jar_that_is_cut_off_at_each_try(yard: Yard, site: Mirror) -> None:
    content = jar(yard)
    site.serve(MAVEN, content, cut=1000)
    refused(yard, 34, f"1000 of {len(content)} bytes", "maven_mirror")


@pytest.mark.nightly
def test_a_jar_that_may_not_be_had(yard: Yard, site: Mirror) -> None:
    site.serve(MAVEN, jar(yard), status=403)
    refused(yard, 34, f"{site.url}{MAVEN}", "403", "maven_mirror")


@pytest.mark.nightly
def test_another_jar_of_the_same_name(yard: Yard, site: Mirror) -> None:
    jar(yard)
    site.serve(MAVEN, make_jar())
    refused(yard, 14, f"{site.url}{MAVEN}", "nox -s dependencies")


# What a mirror's address may hold.


def test_a_password_in_a_mirrors_address_shows_nowhere(yard: Yard, site: Mirror) -> None:
    wheel = python_package(yard)
    site.login = "reader@corp:hunter2@/x"
    secret = site.url.replace("://", "://reader%40corp:hunter2%40%2Fx@")
    yard.settings["SPARKYARD_PYPI_INDEX"] = f"{secret}/simple"
    failed = yard.run("build", "executors")
    assert failed.exit_code == 34
    site.serve_wheel(wheel)
    built = yard.run("build", "executors")
    assert built.exit_code == 0, built.stderr
    assert f"/simple/{wheel.name}/" in site.asked
    image = f"{yard.namespace}/tiny-executors:spark-3.5"
    shown = [failed.stderr, built.stderr, built.stdout, yard.log]
    shown.append((yard.root / "build/bake.json").read_text())
    shown.append(run(["docker", "image", "inspect", image]).stdout)
    shown.append(run(["docker", "image", "history", "--no-trunc", image]).stdout)
    assert [text for text in shown if "hunter2" in text] == []
    assert json.loads(shown[-2])[0]["RepoTags"]
    assert (yard.root / "build/secrets/mirrors").stat().st_mode & 0o077 == 0
