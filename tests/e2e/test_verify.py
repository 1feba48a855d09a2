"""Does a real registry's release hold, and is one changed byte anywhere in it refused and named?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.command import run
from sparkyard.commands import verify as command
from sparkyard.errors import (
    RegistryAbsentError,
    RegistryUnreachableError,
    SparkyardError,
    VerificationError,
)
from sparkyard.plan.plan import Site
from sparkyard.registry import oci
from sparkyard.registry.http import Limits
from sparkyard.registry.registry import Registry
from sparkyard.release import signature, signing_key, verify_images
from sparkyard.release.signing_key import SigningKey
from sparkyard.release.verify_images import Checked
from sparkyard.settings import Settings
from tests import small_release
from tests.e2e.release_registry import NAMESPACE, RELEASES, Served, serve
from tests.small_release import OTHER_STACK, STACK, VERSION, Image, SmallRelease, digest
from tests.support import Lab


@pytest.fixture(scope="module")
def served(lab: Lab, site: Site) -> Iterator[Served]:
    with serve(lab, site, "verify") as running:
        yield running


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the private key; the public one is beside it."""
    path = tmp_path_factory.mktemp("keys") / "release-key.pem"
    signing_key.make(path)
    return path


@pytest.fixture(scope="module")
def release(served: Served, key: Path) -> SmallRelease:
    made = small_release.make(f"{served.host}/{NAMESPACE}", signing_key.load(key))
    served.push(made)
    return made


