"""Is a release what its signature vouches for, down to the last byte of the last layer?

The line of trust is one: the key vouches for the statement, the statement for the files and for
the images' manifests and indexes, a manifest for its configuration and layers. The first thing that
does not hold ends the look, and is named with the digests that were expected and found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from sparkyard.errors import SparkyardError, VerificationError
from sparkyard.record.record import Record, RecordedImage
from sparkyard.registry import oci
from sparkyard.registry.oci import Content
from sparkyard.registry.registry import Registry
from sparkyard.release import signature, verify_images
from sparkyard.release.signing_key import VerificationKey
from sparkyard.release.verify_images import Checked, Progress, Tell, parts, same, silent

RECORD = "release.json"
PAGES = (RECORD, "release.md", "release.html")
"""The record's three forms, which no release lacks."""


class Release(Protocol):
    """A release as it was fetched: its artifact's manifest, and its files by name."""

    @property
    def manifest(self) -> Content:
        """The artifact's manifest."""

    @property
    def files(self) -> Mapping[str, bytes]:
        """The files by name."""


def check(  # noqa: PLR0913 - who asks says how, and who listens
    release: Release,
    registry: Registry,
    key: VerificationKey,
    version: str,
    *,
    quick: bool = False,
    tell: Tell,
    progress: Progress = silent,
) -> Record:
    """Check a release in a registry; return its record.

    Args:
        release: as it was fetched.
        registry: where the images are.
        key: whose signature counts.
        version: the release that was asked for.
        quick: look whether the layers are there, and read none.
        tell: hears of each check that held.
        progress: hears of the bytes of layers that were read.

    Raises:
        VerificationError: something is not what it should be.
        RegistryAbsentError: the registry says that it lacks something.
        RegistryUnreachableError: it could not be asked.
    """
    record = check_release(release, key, version, tell)
    verify_images.check(record, registry, key, quick=quick, tell=tell, progress=progress)
    return record


def check_release(release: Release, key: VerificationKey, version: str, tell: Tell) -> Record:
    """Check all that stands in the repository of releases; return the record.

    Raises:
        VerificationError: something is not what it should be.
    """
    record = check_files(release.files, key, version, tell)
    _check_manifest(release, tell)
    return record


def check_files(
    files: Mapping[str, bytes], key: VerificationKey, version: str, tell: Tell
) -> Record:
    """Check a release's files: the signature, what it vouches for, the record, the SBOMs.

    Raises:
        VerificationError: something is not what it should be.
    """
    if signature.FILE not in files:
        raise VerificationError(
            f"The release {version} has no {signature.FILE}: nobody vouches for it.",
            "Do not use it. Every release of Sparkyard is signed.",
        )
    stated = signature.check(files[signature.FILE], key)
    signed_version = stated.get("predicate", {}).get("version")
    if signed_version != version:
        raise VerificationError(
            f"The signature is for the release {signed_version}, not for {version}.",
            "Somebody gave out one release as another. Do not use it.",
        )
    tell(Checked("signature", f"{signature.FILE}, by the key {key.id[:12]}"))
    subjects = signature.subjects(stated)
    unsigned = {name: data for name, data in files.items() if name != signature.FILE}
    _check_digests(subjects, unsigned)
    total = sum(len(data) for data in files.values())
    tell(Checked("files", f"{len(unsigned)}, {total} bytes, all as signed"))
    record = _record(files[RECORD], version)
    contents = {name: Content("", data) for name, data in unsigned.items()}
    wanted = signature.subjects(signature.statement(record, contents))
    for name in sorted({*wanted, *subjects}):
        same(f"the image {name}", subjects.get(name, "none"), wanted.get(name, "none"))
    stacks = " and ".join(stack.name for stack in record.stacks)
    tell(Checked("record", f"{RECORD}, {len(record.images)} images on {stacks}"))
    for stack in record.stacks:
        for image in stack.images:
            tell(_check_sboms(stack.with_stack(image.name), image, files))
    return record


def _check_digests(subjects: Mapping[str, str], files: Mapping[str, bytes]) -> None:
    signed = {name: digest for name, digest in subjects.items() if "/" not in name}
    for name in PAGES:
        if name not in signed:
            raise VerificationError(
                f"The signature does not cover {name}.", "Do not use this release."
            )
    for name in sorted({*signed, *files}):
        digest = oci.digest_of(files[name]) if name in files else "none"
        same(f"the file {name}", signed.get(name, "none, it is not signed"), digest)


def _record(data: bytes, version: str) -> Record:
    # A schema's validator is slow to import.
    from sparkyard.record import io as record_io  # noqa: PLC0415
    from sparkyard.record import schema  # noqa: PLC0415

    try:
        document = json.loads(data)
        schema.check(document, RECORD)
        record = record_io.record_from(document)
    except (ValueError, SparkyardError) as error:
        why = error.what if isinstance(error, SparkyardError) else str(error)
        raise VerificationError(
            f"{RECORD} is no record of a release: {why}",
            "It may be of a later Sparkyard: verify it with the checkout that it was made from.",
        ) from error
    if record.version != version:
        raise VerificationError(
            f"{RECORD} is of the release {record.version}, not of {version}.",
            "Do not use this release.",
        )
    return record


def _check_manifest(release: Release, tell: Tell) -> None:
    """Check that the registry's artifact is made of the files that were checked, and no others."""
    _, layers = parts(release.manifest, "the record's manifest")
    title = "org.opencontainers.image.title"
    listed = [(layer.annotations.get(title, layer.digest), layer.digest) for layer in layers]
    digests = dict(listed)
    for name in sorted({*digests, *release.files}):
        digest = oci.digest_of(release.files[name]) if name in release.files else "none"
        same(f"the file {name}", digests.get(name, "none"), digest)
    if len(listed) != len(digests):
        raise VerificationError(
            "The record's manifest names a file twice.", "Do not use this release."
        )
    tell(Checked("manifest", f"{release.manifest.digest}, names these files"))


def _check_sboms(name: str, image: RecordedImage, files: Mapping[str, bytes]) -> Checked:
    # Its libraries are slow to import.
    from sparkyard.sbom import sbom  # noqa: PLC0415

    if image.sbom is None:
        return Checked(f"{name}: SBOM", "the record has none")
    digests = {"spdx": image.sbom.spdx, "cdx": image.sbom.cyclonedx}
    documents = []
    for kind, digest in digests.items():
        file = f"{name}.{kind}.json"
        if file not in files:
            raise VerificationError(f"The release lacks {file}.", "Do not use this release.")
        same(f"the SBOM {file}", digest, oci.digest_of(files[file]))
        documents.append(files[file])
    try:
        sbom.check(documents[0], documents[1], image.digest, image.packages)
    except VerificationError as error:
        raise VerificationError(
            f"The SBOM of {name} does not belong to it: {error.what}", error.remedy
        ) from error
    return Checked(f"{name}: SBOM", f"{image.sbom.packages} packages, SPDX and CycloneDX")
