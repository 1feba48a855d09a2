"""Does a signature vouch for exactly what was signed, and show every changed byte?"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256

from sparkyard.errors import VerificationError
from sparkyard.registry import oci
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.release import signature
from sparkyard.release.signing_key import SigningKey
from tests import small_release
from tests.small_release import digest

KEY = SigningKey(ec.generate_private_key(ec.SECP256R1()))
OTHER = SigningKey(ec.generate_private_key(ec.SECP256R1()))
SMALL: dict[str, Any] = {
    "_type": signature.STATEMENT_TYPE,
    "predicateType": signature.PREDICATE_TYPE,
    "subject": [{"name": "a", "digest": {"sha256": "0" * 64}}],
}
ENVELOPE = signature.sign(SMALL, KEY)
PLACE = "registry.example.com:5000/team/spark-executors"


def test_a_statement_names_each_file_and_both_digests_of_each_image() -> None:
    image = small_release.image(repository=PLACE, digest=digest("m"), index=digest("i"))
    record = small_release.make_record(image)
    stated = signature.statement(record, {"release.json": Content("", b"{}")})
    assert stated["_type"] == "https://in-toto.io/Statement/v1"
    assert stated["predicateType"] == "https://in-toto.io/attestation/release/v0.1"
    assert stated["predicate"]["version"] == "1.4.0"
    assert stated["predicate"]["purl"].endswith("@1.4.0")
    assert signature.subjects(stated) == {
        "release.json": oci.digest_of(b"{}"),
        PLACE: digest("m"),
        f"{PLACE}:1.4.0": digest("i"),
    }
    assert all(len(each["digest"]["sha256"]) == 64 for each in stated["subject"])


def test_an_image_of_another_stack_has_subjects_of_its_own() -> None:
    image = small_release.image(repository=PLACE, digest=digest("m"), index=digest("i"))
    other = replace(image, digest=digest("n"), index=digest("j"), fingerprint="ba9876543210")
    stacks = (small_release.make_stack(image), small_release.make_stack(other, name="spark-x"))
    stated = signature.statement(small_release.make_record(stacks=stacks), {})
    assert signature.subjects(stated) == {
        PLACE: digest("m"),
        f"{PLACE}:1.4.0": digest("i"),
        f"{PLACE}:spark-x-ba9876543210": digest("n"),
        f"{PLACE}:1.4.0-spark-x": digest("j"),
    }


def test_the_same_statement_and_key_give_the_same_bytes() -> None:
    assert signature.sign(SMALL, KEY) == signature.sign(dict(reversed(SMALL.items())), KEY)
    assert signature.sign(SMALL, KEY) != signature.sign({**SMALL, "more": 1}, KEY)


def test_a_signed_statement_comes_back() -> None:
    assert signature.check(ENVELOPE, KEY.public) == SMALL


def test_another_key_is_named_and_refused() -> None:
    with pytest.raises(VerificationError) as refused:
        signature.check(ENVELOPE, OTHER.public)
    assert KEY.public.id[:12] in refused.value.what
    assert OTHER.public.id[:12] in refused.value.what


def test_another_key_under_the_name_of_the_right_one_is_refused() -> None:
    forged = signature.sign(SMALL, OTHER).replace(OTHER.public.id.encode(), KEY.public.id.encode())
    with pytest.raises(VerificationError, match="does not fit"):
        signature.check(forged, KEY.public)


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80, 0xFF])
def test_every_flipped_byte_is_refused(mask: int) -> None:
    """Nothing is read out of base64 or JSON twice: what is accepted is what was written."""
    accepted = []
    for position in range(len(ENVELOPE)):
        changed = bytearray(ENVELOPE)
        changed[position] ^= mask
        try:
            signature.check(bytes(changed), KEY.public)
        except VerificationError:
            continue
        accepted.append(position)
    assert accepted == []


def test_every_flipped_bit_of_the_signature_is_refused() -> None:
    begin = ENVELOPE.index(b'"sig":"') + len(b'"sig":"')
    accepted = []
    for position in range(begin, ENVELOPE.index(b'"', begin)):
        for bit in range(8):
            changed = bytearray(ENVELOPE)
            changed[position] ^= 1 << bit
            try:
                signature.check(bytes(changed), KEY.public)
            except VerificationError:
                continue
            accepted.append((position, bit))
    assert accepted == []


def test_every_byte_that_is_missing_or_doubled_is_refused() -> None:
    accepted = []
    for position in range(len(ENVELOPE)):
        shorter = ENVELOPE[:position] + ENVELOPE[position + 1 :]
        longer = ENVELOPE[: position + 1] + ENVELOPE[position:]
        for changed in (shorter, longer, ENVELOPE[:position]):
            try:
                signature.check(changed, KEY.public)
            except VerificationError:
                continue
            accepted.append(position)
    assert accepted == []


def changed(**parts: object) -> bytes:
    return oci.canonical({**json.loads(ENVELOPE), **parts})


SIGNATURE = json.loads(ENVELOPE)["signatures"][0]


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b"[" * 100_000,
        ENVELOPE + b"\n",
        b" " + ENVELOPE,
        json.dumps(json.loads(ENVELOPE), indent=1).encode(),
        ENVELOPE.replace(b'{"payload":', b'{"payload":"AA==","payload":', 1),
        changed(more="unsigned"),
        changed(signatures=[]),
        changed(signatures=None),
        changed(signatures=[{**SIGNATURE, "cert": "more"}]),
        changed(signatures=[SIGNATURE, SIGNATURE]),
        changed(signatures=[SIGNATURE, {**SIGNATURE, "keyid": OTHER.public.id}]),
        changed(signatures=[{"sig": SIGNATURE["sig"]}]),
        changed(signatures=[{**SIGNATURE, "sig": ""}]),
        changed(signatures=[{**SIGNATURE, "keyid": 7}]),
        changed(signatures=[{**SIGNATURE, "keyid": ["x"]}]),
        changed(payload=7),
        changed(payload="\ud7ff"),
        changed(payloadType=7),
        changed(payloadType="application/json"),
    ],
)
def test_what_is_no_envelope_of_ours_is_refused(envelope: bytes) -> None:
    with pytest.raises(VerificationError, match=signature.FILE):
        signature.check(envelope, KEY.public)


def signed_as_is(payload: bytes, payload_type: str = signature.PAYLOAD_TYPE) -> bytes:
    """Return an envelope that the right key signed, about anything."""
    pae = b"DSSEv1 %d %b %d %b" % (
        len(payload_type), payload_type.encode(), len(payload), payload,
    )  # fmt: skip
    signed = KEY.key.sign(pae, ec.ECDSA(SHA256()))
    return oci.canonical(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [
                {"keyid": KEY.public.id, "sig": base64.b64encode(signed).decode()},
            ],
        }
    )


def test_the_envelope_is_the_specified_one() -> None:
    assert signature.check(signed_as_is(oci.canonical(SMALL)), KEY.public) == SMALL


@pytest.mark.parametrize(
    ("envelope", "message"),
    [
        (signed_as_is(oci.canonical(SMALL), "text/plain"), "no statement"),
        (signed_as_is(b"{"), "no JSON"),
        (signed_as_is(b"[]"), "no statement"),
        (signed_as_is(oci.canonical({**SMALL, "_type": "other"})), "_type is other"),
        (signed_as_is(oci.canonical({**SMALL, "predicateType": "x"})), "predicateType is x"),
    ],
)
def test_what_the_key_signed_for_another_purpose_is_no_release(
    envelope: bytes, message: str
) -> None:
    with pytest.raises(VerificationError, match=message):
        signature.check(envelope, KEY.public)


@pytest.mark.parametrize(
    "listed",
    [None, [{"name": "a"}], [{"name": "a", "digest": {"sha1": "0"}}], SMALL["subject"] * 2, [7]],
)
def test_subjects_that_are_none_are_refused(listed: object) -> None:
    with pytest.raises(VerificationError, match=signature.FILE):
        signature.subjects({**SMALL, "subject": listed})


def test_the_other_root_of_a_signature_still_signs_nothing_else() -> None:
    """ECDSA's (r, n-s): made without the key, takes many changed bytes, the statement stays."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
    r, s = decode_dss_signature(base64.b64decode(SIGNATURE["sig"]))
    mirrored = base64.b64encode(encode_dss_signature(r, order - s)).decode()
    turned = changed(signatures=[{**SIGNATURE, "sig": mirrored}])
    assert signature.check(turned, KEY.public) == SMALL


