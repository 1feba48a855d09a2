"""How does a release vouch for itself? By a signed list of all that it is made of.

The list is an in-toto statement in a DSSE envelope, both as their specifications (version 1) say.
Next to it each image's digest has a signature of the form that cosign verifies. All are offline:
one key pair, no certificate, no log. Signing is deterministic (RFC 6979): the same statement and
key give the same bytes, so a release that is resumed makes the same record again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from securesystemslib import exceptions
from securesystemslib.dsse import Envelope
from securesystemslib.signer import (  # type: ignore[attr-defined]  # re-exported without a word
    Key,
    SecretsHandler,
    Signature,
    Signer,
    SSlibKey,
)

from sparkyard.errors import VerificationError
from sparkyard.record.record import Record
from sparkyard.registry import oci
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.release import naming
from sparkyard.release.signing_key import SigningKey, VerificationKey

FILE = "release.dsse.json"
"""The envelope's name among a release's files."""

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/release/v0.1"
"""Names of the in-toto attestation framework 1 and of its release predicate."""

MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"

COSIGN_PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
COSIGN_ANNOTATION = "dev.cosignproject.cosign/signature"
COSIGN_TYPE = "cosign container image signature"
"""Names of cosign's signature specification, which builds on simple signing."""


def statement(record: Record, files: Mapping[str, Content]) -> dict[str, Any]:
    """Return what a release states: its version, and the digest of each file and image.

    An image has two subjects: its repository, with the manifest's digest, and its repository with
    the version as tag, with the digest of the index that the tag names. Of a stack that is not the
    default one, the first has the tag of its fingerprint, for the repository is the same.

    Args:
        record: the release's.
        files: all its files but the envelope.
    """
    version = record.version
    subjects = {name: content.digest for name, content in files.items()}
    for stack in record.stacks:
        for image in stack.images:
            manifest = "" if stack.default else f":{stack.name}-{image.fingerprint}"
            tag = naming.of_release(record, stack, image)[0]
            subjects[f"{image.repository}{manifest}"] = image.digest
            subjects[f"{image.repository}:{tag}"] = image.index
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
            for name, digest in sorted(subjects.items())
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"purl": f"pkg:generic/sparkyard@{version}", "version": version},
    }


def sign(stated: Mapping[str, Any], key: SigningKey) -> bytes:
    """Return the envelope: the statement and its signature, in the one form that `check` takes."""
    envelope = Envelope(oci.canonical(stated), PAYLOAD_TYPE, {})
    envelope.sign(_Signer(key))
    return oci.canonical(envelope.to_dict())


def check(envelope: bytes, key: VerificationKey) -> dict[str, Any]:
    """Return the statement of an envelope that the key's owner signed.

    What is accepted is byte for byte what `sign` writes: whitespace, another order, a second
    encoding of the same content are refused, so that every changed byte shows.

    Raises:
        VerificationError: it is no such envelope, another key signed it, or it was changed.
    """
    try:
        document = json.loads(envelope)
        parsed = Envelope.from_dict(json.loads(envelope))
        written = oci.canonical(parsed.to_dict())
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        exceptions.Error,
    ) as error:
        raise _broken("it is no DSSE envelope") from error
    if written != envelope or not isinstance(document, dict):
        raise _broken("it is not written as it was when it was signed")
    signers = list(parsed.signatures)
    if len(signers) != 1 or set(document["signatures"][0]) != {"keyid", "sig"}:
        raise _broken("it does not have exactly one signature")
    if parsed.payload_type != PAYLOAD_TYPE:
        raise _broken("what it holds is no statement")
    if signers[0] != key.id:
        named = str(signers[0])[:12]
        raise VerificationError(
            f"{FILE} is signed by the key {named if named.isalnum() else '?'}, "
            f"not by {key.id[:12]}.",
            "Find out whose key that is. A new key of the releases' makers comes with the "
            "checkout, as conf/release-key.pub.",
        )
    try:
        parsed.verify([SSlibKey.from_crypto(key.key, keyid=key.id)], 1)
    except exceptions.VerificationError as error:
        raise _broken(f"the signature of key {key.id[:12]} does not fit its content") from error
    stated = _statement(parsed)
    for name, wanted in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        if stated.get(name) != wanted:
            raise _broken(f"what it signs is no release: its {name} is {stated.get(name)}")
    return stated