@pytest.fixture(autouse=True)
def environment(served: Served, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKYARD_REGISTRY", served.host)
    monkeypatch.setenv("SPARKYARD_NAMESPACE", NAMESPACE)
    monkeypatch.setenv("SPARKYARD_VERIFICATION_KEY", str(signing_key.beside(key)))


@pytest.fixture
def executors(release: SmallRelease) -> Image:
    return release.images[0]


def refusal(*options: str, kind: type[SparkyardError] = VerificationError) -> str:
    """Return the reason for which the command refuses the release."""
    with pytest.raises(kind) as refused:
        command.main([VERSION, *options])
    assert type(refused.value) is kind
    return refused.value.what


def test_a_good_release_holds(release: SmallRelease, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([VERSION, "--json"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["holds"] is True
    found = {each["what"]: each["found"] for each in told["checks"]}
    for image in release.images:
        assert image.manifest.digest in found[f"{image.recorded.name}: image"]
        assert found[f"{image.recorded.name}: cosign"].startswith("2 of 2")
    shared = len(release.images[0].layers + release.images[1].layers) - 1
    assert found["layers"].startswith(f"{shared}, "), "the layer that both have counts once"
    assert "of layers" in said.err


def test_a_copy_elsewhere_holds_and_what_it_lacks_is_named_there(
    served: Served, release: SmallRelease, executors: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.copy(release, "mirror/of/team")
    monkeypatch.setenv("SPARKYARD_NAMESPACE", "mirror/of/team")
    assert command.main([VERSION]) == 0
    place = f"mirror/of/team/{executors.recorded.name}"
    with served.away(served.link(place, executors.layers[1].digest)):
        lacking = refusal("--quick", kind=RegistryAbsentError)
    assert f"{served.host}/{place} lacks" in lacking


def test_the_exit_codes_are_those_of_the_table(release: SmallRelease) -> None:
    argv = [sys.executable, "-m", "sparkyard", "verify", VERSION]
    assert run(argv, cwd=paths.ROOT).exit_code == 0
    argv[-1] = "9.9.9"
    absent = run(argv, cwd=paths.ROOT, check=False)
    assert (absent.exit_code, "Traceback" in absent.stderr) == (71, False)
    assert f"newest there: {release.record.version}" in absent.stderr


# One byte, anywhere.


def test_a_layer_with_one_other_byte_is_named(served: Served, executors: Image) -> None:
    layer = executors.layers[1]
    for position in (0, len(layer.data) // 2, -1):
        with served.flipped(layer.data, position) as found:
            said = refusal()
        assert 'The layer "Spark" of spark-executors' in said
        assert layer.digest in said
        assert found in said


def test_a_layer_that_both_images_have_is_read(served: Served, executors: Image) -> None:
    with served.flipped(executors.layers[0].data) as found:
        assert found in refusal()


def test_a_layer_that_was_cut_off_is_named(served: Served, executors: Image) -> None:
    layer = executors.layers[1]
    with served.cut(layer.data):
        said = refusal()
    assert layer.digest in said
    assert "another length" in said


@pytest.mark.parametrize("part", ["config", "manifest", "index"])
@pytest.mark.parametrize("options", [(), ("--quick",)])
def test_a_document_of_an_image_with_one_other_byte_is_named(
    served: Served, executors: Image, part: str, options: tuple[str, ...]
) -> None:
    content = getattr(executors, part)
    with served.flipped(content.data, len(content.data) // 2):
        said = refusal(*options)
    assert content.digest in said
    assert "spark-executors" in said


@pytest.mark.parametrize(
    "name",
    [
        "release.json",
        "release.md",
        "release.html",
        "release.dsse.json",
        "spark-executors.spdx.json",
        "pyspark-notebook.cdx.json",
    ],
)
def test_a_file_with_one_other_byte_is_refused(
    served: Served, release: SmallRelease, name: str
) -> None:
    """In the storage, and with everything about it made to fit but the signature."""
    data = release.files[name]
    with served.flipped(data, len(data) // 2):
        assert oci.digest_of(data) in refusal("--files-only")
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1
    with replaced(served, release, release.with_file(name, bytes(changed))):
        said = refusal("--files-only")
    assert name in said
    if name != signature.FILE:
        assert oci.digest_of(data) in said
        assert oci.digest_of(bytes(changed)) in said


@pytest.mark.parametrize("which", ["manifest", "index"])
def test_a_signature_for_cosign_with_one_other_byte_is_refused(
    served: Served, executors: Image, release: SmallRelease, which: str
) -> None:
    about = getattr(executors, which).digest
    manifest, blobs = signature.cosign_signature(executors.recorded.repository, about, release.key)
    payload = blobs[1]
    with served.flipped(payload.data) as found:
        said = refusal("--quick")
    assert signature.cosign_tag(about) in said
    assert found in said
    with served.flipped(manifest.data, len(manifest.data) // 2):
        assert signature.cosign_tag(about) in refusal("--quick")


def test_somebody_elses_signature_for_cosign_is_refused(
    served: Served, executors: Image, release: SmallRelease, tmp_path: Path
) -> None:
    theirs = signing_key.make(tmp_path / "theirs.pem")
    with cosigned(served, executors, theirs, release.key):
        said = refusal("--quick")
    assert signature.cosign_tag(executors.index.digest) in said


# Something in another's place.


def test_a_tag_that_was_moved_is_refused_with_both_digests(
    served: Served, executors: Image
) -> None:
    other = oci.index(executors.manifest.descriptor, {"org.opencontainers.image.version": "x"})
    served.registry.put_manifest(executors.path, VERSION, other)
    try:
        said = refusal("--quick")
    finally:
        served.registry.put_manifest(executors.path, VERSION, executors.index)
    assert f"{served.host}/{executors.path}:{VERSION}" in said
    assert executors.index.digest in said
    assert other.digest in said


def test_a_release_by_another_key_is_refused(
    served: Served, release: SmallRelease, tmp_path: Path
) -> None:
    theirs = signing_key.make(tmp_path / "theirs.pem")
    with replaced(served, release, small_release.sign(replace(release, key=theirs))):
        assert theirs.public.id[:12] in refusal()
        assert command.main([VERSION, "--key", str(tmp_path / "theirs.pub"), "--files-only"]) == 0


def test_an_image_that_is_not_what_its_record_says_is_refused(
    served: Served, release: SmallRelease, executors: Image
) -> None:
    """As if the maker of the release had signed a wrong record."""

    def said(**parts: object) -> str:
        wrong = replace(executors.recorded, **parts)  # type: ignore[arg-type]
        record = small_release.make_record(wrong)
        with pytest.raises(VerificationError) as refused:
            verify_images.check(record, served.registry, release.key.public, tell=lambda _: None)
        return refused.value.what

    first, second = executors.recorded.layers
    other = replace(second, diff_id=digest("x"))
    assert "io.sparkyard.fingerprint" in said(fingerprint="ffffffffffff")
    assert "unpacked layers of spark-executors" in said(layers=(first, other))
    assert "The layers of spark-executors" in said(layers=(second, first))
    assert "The layers of spark-executors" in said(layers=(first,))
    assert digest("x") in said(digest=digest("x"))


# Absent, and not known.


def test_a_layer_that_is_gone_is_absent(served: Served, executors: Image) -> None:
    layer = executors.layers[1]
    for options in ((), ("--quick",)):
        with served.away(served.blob(layer.digest)):
            assert layer.digest in refusal(*options, kind=RegistryAbsentError)


def test_a_shared_layer_must_be_in_each_repository(served: Served, release: SmallRelease) -> None:
    layer = release.images[1].layers[0]
    with served.away(served.link(release.images[1].path, layer.digest)):
        said = refusal(kind=RegistryAbsentError)
    assert release.images[1].path in said
    assert layer.digest in said


def test_a_tag_that_is_gone_is_absent(served: Served, executors: Image) -> None:
    tags = f"{Path(served.link(executors.path, '')).parent.parent}/_manifests/tags"
    with served.away(f"{tags}/{VERSION}"):
        said = refusal("--quick", kind=RegistryAbsentError)
    assert f"{executors.path}:{VERSION}" in said


def test_an_image_of_the_second_stack_that_is_gone_is_absent(
    served: Served, release: SmallRelease
) -> None:
    stacks = (STACK, OTHER_STACK)
    both = small_release.make(f"{served.host}/two", release.key, stacks=stacks)
    served.push_images(both)
    told: list[Checked] = []

    def check() -> None:
        public = release.key.public
        verify_images.check(both.record, served.registry, public, quick=True, tell=told.append)

    check()
    known = {each.what: each.found for each in told}
    assert f"tags {VERSION}, {VERSION}-{STACK}," in known["spark-executors: image"]
    assert f"tags {VERSION}-{OTHER_STACK}," in known[f"spark-executors-{OTHER_STACK}: image"]
    path = both.images[0].path
    tags = f"{Path(served.link(path, '')).parent.parent}/_manifests/tags"
    for tag in both.images[2].tags:
        with (
            served.away(f"{tags}/{tag}"),
            pytest.raises(RegistryAbsentError, match=f"{path}:{tag} does not exist"),
        ):
            check()


def test_a_quick_look_reads_no_layer(
    served: Served, executors: Image, capsys: pytest.CaptureFixture[str]
) -> None:
    with served.flipped(executors.layers[1].data):
        assert command.main([VERSION, "--quick"]) == 0
    assert "not read (--quick)" in capsys.readouterr().out


def test_a_registry_that_does_not_answer_decides_nothing(release: SmallRelease) -> None:
    nobody = Registry("127.0.0.1:9", Settings(), limits=Limits(retries=1, backoff=0.1))
    key = release.key.public
    with pytest.raises(RegistryUnreachableError, match=r"127\.0\.0\.1:9"):
        verify_images.check(release.record, nobody, key, tell=lambda _: None)


def test_files_of_a_directory_go_with_images_of_the_registry(
    release: SmallRelease, served: Served, executors: Image, tmp_path: Path
) -> None:
    for name, data in release.files.items():
        (tmp_path / name).write_bytes(data)
    options = ("--from", str(tmp_path))
    assert command.main([VERSION, *options]) == 0
    layer = executors.layers[1]
    with served.flipped(layer.data):
        assert layer.digest in refusal(*options)
        assert command.main([VERSION, *options, "--files-only"]) == 0


@contextmanager
def replaced(served: Served, old: SmallRelease, new: SmallRelease) -> Iterator[None]:
    """Let the record's tag name other files."""
    served.push_files(new)
    try:
        yield
    finally:
        served.registry.put_manifest(RELEASES, VERSION, old.manifest)


@contextmanager
def cosigned(served: Served, image: Image, theirs: SigningKey, ours: SigningKey) -> Iterator[None]:
    """Let the signature for cosign of an image's index be another's."""
    tag = signature.cosign_tag(image.index.digest)

    def put(signer: SigningKey) -> None:
        manifest, blobs = signature.cosign_signature(
            image.recorded.repository, image.index.digest, signer
        )
        for content in blobs:
            served.put(image.path, content)
        served.registry.put_manifest(image.path, tag, manifest)

    put(theirs)
    try:
        yield
    finally:
        put(ours)