def test_a_signature_for_cosign_names_the_digest_and_stands_under_its_tag() -> None:
    manifest, blobs = signature.cosign_signature(PLACE, digest("m"), KEY)
    assert signature.cosign_tag(digest("m")) == f"sha256-{digest('m')[7:]}.sig"
    document = manifest.document()
    named = {document["config"]["digest"]} | {each["digest"] for each in document["layers"]}
    assert named == {each.digest for each in blobs}
    (layer,) = (Descriptor.parse(each) for each in document["layers"])
    payload = next(each.data for each in blobs if each.digest == layer.digest)
    assert json.loads(payload)["critical"]["identity"] == {"docker-reference": PLACE}
    assert signature.signs_for_cosign(layer, payload, digest("m"), KEY.public)
    assert not signature.signs_for_cosign(layer, payload, digest("n"), KEY.public)
    assert not signature.signs_for_cosign(layer, payload, digest("m"), OTHER.public)
    for position in range(len(payload)):
        flipped = bytearray(payload)
        flipped[position] ^= 1
        assert not signature.signs_for_cosign(layer, bytes(flipped), digest("m"), KEY.public)
    bare = Descriptor(layer.media_type, layer.digest, layer.size)
    assert not signature.signs_for_cosign(bare, payload, digest("m"), KEY.public)


def test_signing_for_cosign_again_gives_the_same_manifest() -> None:
    first, _ = signature.cosign_signature(PLACE, digest("m"), KEY)
    assert signature.cosign_signature(PLACE, digest("m"), KEY)[0].digest == first.digest
