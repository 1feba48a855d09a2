"""Does the way of a release hold, from the built family to a channel that is rolled back?

In a checkout, a namespace and a registry of its own; the images are the real family's. Only the
evidence is written here and not by a full run of the tests, which is what these are part of.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from bench import builds
from sparkyard import paths
from sparkyard.command import run
from sparkyard.commands import diff
from sparkyard.engine import engine
from sparkyard.errors import RegistryUnreachableError
from sparkyard.plan import plan
from sparkyard.plan.plan import Site
from sparkyard.registry.http import Limits
from sparkyard.release import signature
from tests.e2e.bad_input import Ended, Yard, assert_clear
from tests.e2e.release_registry import Served, serve
from tests.support import Lab

pytestmark = pytest.mark.engine

PROVE = """
from sparkyard import evidence
from sparkyard.plan import plan
from sparkyard.release import candidates
for stack in candidates.built(plan.sites()):
    for name, digest in stack.digests.items():
        for part in ("images", "e2e"):
            evidence.record(evidence.Evidence(
                digest=digest, image=name, part=part, passed=1, failed=0, skipped=0,
                seconds=1.0, at="2026-01-01T00:00:00Z", revision="", dirty=False))
"""
"""What a full run of the tests leaves behind."""
ONE = ("--stack", "spark-3.5")
"""The stack that is built here; a release is of all of them without it."""


@dataclass
class Family(Yard):
    """A checkout of the real family, as a git repository with one commit."""

    def git(self, *words: str) -> str:
        named = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com")
        return run(["git", *named, *words], cwd=self.root).stdout.strip()

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def must(self, *words: str) -> str:
        ended = self.run(*words)
        assert ended.exit_code == 0, ended.stderr[-4000:]
        return ended.stdout

    def prove(self) -> None:
        ended = self.call([sys.executable, "-c", PROVE])
        assert ended.exit_code == 0, ended.stderr[-4000:]
        self.must("parity")


@pytest.fixture(scope="module")
def registry(lab: Lab, site: Site) -> Iterator[Served]:
    with serve(lab, site, "release") as served:
        yield served


@pytest.fixture(scope="module")
def family(
    lab: Lab,
    site: Site,
    registry: Served,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Family]:
    """The family, built; nothing is proven or released yet."""
    directory = tmp_path_factory.mktemp("release")
    root = directory / "checkout"
    for file in builds.files_of_checkout():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(paths.ROOT / file, root / file)
    (root / ".venv").symlink_to(paths.ROOT / ".venv")
    cache = directory / "cache"
    cache.mkdir()
    for known in paths.cache().iterdir():
        if known.name in ("base", "store") or known.name.startswith("base-of-"):
            (cache / known.name).symlink_to(known)
        elif known.name in ("facts", "layers"):  # by digest, of images that are the same
            shutil.copytree(known, cache / known.name)
    made = Family(
        root,
        lab.name("release"),
        {
            "SPARKYARD_CACHE": str(cache),
            "REGISTRY": registry.host,
            "XDG_CONFIG_HOME": str(directory / "config"),
            "KUBECONFIG": "",  # else evidence of the tests on that cluster is asked for
        },
    )
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("config", "user.name", "Tester")
    made.git("config", "user.email", "tester@example.com")
    made.git("remote", "add", "origin", str(directory / "origin"))
    made.commit("The family")
    try:
        # The family is built already, of the same files, under other names.
        for step in plan.make(site, ()).steps:
            for name in (step.reference, step.moving):
                tag = name.rpartition("/")[2]
                run(["docker", "tag", name, f"{registry.host}/{made.namespace}/{tag}"])
        made.must("build")
        yield made
    finally:
        prefix = f"{registry.host}/{made.namespace}/"
        listed = run(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).stdout
        ours = [name for name in listed.split() if name.startswith(prefix)]
        if ours:
            engine.client("image", "rm", "--force", *ours)


@pytest.fixture(scope="module")
def untested(family: Family) -> Ended:
    """The first release, of which nothing is proven."""
    return family.run("release", *ONE, "0.1.0", "--allow-untested", "--json")


@pytest.fixture(scope="module")
def released(family: Family, untested: Ended) -> Family:
    """Two releases, between which one Python package changed; the second one is proven."""
    assert untested.exit_code == 0, untested.stderr[-4000:]
    builds.bump(family.root)
    family.commit("Another version of one package")
    family.must("build")
    family.prove()
    family.must("release", *ONE, "0.2.0")
    return family


def test_nothing_is_released_without_evidence(family: Family, registry: Served) -> None:
    if "0.1.0" in registry.registry.tags(f"{family.namespace}/releases"):
        pytest.fail("this test must run before the release")
    assert_clear(family.run("release", *ONE, "0.1.0"), 63, "spark-executors", "nox -s tests")
    assert registry.registry.tags(f"{family.namespace}/spark-executors") == ()


def test_an_untested_release_says_so(family: Family, untested: Ended) -> None:
    assert untested.exit_code == 0, untested.stderr[-4000:]
    assert "UNTESTED" in untested.stderr
    assert "spark-executors" in json.loads(untested.stdout)["untested"]
    page = (family.root / "build" / "releases" / "0.1.0" / "release.html").read_text()
    assert "nothing vouches that they work" in page


def test_a_proven_release_is_whole(released: Family) -> None:
    page = (released.root / "build" / "releases" / "0.2.0" / "release.html").read_text()
    assert "nothing vouches that they work" not in page
    verified = released.must("verify", "0.2.0")
    assert "spark-executors" in verified
    assert "tags 0.2.0, 0.2.0-spark-3.5" in verified


@pytest.mark.nightly
def test_the_release_before_is_whole(released: Family) -> None:
    assert "spark-executors" in released.must("verify", "0.1.0")


def test_no_file_of_a_release_names_a_directory_of_this_machine(released: Family) -> None:
    files = list((released.root / "build/releases/0.2.0").iterdir())
    assert {"release.json", "release.md", "release.html"} <= {file.name for file in files}
    for file in files:
        assert str(released.root.parent) not in file.read_text(), file.name


def test_the_commit_of_a_release_bears_an_annotated_tag(released: Family) -> None:
    assert released.git("cat-file", "-t", "0.2.0") == "tag"
    assert released.git("rev-parse", "0.2.0^{commit}") == released.git("rev-parse", "HEAD")


def test_the_same_command_again_sends_nothing(released: Family) -> None:
    again = json.loads(released.must("release", *ONE, "0.2.0", "--json"))
    assert again["version"] == "0.2.0"


def test_the_diff_names_the_one_package(released: Family) -> None:
    changes: dict[str, Any] = json.loads(released.must("diff", "0.1.0", "0.2.0", "--json"))
    assert builds.BUMPED in json.dumps(changes)
    text = released.must("diff", "0.1.0", "0.2.0")
    assert builds.BUMPED in text


def test_a_channel_moves_and_returns(released: Family, registry: Served) -> None:
    client = registry.registry

    def named(tag: str) -> set[str]:
        found = set()
        for image in ("datascience-notebook", "spark-executors"):
            there = client.resolve(f"{released.namespace}/{image}", tag)
            assert there
            found.add(there.digest)
        return found

    released.must("promote", "0.1.0", "stable")
    assert named("stable") == named("stable-spark-3.5") == named("0.1.0")
    released.must("promote", "0.2.0", "stable")
    assert named("stable") == named("0.2.0")
    assert "0.2.0 -> 0.1.0" in released.must("rollback", "stable")
    assert named("stable") == named("0.1.0")
    assert_clear(released.run("rollback", "stable"), 79, "stable")
    assert_clear(released.run("promote", "0.9.0", "stable"), 71, "0.9.0")


def test_an_engine_that_pulls_a_release_gets_the_image_that_was_tested(
    released: Family, registry: Served
) -> None:
    name = f"{registry.host}/{released.namespace}/spark-executors"
    tested = engine.inspect([f"{name}:spark-3.5"])[f"{name}:spark-3.5"]["Id"]
    index = registry.registry.manifest(f"{released.namespace}/spark-executors", "0.2.0")
    assert [each["digest"] for each in index.document()["manifests"]] == [tested]
    assert index.document()["annotations"]["org.opencontainers.image.version"] == "0.2.0"
    for digest in (tested, index.digest):
        assert registry.registry.resolve(
            f"{released.namespace}/spark-executors", signature.cosign_tag(digest)
        )
    shown = run(["docker", "pull", "--quiet", f"{name}:0.2.0"]).stdout
    assert shown.strip() == f"{name}:0.2.0"


@pytest.mark.parametrize(
    ("version", "code", "parts"),
    [
        ("1.0", 62, ("1.0", "three numbers")),
        ("v1.0.0", 62, ("v1.0.0",)),
        ("0.2.0-rc.1", 62, ("0.2.0",)),
        ("1.0.0+build", 62, ("+",)),
        ("1.0.0-spark-3.5", 64, ("1.0.0", "stack spark-3.5")),
    ],
)
def test_a_version_that_cannot_be(
    released: Family, version: str, code: int, parts: tuple[str, ...]
) -> None:
    assert_clear(released.run("release", *ONE, version), code, *parts)


def test_with_a_cluster_its_tests_are_asked_for(released: Family) -> None:
    ended = released.run("release", *ONE, "0.2.1", "--dry-run", KUBECONFIG="/etc/kubeconfig")
    assert_clear(ended, 63, "kubernetes (not run)", "`nox -s tests -- --only kubernetes`")
    assert "e2e" not in ended.message
    assert released.must("release", *ONE, "0.2.1", "--dry-run")
    ended = released.run("release", *ONE, "0.2.1", "--dry-run", SPARKYARD_EVIDENCE="parity,nightly")
    assert_clear(ended, 63, "nightly (not run)", "`nox -s tests -- --nightly`")


def test_a_dry_run_changes_nothing(released: Family, registry: Served) -> None:
    before = registry.registry.tags(f"{released.namespace}/releases")
    assert "is released" in released.must("release", *ONE, "0.2.0", "--dry-run")
    assert "would write" in released.must("release", *ONE, "0.3.0", "--dry-run")
    assert registry.registry.tags(f"{released.namespace}/releases") == before
    assert released.git("tag") == "0.1.0\n0.2.0"


def test_a_person_whom_git_does_not_know(released: Family) -> None:
    for name in ("name", "email"):
        released.git("config", "--unset", f"user.{name}")
    try:
        nobody = {"GIT_CONFIG_GLOBAL": "/dev/null", "EMAIL": "", "GIT_CONFIG_NOSYSTEM": "1"}
        released.git("config", "user.useConfigOnly", "true")
        assert_clear(released.run("release", *ONE, "0.3.0", **nobody), 60, "user.name")
    finally:
        released.git("config", "user.name", "Tester")
        released.git("config", "user.email", "tester@example.com")


def test_a_dirty_tree(released: Family) -> None:
    extra = released.root / "conf" / "spark" / "extra.conf"
    extra.write_text("spark.x y\n")
    try:
        assert_clear(released.run("release", *ONE, "0.3.0"), 61, "extra.conf")
    finally:
        extra.unlink()


def test_a_detached_head(released: Family) -> None:
    released.git("checkout", "--quiet", "--detach")
    try:
        assert_clear(released.run("release", *ONE, "0.3.0"), 60, "detached")
    finally:
        released.git("checkout", "--quiet", "main")


def test_images_that_are_not_of_this_checkout(released: Family) -> None:
    file = released.root / "conf" / "spark" / "spark-defaults.conf"
    file.write_text(file.read_text() + "spark.ui.showConsoleProgress  false\n")
    released.commit("Another default")
    try:
        assert_clear(released.run("release", *ONE, "0.3.0"), 36, "spark-executors")
    finally:
        released.git("reset", "--quiet", "--hard", "HEAD~1")


def test_a_registry_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKYARD_REGISTRY", "127.0.0.1:1")
    monkeypatch.setattr("sparkyard.registry.registry.Limits", partial(Limits, backoff=0.05))
    with pytest.raises(RegistryUnreachableError, match=r"127\.0\.0\.1:1") as refused:
        diff.main(["0.1.0", "0.2.0"])
    assert refused.value.exit_code == 70
    assert "6 tries" in refused.value.what


def test_a_registry_without_a_host(released: Family) -> None:
    assert_clear(released.run("promote", "0.1.0", "stable", REGISTRY="team"), 64, "team")


@pytest.mark.parametrize(
    "name", ["1.0.0", "Stable", "-x", "a/b", "main", "java-8", "stable-spark-3.5"]
)
def test_a_channel_that_cannot_be(released: Family, name: str) -> None:
    words = ("promote", "0.1.0", "--", name) if name.startswith("-") else ("promote", "0.1.0", name)
    assert_clear(released.run(*words), 64, name)
