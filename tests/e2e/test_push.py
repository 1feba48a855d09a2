"""Does `nox -s push` refuse what it must, and push what the engine holds?"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard import evidence, paths
from sparkyard.command import run
from sparkyard.engine import engine
from sparkyard.errors import EvidenceMissingError, ImageMissingError
from sparkyard.facts import layers
from sparkyard.plan.plan import Site
from sparkyard.push import push, pushing
from sparkyard.push.push import Upload
from sparkyard.registry import blobs
from sparkyard.registry.http import Limits
from sparkyard.registry.oci import digest_of
from sparkyard.registry.registry import Registry
from sparkyard.services import local_registry
from sparkyard.settings import Settings
from tests.e2e.bad_input import Ended, assert_clear
from tests.support import Lab


@pytest.fixture
def image(lab: Lab, tmp_path: Path) -> Iterator[str]:
    """A small image of the engine: two layers, no base."""
    (tmp_path / "one").write_bytes(os.urandom(50_000))
    (tmp_path / "two").write_bytes(os.urandom(5_000))
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY one /one\nCOPY two /two\n")
    name = f"{lab.name('pushed')}:t"
    argv = ["docker", "buildx", "build", "--quiet", "--provenance=false", "--label", lab.label]
    run([*argv, "--output", f"type=image,name={name},oci-mediatypes=true", str(tmp_path)])
    yield name
    run(["docker", "image", "rm", "--force", name], check=False)


def command(*words: str, **settings: str) -> Ended:
    argv = [sys.executable, "-m", "sparkyard", "push", *words]
    ended = run(argv, cwd=paths.ROOT, env=settings, check=False, timeout=180)
    return Ended(ended.exit_code, ended.stdout, ended.stderr)


def test_what_the_engine_holds_is_pushed_and_pulled_unchanged(
    lab: Lab, site: Site, image: str
) -> None:
    digest = str(engine.inspect([image])[image]["Id"])
    options = ["--publish", "127.0.0.1::5000", "--tmpfs", "/var/lib/docker-registry:uid=1000"]
    with lab.container(local_registry.build(site), what="push", options=options) as served:
        port = served.inspect()["NetworkSettings"]["Ports"]["5000/tcp"][0]["HostPort"]
        limits = Limits(retries=8, backoff=0.1)
        registry = Registry(f"127.0.0.1:{port}", Settings(), limits=limits)
        wanted = [Upload("a/b", digest, blobs.of_engine([image]))]
        assert push.upload(registry, wanted).blobs == 3
        assert push.upload(registry, wanted).blobs == 0
        assert push.set_tag(registry, "a/b", "t", digest, immutable=True)
        run(["docker", "image", "rm", "--force", image])
        pulled = f"127.0.0.1:{port}/a/b:t"
        run(["docker", "pull", "--quiet", pulled])
        try:
            assert engine.inspect([pulled])[pulled]["Id"] == digest
        finally:
            run(["docker", "image", "rm", pulled])


def test_without_access_to_the_engines_store_the_same_blobs_are_saved(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = str(engine.inspect([image])[image]["Id"])
    direct = blobs.of_engine([image]).manifest(digest)
    monkeypatch.setattr(layers, "STORES", ("/nowhere",))
    monkeypatch.setenv("SPARKYARD_CACHE", str(tmp_path / "cache"))
    saved = blobs.of_engine([image])
    assert saved.manifest(digest) == direct
    for part in push.parts(direct):
        with saved.open(part.digest) as file:
            assert digest_of(file.read()) == part.digest
    assert list((tmp_path / "cache" / "oci").iterdir())


def test_an_image_that_the_engine_does_not_have_is_told() -> None:
    with pytest.raises(ImageMissingError, match="no image nowhere/none:t"):
        blobs.of_engine(["nowhere/none:t"]).manifest(f"sha256:{'0' * 64}")


def test_a_push_without_evidence_is_refused(
    site: Site, executor_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert executor_image
    monkeypatch.setattr(evidence, "_file", lambda digest, part: tmp_path / digest / part)
    with pytest.raises(EvidenceMissingError, match="spark-executors") as raised:
        pushing.collect(site, ["executors"])
    assert "nox -s tests" in raised.value.remedy
    told: list[str] = []
    [found] = pushing.collect(site, ["executors"], untested=told.append)
    assert found.image.name == "spark-executors"
    assert "parity not run" in told[0]


@pytest.mark.parametrize("registry", ["registry", "https://registry.example.com", "a b:5000"])
def test_a_registry_without_a_host_is_refused(registry: str) -> None:
    assert_clear(command("executors", REGISTRY=registry), 64, "REGISTRY", "host")


def test_a_namespace_that_no_registry_takes_is_refused() -> None:
    assert_clear(command("executors", SPARKYARD_NAMESPACE="Team/X"), 64, "Team", "lower-case")


def test_an_unknown_image_is_refused() -> None:
    assert_clear(command("executor"), 11, "executor", "executors")
