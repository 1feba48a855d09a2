"""What is in an image, as SPDX and as CycloneDX, and do such documents belong to an image?

The documents are functions of the image's digest, of the time that they are given and of this
version of Sparkyard: no random identity, no clock. They name the digest as what they describe.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from sparkyard.errors import MalformedFileError, VerificationError
from sparkyard.facts import facts, ownership
from sparkyard.facts.identity import ImageIdentity
from sparkyard.record import record
from sparkyard.sbom import components as sbom_components
from sparkyard.sbom import cyclonedx as sbom_cyclonedx
from sparkyard.sbom import jars
from sparkyard.sbom import listing as sbom_listing
from sparkyard.sbom import spdx as sbom_spdx
from sparkyard.sbom.components import Component, Coverage

TOOL = "sparkyard-1"
"""What the documents name as their writer; its number changes with what is written into them."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:sparkyard:sbom")


@dataclass(frozen=True)
class Sbom:
    """An image's documents, its components, and the share of its files that they account for."""

    digest: str
    spdx: bytes
    cyclonedx: bytes
    components: tuple[Component, ...]
    coverage: Coverage

    @property
    def packages(self) -> int:
        """How many components the documents list, all kinds together."""
        return len(self.components)

    def kinds(self) -> dict[str, int]:
        """Return how many components there are of each kind, in a fixed order."""
        return {
            kind: sum(component.kind == kind for component in self.components)
            for kind in sbom_components.KINDS
        }


def of_image(image: str | ImageIdentity, created: str) -> Sbom:
    """Return the SBOM of an image of the engine.

    Args:
        image: its reference, or its identity if that is known already.
        created: when the image was made, RFC 3339: it becomes the documents' time.

    Raises:
        ImageMissingError: there is no such image.
        InspectionError: it could not be looked into.
        MalformedFileError: `created` is no time.
    """
    identity = facts.resolve(image) if isinstance(image, str) else image
    # By digest, so that a tag that moves meanwhile does not mix two images.
    seen, owned = facts.collect(identity.digest), ownership.collect(identity)
    return make(identity, seen, owned, created)


def make(
    identity: ImageIdentity, seen: facts.Facts, owned: ownership.Ownership, created: str
) -> Sbom:
    """Return the SBOM of what was seen in an image; see `of_image`."""
    subject = sbom_components.subject(identity)
    components = sbom_components.components(identity, seen, owned, jars.locked_jars())
    coverage = sbom_components.coverage(owned)
    at, name = _time(created), str(uuid.uuid5(_NAMESPACE, identity.digest))
    return Sbom(
        digest=identity.digest,
        spdx=sbom_spdx.write(subject, components, coverage, created=at, identity=name, tool=TOOL),
        cyclonedx=sbom_cyclonedx.write(
            subject, components, coverage, created=at, identity=name, tool=TOOL
        ),
        components=components,
        coverage=coverage,
    )


def check(spdx: bytes, cyclonedx: bytes, digest: str, packages: record.Packages) -> None:
    """Check that two documents are an image's SBOM; it takes about a second.

    Args:
        spdx: the SPDX document.
        cyclonedx: the CycloneDX document.
        digest: of the image that they should describe.
        packages: what a record says is in it.

    Raises:
        VerificationError: one is invalid or describes another image, the two list different
            packages, or one that the record names is not in them.
    """
    listings = {}
    for kind, read, data in (
        ("SPDX", sbom_spdx.read, spdx),
        ("CycloneDX", sbom_cyclonedx.read, cyclonedx),
    ):
        try:
            listings[kind] = read(data)
        except (ValueError, RecursionError) as error:
            raise _refused(f"The {kind} document is not valid: {error}.") from error
        if listings[kind].digest != digest:
            told = listings[kind].digest or "no single image"
            raise _refused(f"The {kind} document describes {told}, not {digest}.")
    one, other = (set(listing.packages) for listing in listings.values())
    if one != other or len(listings["SPDX"].packages) != len(listings["CycloneDX"].packages):
        only = [f"{package} only in SPDX" for package in sorted(one - other)]
        only += [f"{package} only in CycloneDX" for package in sorted(other - one)]
        raise _refused(
            f"The two documents of {digest} do not list the same packages: "
            f"{_some(only) or 'one lists a package twice'}."
        )
    if absent := sbom_listing.lacking(listings["SPDX"], packages):
        raise _refused(f"The SBOM of {digest} lacks what its record names: {_some(absent)}.")


def _refused(what: str) -> VerificationError:
    return VerificationError(
        what, "Trust neither it nor the release; the one who released it writes it anew."
    )


def _some(names: list[str] | tuple[str, ...]) -> str:
    more = f", and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _time(created: str) -> datetime:
    try:
        at = datetime.fromisoformat(created)
    except ValueError as error:
        raise MalformedFileError(
            f"{created!r} is no time of an SBOM.", "Give it like 2026-01-31T12:00:00Z."
        ) from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
