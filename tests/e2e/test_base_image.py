"""Is Debian pulled by its pinned digest, and bootstrapped where no registry answers?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.builds import bake
from sparkyard.command import run
from sparkyard.plan import base_image
from sparkyard.plan.plan import Site
from tests.e2e.bad_input import IMAGE, STACK, Yard, assert_clear, make_yard
from tests.support import Lab

TRIVIAL_BASE = "FROM debian\nRUN --mount=type=bind,from=common,target=/common true\n"


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = make_yard(tmp_path / "yard")
    made.family(base=TRIVIAL_BASE)
    yield made
    made.remove_images()


@pytest.fixture(scope="module")
def debian(site: Site) -> str:
    """The name in the engine of the Debian that builds stand on."""
    bake.write_mirrors(site.settings)
    return base_image.named(site.project, site.settings).removeprefix("docker-image://")


@pytest.fixture(scope="module")
def registry(site: Site, lab: Lab, debian: str) -> Iterator[str]:
    """A registry on loopback that serves Debian as docker.io would: its host, port and path."""
    argv = ["docker", "buildx", "build", "--quiet", "--provenance=false"]
    argv += ["--tag", "sparkyard-test/registry", "--build-context", f"common={paths.IMAGES}/common"]
    argv += ["--build-context", f"debian=docker-image://{debian}"]
    argv += ["--build-arg", f"SUITE={site.project.debian}"]
    argv += [word for secret in bake.secrets(site.settings) for word in ("--secret", secret)]
    run([*argv, str(paths.IMAGES / "tools" / "registry")])
    options = ["--publish", "127.0.0.1::5000"]
    with lab.container("sparkyard-test/registry", what="registry", options=options) as served:
        form = '{{(index (index .NetworkSettings.Ports "5000/tcp") 0).HostPort}}'
        port = run(["docker", "inspect", "--format", form, served.id]).stdout.strip()
        place = f"127.0.0.1:{port}/library"
        name = f"{place}/debian:{site.project.debian}-slim"
        run(["docker", "tag", debian, name])
        served.wait_for(
            lambda: run(["docker", "push", "--quiet", name], check=False).exit_code == 0, "push"
        )
        run(["docker", "image", "rm", name])
        yield place


def label(yard: Yard) -> str:
    form = "{{json .Config.Labels}}"
    tag = f"{yard.namespace}/{IMAGE}:{STACK}"
    shown = run(["docker", "image", "inspect", tag, "--format", form]).stdout
    return str(json.loads(shown)["io.sparkyard.base"])


def test_without_a_pin_debian_is_bootstrapped(yard: Yard) -> None:
    assert yard.run("build").exit_code == 0
    assert label(yard).startswith("bootstrapped debian:trixie sha256:")


def test_a_pinned_base_is_pulled_by_its_digest(yard: Yard, registry: str) -> None:
    yard.settings["SPARKYARD_BASE_REGISTRY"] = registry
    pinned = yard.run("pins")
    assert pinned.exit_code == 0, pinned.stderr
    digest = pinned.stdout.strip().rpartition("@")[2]
    assert digest in (yard.root / "conf/pins.toml").read_text()
    ended = yard.run("build")
    assert ended.exit_code == 0, ended.stderr[-3000:]
    assert label(yard) == f"pulled debian:trixie-slim@{digest}"
    assert "is up to date" in yard.run("build").stdout


def test_a_pinned_base_is_bootstrapped_where_no_registry_answers(yard: Yard) -> None:
    digest = f"sha256:{'0' * 64}"
    (yard.root / "conf/pins.toml").write_text(f'[base]\n"debian:trixie-slim" = "{digest}"\n')
    yard.settings["SPARKYARD_BASE_REGISTRY"] = "127.0.0.1:9/library"
    ended = yard.run("build")
    assert ended.exit_code == 0, ended.stderr[-3000:]
    assert "does not answer" in ended.stderr
    assert label(yard).startswith("bootstrapped")


def test_a_registry_that_does_not_answer_pins_nothing(yard: Yard) -> None:
    ended = yard.run("pins", SPARKYARD_BASE_REGISTRY="127.0.0.1:9/library")
    assert_clear(ended, 32, "127.0.0.1:9/library/debian:trixie-slim", "base_registry")
    assert not (yard.root / "conf/pins.toml").exists()
