"""Is what buildx gets right, and free of everything that must not end in an image?"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparkyard.builds import bake
from sparkyard.command import run
from sparkyard.engine import engine
from sparkyard.plan import plan
from sparkyard.plan.base_image import BaseImage
from sparkyard.settings import Settings
from tests.unit.small_family import BASE, DATES, make, site

PULLED = BaseImage("docker-image://r/debian:trixie-slim@sha256:1", "pulled debian:trixie-slim")
MIRRORS = Settings(
    ca_bundle="none", apt_mirror="http://me:s3cret@apt", apt_security_mirror="http://sec",
    pypi_index="http://me:s3cret@pypi", maven_mirror="http://maven", npm_registry="http://npm",
    cran_mirror="http://cran",
)  # fmt: skip


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make(tmp_path, monkeypatch)
    monkeypatch.setattr(engine, "inspect", lambda _: {})
    return tmp_path


def definition(
    *wanted: str, settings: Settings | None = None, base: BaseImage = BASE
) -> dict[str, Any]:
    where = site(settings)
    return bake.definition(plan.make(where, wanted, base), where, base)


def test_only_images_have_tags_labels_and_an_output() -> None:
    made = definition()
    assert made["group"]["default"]["targets"] == ["notebook", "executors"]
    for name, target in made["target"].items():
        published = name in ("notebook", "executors")
        assert ("tags" in target) is ("labels" in target) is published
        assert target["output"][0].startswith("type=image," if published else "type=cacheonly")


def test_an_image_has_one_tag_and_it_names_the_content() -> None:
    target = definition()["target"]["executors"]
    fingerprint = target["labels"]["io.sparkyard.fingerprint"]
    assert target["tags"] == [f"family/executors:s-{fingerprint}"]


def test_labels_say_what_it_is_and_what_it_was_made_of() -> None:
    labels = definition()["target"]["notebook"]["labels"]
    assert labels["org.opencontainers.image.description"] == "the notebook"
    assert labels["io.sparkyard.base"] == BASE.identity
    assert (labels["io.sparkyard.stack"], labels["io.sparkyard.image"]) == ("s", "notebook")
    made_of = json.loads(labels["io.sparkyard.inputs"])
    assert "package-dependencies/s/requirements/two.txt" in made_of


def test_contexts_lead_to_targets_and_directories(root: Path) -> None:
    targets = definition()["target"]
    assert targets["notebook"]["contexts"] == {
        "spark": str(root / "conf/spark"), "environment": "target:environment",
        "python-one": "target:python-one", "python-two": "target:python-two",
        "jars-extra": "target:jars-extra",
    }  # fmt: skip
    assert targets["environment"]["contexts"]["debian"] == "target:debian"
    assert targets["debian"]["context"] == "/rootfs"
    assert targets["notebook"]["context"] == str(root / "images/notebook")


def test_a_pulled_base_is_a_context_and_no_target() -> None:
    targets = definition(base=PULLED)["target"]
    assert "debian" not in targets
    assert targets["environment"]["contexts"]["debian"] == PULLED.context


def test_all_contexts_that_are_targets_exist() -> None:
    targets = definition()["target"]
    for target in targets.values():
        for context in target["contexts"].values():
            if context.startswith("target:"):
                assert context.removeprefix("target:") in targets


def test_only_what_the_wanted_images_need_is_in_it() -> None:
    assert "python-two" not in definition("executors")["target"]


def test_no_mirror_and_no_secret_in_it() -> None:
    plain, mirrored = definition(), definition(settings=MIRRORS)
    assert plain == mirrored
    for target in mirrored["target"].values():
        assert target["secret"] == [f"id=mirrors,src={bake.MIRRORS}"]


def test_the_ca_bundle_is_a_secret_and_no_argument(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    settings = Settings(ca_bundle=str(bundle))
    for target in definition(settings=settings)["target"].values():
        assert f"id=ca,src={bundle}" in target.pop("secret")
        assert str(bundle) not in json.dumps(target)


def test_mirrors_are_written_for_a_shell_and_for_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "mirrors"
    bake.write_mirrors(MIRRORS, file)
    assert "PYPI_INDEX='http://me:s3cret@pypi'\n" in file.read_text()
    names = set(re.findall("^([A-Z_]+)=", file.read_text(), re.MULTILINE))
    assert names == {
        "PYPI_INDEX", "MAVEN_MIRROR", "NPM_REGISTRY", "CRAN_MIRROR", "APT_MIRROR",
        "APT_SECURITY_MIRROR", "APT_AUTH", "MAVEN_URL",
    }  # fmt: skip
    assert file.stat().st_mode & 0o777 == 0o600
    bake.write_mirrors(replace(MIRRORS, pypi_index=""), file)
    assert "PYPI" not in file.read_text()
    bake.write_mirrors(Settings(), file)
    assert file.read_text() == ""


def test_apt_and_maven_get_a_user_apart_from_the_url(tmp_path: Path) -> None:
    """As a shell reads it: a password may hold what a URL and a shell have a use for."""
    place = "https://ann%40corp:p%40s%2Fs%27%24x@mirror:8443"
    settings = Settings(apt_mirror=f"{place}/debian", maven_mirror=f"{place}/maven")
    bake.write_mirrors(settings, tmp_path / "mirrors")
    names = ("APT_MIRROR", "APT_AUTH", "MAVEN_MIRROR", "MAVEN_URL", "MAVEN_USER", "MAVEN_PASSWORD")
    script = f". {tmp_path}/mirrors" + "".join(f'; echo "${name}"' for name in names)
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [
        "https://mirror:8443/debian",
        "machine https://mirror:8443/debian login ann@corp password p@s/s'$x", "",
        f"{place}/maven", "https://mirror:8443/maven", "ann@corp", "p@s/s'$x",
    ]  # fmt: skip


def test_images_are_listed_by_the_engine() -> None:
    """In Docker's own media types, `docker image ls` hides an image that has zstd layers."""
    output = definition()["target"]["executors"]["output"][0]
    assert "compression=zstd" in output
    assert "oci-mediatypes=true" in output


def test_is_written_where_it_can_be_looked_at(tmp_path: Path) -> None:
    file = bake.write({"a": 1}, tmp_path / "deep" / "bake.json")
    assert json.loads(file.read_text()) == {"a": 1}


def test_times_are_those_of_the_locks_and_not_of_the_build() -> None:
    epoch = str(int(DATES["base"].timestamp()))
    made = definition()["target"]
    assert made["executors"]["args"]["SOURCE_DATE_EPOCH"] == epoch
    assert made["python-one"]["args"]["SOURCE_DATE_EPOCH"] == epoch
    created = made["executors"]["labels"]["org.opencontainers.image.created"]
    assert created == "2026-01-03T00:00:00Z"


def test_layers_are_compressed_as_the_site_wants() -> None:
    gzip = definition(settings=replace(MIRRORS, compression="gzip"))
    assert "compression=gzip,compression-level=6" in gzip["target"]["executors"]["output"][0]
    assert gzip["group"] == definition(settings=replace(MIRRORS, compression="gzip"))["group"]
    labels = [d["target"]["executors"]["labels"] for d in (gzip, definition())]
    assert labels[0]["io.sparkyard.fingerprint"] != labels[1]["io.sparkyard.fingerprint"]


def test_nothing_that_differs_between_two_clones_of_one_commit_is_on_an_image(root: Path) -> None:
    before = definition()
    run(["git", "init", "--quiet", str(root)])
    run(["git", "-C", str(root), "remote", "add", "origin", "https://me:s3cret@git.example.com/y"])
    assert definition() == before
