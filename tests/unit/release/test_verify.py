"""Is every change to a release's files refused, and the thing that was changed named?

The images are checked against a real registry, in tests/e2e/test_verify.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from sparkyard.commands import verify as command
from sparkyard.errors import FileAccessError, SigningKeyError, VerificationError
from sparkyard.registry import oci
from sparkyard.registry.oci import Content
from sparkyard.release import signature, verify
from sparkyard.release.signing_key import SigningKey
from sparkyard.release.verify_images import Checked
from tests import small_release
from tests.small_release import NAMES, OTHER_STACK, STACK, VERSION, SmallRelease, digest

KEY = SigningKey(ec.generate_private_key(ec.SECP256R1()))
OTHER = SigningKey(ec.generate_private_key(ec.SECP256R1()))
PLACE = "registry.example.com/sparkyard"
GOOD = small_release.make(PLACE, KEY)


@dataclass(frozen=True)
class Changed:
    """A release whose manifest is not made of its files."""

    manifest: Content
    files: dict[str, bytes]


def refusal(release: verify.Release, version: str = VERSION, key: SigningKey = KEY) -> str:
    """Return the reason for which a release is refused."""
    with pytest.raises(VerificationError) as refused:
        verify.check_release(release, key.public, version, lambda _: None)
    return refused.value.what


def test_a_good_release_holds_and_tells_what_was_checked() -> None:
    told: list[Checked] = []
    record = verify.check_release(GOOD, KEY.public, VERSION, told.append)
    assert record == GOOD.record
    names = [each.what for each in told]
    assert names == [
        "signature", "files", "record", *(f"{name}: SBOM" for name in NAMES), "manifest",
    ]  # fmt: skip
    assert KEY.public.id[:12] in told[0].found


def test_a_release_of_schema_1_holds() -> None:
    old = GOOD.with_file("release.json", small_release.as_schema_1(GOOD.record))
    record = verify.check_release(small_release.sign(old), KEY.public, VERSION, lambda _: None)
    assert record == GOOD.record


def test_a_release_of_two_stacks_holds_and_each_image_of_each_counts() -> None:
    both = small_release.make(PLACE, KEY, stacks=(STACK, OTHER_STACK))
    told: list[Checked] = []
    verify.check_release(both, KEY.public, VERSION, told.append)
    names = {check.what for check in told}
    for name in NAMES:
        assert {f"{name}: SBOM", f"{name}-{OTHER_STACK}: SBOM"} <= names
    first = both.record.stacks[0]
    fewer = small_release.as_json(replace(both.record, stacks=(first,)))
    said = refusal(small_release.sign(both.with_file("release.json", fewer)))
    assert f"{NAMES[1]}:{VERSION}-{OTHER_STACK}" in said
    lost = f"{NAMES[0]}-{OTHER_STACK}.spdx.json"
    assert lost in refusal(small_release.sign(both.with_file(lost, None)))


@pytest.mark.parametrize("name", sorted(set(GOOD.files) - {signature.FILE}))
def test_one_flipped_byte_in_a_file_is_refused_with_both_digests(name: str) -> None:
    data = GOOD.files[name]
    for position in (0, len(data) // 2, len(data) - 1):
        flipped = bytearray(data)
        flipped[position] ^= 1
        said = refusal(GOOD.with_file(name, bytes(flipped)))
        assert f"The file {name}" in said
        assert oci.digest_of(data) in said
        assert oci.digest_of(bytes(flipped)) in said


@pytest.mark.parametrize("name", sorted(GOOD.files))
def test_a_file_that_is_missing_is_named(name: str) -> None:
    assert name in refusal(GOOD.with_file(name, None))


def test_a_file_that_nobody_signed_is_named() -> None:
    assert "more.txt" in refusal(GOOD.with_file("more.txt", b"more"))


def test_another_signer_is_refused() -> None:
    theirs = small_release.sign(replace(GOOD, key=OTHER))
    assert OTHER.public.id[:12] in refusal(theirs)
    assert KEY.public.id[:12] in refusal(GOOD, key=OTHER)


def test_another_release_under_this_ones_name_is_refused() -> None:
    older = small_release.make(PLACE, KEY, version="1.3.0")
    assert "for the release 1.3.0, not for 1.4.0" in refusal(older)


def test_a_record_of_another_version_is_refused() -> None:
    older = replace(GOOD.record, version="1.3.0")
    mixed = small_release.sign(GOOD.with_file("release.json", small_release.as_json(older)))
    assert "of the release 1.3.0, not of 1.4.0" in refusal(mixed)


@pytest.mark.parametrize("page", ["release.json", "release.md", "release.html"])
def test_a_page_that_the_signature_leaves_out_is_refused(page: str) -> None:
    signed_without = small_release.sign(GOOD.with_file(page, None))
    whole = signed_without.with_file(page, GOOD.files[page])
    assert f"does not cover {page}" in refusal(whole)


def resigned(record: bytes) -> SmallRelease:
    return small_release.sign(GOOD.with_file("release.json", record))


def test_a_record_that_is_none_is_refused() -> None:
    document = json.loads(GOOD.files["release.json"])
    del document["stacks"][0]["images"][0]["digest"]
    for record in (b"{", b"[]", b"\xff", json.dumps(document).encode()):
        assert "release.json is no record" in refusal(resigned(record))


def test_an_image_that_the_record_and_the_signature_name_differently_is_refused() -> None:
    first, second = GOOD.record.images
    for other in (replace(first, digest=digest("x")), replace(first, index=digest("x"))):
        record = small_release.make_record(other, second)
        said = refusal(resigned(small_release.as_json(record)))
        assert first.name in said
        assert digest("x") in said
    fewer = small_release.as_json(small_release.make_record(first))
    assert second.name in refusal(resigned(fewer))


def test_an_sbom_of_another_image_is_refused() -> None:
    theirs = small_release.sboms(NAMES[0], digest("another image"))
    said = refusal(small_release.make(PLACE, KEY, theirs))
    assert f"SBOM of {NAMES[0]}" in said
    assert digest("another image") in said


def test_an_sbom_that_is_none_is_refused() -> None:
    name = f"{NAMES[1]}.cdx.json"
    assert NAMES[1] in refusal(small_release.make(PLACE, KEY, {name: b"{}"}))


def test_an_sbom_that_the_record_does_not_name_is_refused() -> None:
    name = f"{NAMES[0]}.spdx.json"
    swapped = small_release.sign(GOOD.with_file(name, GOOD.files[name] + b"\n"))
    assert f"SBOM {name}" in refusal(swapped)
    assert name in refusal(small_release.sign(GOOD.with_file(name, None)))


def test_a_manifest_of_other_files_is_refused() -> None:
    other = GOOD.with_file("release.md", b"other").manifest
    assert "release.md" in refusal(Changed(other, dict(GOOD.files)))
    fewer = GOOD.with_file("release.md", None).manifest
    assert "release.md" in refusal(Changed(fewer, dict(GOOD.files)))
    document = GOOD.manifest.document()
    document["layers"] = [*document["layers"], document["layers"][0]]
    twice = Content(oci.MANIFEST, oci.canonical(document))
    assert "twice" in refusal(Changed(twice, dict(GOOD.files)))
    none = Content(oci.MANIFEST, b"[]")
    assert "no manifest" in refusal(Changed(none, dict(GOOD.files)))


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A release's files in a directory, and the public key beside it."""
    directory = tmp_path / "release"
    directory.mkdir()
    for name, data in GOOD.files.items():
        (directory / name).write_bytes(data)
    (tmp_path / "key.pub").write_text(KEY.public.pem)
    return directory


