"""Does the real cosign, without any network, accept what a release signs, and nothing else?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.builds import bake
from sparkyard.command import Completed, run
from sparkyard.plan import base_image
from sparkyard.plan.plan import Site
from sparkyard.registry import oci
from sparkyard.release import signature, signing_key
from sparkyard.release.signing_key import SigningKey
from tests import small_release
from tests.e2e.release_registry import NAMESPACE, Served, serve
from tests.small_release import VERSION, SmallRelease
from tests.support import Lab

HERE = Path(__file__).parent
IMAGE = "sparkyard-test/cosign"

Cosign = Callable[..., Completed]


@pytest.fixture(scope="module")
def served(lab: Lab, site: Site) -> Iterator[Served]:
    with serve(lab, site, "cosign-registry") as running:
        yield running


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What cosign sees as /release: the public key, the files of the release."""
    return tmp_path_factory.mktemp("release")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory, directory: Path) -> SigningKey:
    made = signing_key.make(tmp_path_factory.mktemp("keys") / "release-key.pem")
    (directory / "release-key.pub").write_text(made.public.pem)
    return made


@pytest.fixture(scope="module")
def release(served: Served, key: SigningKey, directory: Path) -> SmallRelease:
    made = small_release.make(f"{served.host}/{NAMESPACE}", key)
    served.push(made)
    for name, data in made.files.items():
        (directory / name).write_bytes(data)
    directory.chmod(0o755)
    return made


@pytest.fixture(scope="module")
def cosign(lab: Lab, site: Site, directory: Path) -> Cosign:
    """Runs cosign where nothing but this machine can be reached."""
    bake.write_mirrors(site.settings)
    argv = ["docker", "buildx", "build", "--quiet", "--provenance=false", "--tag", IMAGE]
    argv += ["--build-context", f"common={paths.IMAGES / 'common'}"]
    argv += ["--build-context", f"debian={base_image.named(site.project, site.settings)}"]
    argv += ["--build-arg", f"SUITE={site.project.debian}"]
    argv += [word for secret in bake.secrets(site.settings) for word in ("--secret", secret)]
    run([*argv, str(HERE / "cosign")])

    def asked(*words: str) -> Completed:
        options = ["--network=host", "--env=HOME=/tmp", "--tmpfs=/tmp"]
        # A proxy that nobody serves: Go asks it for every host but those on loopback.
        options += [f"--env={name}=http://127.0.0.1:9" for name in ("HTTP_PROXY", "HTTPS_PROXY")]
        options += ["--volume", f"{directory}:/release:ro"]
        return lab.once(IMAGE, *words, options=options)

    return asked


def verify(cosign: Cosign, reference: str, key: str = "release-key.pub") -> Completed:
    """Verify as docs/verifying.md says."""
    argv = ["verify", "--key", f"/release/{key}", "--insecure-ignore-tlog=true", reference]
    return cosign(*argv)


def test_cosign_verifies_each_image_by_digest_and_by_tag(
    cosign: Cosign, release: SmallRelease
) -> None:
    for image in release.images:
        place = image.recorded.repository
        for reference in (
            f"{place}@{image.manifest.digest}",
            f"{place}@{image.index.digest}",
            f"{place}:{VERSION}",
        ):
            ended = verify(cosign, reference)
            assert ended.exit_code == 0, ended.stderr
            assert reference.rpartition("@")[2] in ended.stdout or VERSION in reference
            assert place in ended.stdout


def test_cosign_refuses_another_key(
    cosign: Cosign, release: SmallRelease, directory: Path, tmp_path: Path
) -> None:
    theirs = signing_key.make(tmp_path / "theirs.pem")
    (directory / "theirs.pub").write_text(theirs.public.pem)
    image = release.images[0]
    ended = verify(cosign, f"{image.recorded.repository}@{image.manifest.digest}", "theirs.pub")
    assert ended.exit_code != 0
    assert "invalid signature" in ended.stderr


def test_cosign_refuses_a_signature_of_another_digest(
    cosign: Cosign, release: SmallRelease, served: Served, key: SigningKey
) -> None:
    """One image's signature under the tag of another image's."""
    image, other = release.images
    moved = oci.index(image.manifest.descriptor, {"moved": "yes"})
    served.registry.put_manifest(image.path, moved.digest, moved)
    made, blobs = signature.cosign_signature(image.recorded.repository, other.manifest.digest, key)
    for content in blobs:
        served.put(image.path, content)
    served.registry.put_manifest(image.path, signature.cosign_tag(moved.digest), made)
    ended = verify(cosign, f"{image.recorded.repository}@{moved.digest}")
    assert ended.exit_code != 0
    assert "digest" in ended.stderr


def test_cosign_finds_no_signature_where_there_is_none(
    cosign: Cosign, release: SmallRelease, served: Served
) -> None:
    image = release.images[0]
    unsigned = oci.index(image.manifest.descriptor, {"unsigned": "yes"})
    served.registry.put_manifest(image.path, unsigned.digest, unsigned)
    ended = verify(cosign, f"{image.recorded.repository}@{unsigned.digest}")
    assert ended.exit_code != 0
    assert "no signatures found" in ended.stderr


@pytest.mark.parametrize("name", ["release.json", "release.html", "spark-executors.spdx.json"])
def test_cosign_verifies_the_releases_files(
    cosign: Cosign, release: SmallRelease, directory: Path, name: str
) -> None:
    def verified(file: str) -> Completed:
        argv = ["verify-blob-attestation", "--key", "/release/release-key.pub"]
        argv += ["--insecure-ignore-tlog=true", "--type", signature.PREDICATE_TYPE]
        return cosign(*argv, "--signature", f"/release/{signature.FILE}", f"/release/{file}")

    ended = verified(name)
    assert ended.exit_code == 0, ended.stderr
    changed = bytearray(release.files[name])
    changed[-2] ^= 1
    (directory / "changed").write_bytes(changed)
    assert verified("changed").exit_code != 0