def subjects(stated: Mapping[str, Any]) -> dict[str, str]:
    """Return what a checked statement vouches for: digests by name of file, image or image's tag.

    Raises:
        VerificationError: it is not built as a statement is.
    """
    try:
        named = [
            (str(subject["name"]), f"sha256:{subject['digest']['sha256']}")
            for subject in stated["subject"]
        ]
    except (KeyError, TypeError) as error:
        raise _broken("what it signs is not built as a statement is") from error
    if len(dict(named)) != len(named):
        raise _broken("it names one subject twice")
    return dict(named)


def cosign_tag(digest: str) -> str:
    """Return the tag under which cosign looks for the signatures of a digest."""
    return f"{digest.replace(':', '-')}.sig"


def cosign_signature(
    repository: str, digest: str, key: SigningKey
) -> tuple[Content, tuple[Content, ...]]:
    """Return a signature of a digest for cosign: a manifest, and the blobs that it names.

    It belongs under the tag `cosign_tag(digest)` of the same repository.

    Args:
        repository: host and path; what the signature says the digest is.
        digest: of a manifest or an index.
        key: the private key.
    """
    payload = oci.canonical(
        {
            "critical": {
                "identity": {"docker-reference": repository},
                "image": {"docker-manifest-digest": digest},
                "type": COSIGN_TYPE,
            },
            "optional": None,
        }
    )
    signed = base64.standard_b64encode(_signature(key, payload)).decode()
    layer = Content(COSIGN_PAYLOAD, payload, {COSIGN_ANNOTATION: signed})
    config = Content(
        oci.CONFIG,
        oci.canonical(
            {
                "architecture": "",
                "os": "",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
            }
        ),
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": oci.MANIFEST,
        "config": config.descriptor.as_json(),
        "layers": [layer.descriptor.as_json()],
    }
    return Content(oci.MANIFEST, oci.canonical(manifest)), (config, layer)


def signs_for_cosign(layer: Descriptor, payload: bytes, digest: str, key: VerificationKey) -> bool:
    """Tell whether a signature of cosign's form is about a digest and by a key.

    Args:
        layer: of the manifest that the tag `cosign_tag(digest)` names.
        payload: the layer's content.
        digest: of the image.
        key: the key that it must be by.
    """
    try:
        signed = base64.b64decode(layer.annotations[COSIGN_ANNOTATION], validate=True)
        key.key.verify(signed, payload, ec.ECDSA(SHA256()))
        named = json.loads(payload)["critical"]["image"]["docker-manifest-digest"]
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return bool(named == digest)


class _Signer(Signer):
    """Signs with RFC 6979 nonces: the library's own signer takes random ones."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @property
    def public_key(self) -> Key:
        return SSlibKey.from_crypto(self._key.key.public_key(), keyid=self._key.public.id)

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        raise NotImplementedError("keys come from signing_key.py")

    def sign(self, payload: bytes) -> Signature:
        return Signature(self._key.public.id, _signature(self._key, payload).hex())


def _signature(key: SigningKey, data: bytes) -> bytes:
    return key.key.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))


def _statement(envelope: Envelope) -> dict[str, Any]:
    try:
        stated = json.loads(envelope.payload)
    except ValueError as error:
        raise _broken("what it signs is no JSON") from error
    if not isinstance(stated, dict):
        raise _broken("what it signs is no statement")
    return stated


def _broken(why: str) -> VerificationError:
    return VerificationError(
        f"The release's signature {FILE} does not hold: {why}.",
        "Do not use this release. Fetch it again; if it stays so, find out who changed it.",
    )