def options(exported: Path, *more: str) -> list[str]:
    key = str(exported.parent / "key.pub")
    return [VERSION, "--from", str(exported), "--files-only", "--key", key, *more]


def test_files_in_a_directory_are_checked_without_a_registry(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(options(exported)) == 0
    said = capsys.readouterr().out
    assert "release 1.4.0 is what was signed" in said
    assert "FAIL" not in said


def test_the_table_ends_with_what_does_not_hold(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (exported / "release.html").write_bytes(b"other")
    with pytest.raises(VerificationError, match=r"release\.html"):
        command.main(options(exported))
    said = capsys.readouterr().out
    assert "ok    signature" in said
    assert "FAIL" in said
    assert "is what was signed" not in said


def test_machines_read_the_same(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main(options(exported, "--json"))
    told = json.loads(capsys.readouterr().out)
    assert (told["holds"], told["failure"]) == (True, "")
    assert told["checks"][0]["what"] == "signature"
    (exported / "release.html").unlink()
    with pytest.raises(VerificationError):
        command.main(options(exported, "--json"))
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is False
    assert "release.html" in told["failure"]


def test_a_look_that_was_broken_off_says_nothing_good(
    exported: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verify, "check_files", interrupted)
    with pytest.raises(KeyboardInterrupt):
        command.main(options(exported, "--json"))
    assert json.loads(capsys.readouterr().out)["holds"] is False


def test_a_key_or_a_directory_that_is_not_there_is_named(exported: Path) -> None:
    with pytest.raises(SigningKeyError, match="nowhere"):
        command.main([VERSION, "--from", str(exported), "--key", str(exported / "nowhere")])
    with pytest.raises(FileAccessError, match="nowhere"):
        command.main(options(exported / "nowhere")[:-2] + options(exported)[-2:])
