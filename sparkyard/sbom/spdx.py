"""How do an image's components look as SPDX 2.3 in JSON, and what does such a document say?

Packages are given with `filesAnalyzed: false` and a count of files: 48,000 elements for files would
make the document fifty times as long, and say nothing that the packages' own databases do not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sparkyard.sbom import listing
from sparkyard.sbom.components import Component, Coverage, Subject
from sparkyard.sbom.licences import licensing

if TYPE_CHECKING:
    from spdx_tools.spdx.model.actor import Actor
    from spdx_tools.spdx.model.document import Document
    from spdx_tools.spdx.model.package import ExternalPackageRef, Package

VERSION = "SPDX-2.3"
_DOCUMENT = "SPDXRef-DOCUMENT"
_IMAGE = "SPDXRef-Image"


def write(  # noqa: PLR0913 - what a document is made of
    subject: Subject,
    components: Sequence[Component],
    coverage: Coverage,
    *,
    created: datetime,
    identity: str,
    tool: str,
) -> bytes:
    """Return the document; the same arguments give the same bytes.

    Args:
        subject: the image.
        components: what is in it.
        coverage: the share of its files that these account for.
        created: when it was made, in UTC.
        identity: a UUID that is a function of the image.
        tool: "name-version" of what wrote it.
    """
    from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter  # noqa: PLC0415
    from spdx_tools.spdx.model.actor import Actor, ActorType  # noqa: PLC0415
    from spdx_tools.spdx.model.document import CreationInfo, Document  # noqa: PLC0415
    from spdx_tools.spdx.model.relationship import Relationship, RelationshipType  # noqa: PLC0415

    info = CreationInfo(
        spdx_version=VERSION,
        spdx_id=_DOCUMENT,
        name=subject.name,
        document_namespace=f"https://spdx.org/spdxdocs/{_word(subject.name)}-{identity}",
        creators=[Actor(ActorType.TOOL, tool)],
        created=created,
        document_comment=f"{coverage}; {_bytes(coverage)}.",
    )
    ids = {component.ref: _id(component) for component in components}
    relationships = [Relationship(_DOCUMENT, RelationshipType.DESCRIBES, _IMAGE)]
    for component in components:
        holder = ids.get(component.parent, _IMAGE)
        relationships.append(Relationship(holder, RelationshipType.CONTAINS, ids[component.ref]))
    packages = [
        _image(subject),
        *(_package(component, ids[component.ref]) for component in components),
    ]
    document = Document(info, packages, relationships=relationships)
    converted = DocumentConverter().convert(document)  # type: ignore[no-untyped-call]
    return (json.dumps(converted, indent=1, ensure_ascii=False) + "\n").encode()


def read(data: bytes) -> listing.Listing:
    """Return what a document lists.

    Raises:
        ValueError: it is not a valid SPDX 2.3 document, with the validator's first words.
    """
    from spdx_tools.spdx.model.relationship import RelationshipType  # noqa: PLC0415
    from spdx_tools.spdx.validation.document_validator import (  # noqa: PLC0415
        validate_full_spdx_document,
    )

    document = _parse(data)
    if messages := validate_full_spdx_document(document, VERSION):
        raise ValueError("; ".join(message.validation_message for message in messages[:3]))
    described = {
        relationship.related_spdx_element_id
        for relationship in document.relationships
        if relationship.relationship_type == RelationshipType.DESCRIBES
    }
    images = [package for package in document.packages if package.spdx_id in described]
    return listing.Listing(
        digest=images[0].version or "" if len(images) == 1 else "",
        packages=listing.sorted_packages(
            listing.Listed(
                package.name,
                package.version or "",
                next((ref.locator for ref in package.external_references), ""),
                (package.file_name or "").removeprefix("."),
            )
            for package in document.packages
            if package.spdx_id not in described
        ),
    )


def _parse(data: bytes) -> Document:
    from spdx_tools.spdx.parser.error import SPDXParsingError  # noqa: PLC0415
    from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import (  # noqa: PLC0415
        JsonLikeDictParser,
    )

    loaded = json.loads(data)
    if not isinstance(loaded, dict):
        raise ValueError("it is no JSON object")
    try:
        return JsonLikeDictParser().parse(loaded)  # type: ignore[no-untyped-call]
    except SPDXParsingError as error:
        messages = error.get_messages()  # type: ignore[no-untyped-call]
        raise ValueError("; ".join(messages[:3])) from error
    except (AttributeError, TypeError, KeyError) as error:  # the parser trusts the shape of parts
        raise ValueError(f"a part has another shape than SPDX gives it: {error}") from error


def _image(subject: Subject) -> Package:
    from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm  # noqa: PLC0415
    from spdx_tools.spdx.model.package import Package, PackagePurpose  # noqa: PLC0415
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion  # noqa: PLC0415

    return Package(
        spdx_id=_IMAGE,
        name=subject.name,
        version=subject.digest,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, subject.sha256)],
        external_references=[_purl(subject.purl)],
        primary_package_purpose=PackagePurpose.CONTAINER,
    )


def _package(component: Component, spdx_id: str) -> Package:
    from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm  # noqa: PLC0415
    from spdx_tools.spdx.model.package import Package  # noqa: PLC0415
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion  # noqa: PLC0415

    unsure = SpdxNoAssertion()
    return Package(
        spdx_id=spdx_id,
        name=component.name,
        version=component.version or None,
        file_name=f".{component.path}" if component.path else None,
        supplier=_supplier(component) or unsure,
        download_location=unsure,
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, component.sha256)]
        if component.sha256
        else [],
        license_concluded=unsure,
        license_declared=licensing().parse(component.licence) if component.licence else unsure,
        license_comment=None
        if component.licence or not component.stated
        else f"It says: {component.stated}",
        copyright_text=unsure,
        comment=f"{component.files} files of the image, {component.bytes} bytes.",
        external_references=[_purl(component.purl)],
    )


def _purl(locator: str) -> ExternalPackageRef:
    from spdx_tools.spdx.model.package import ExternalPackageRef, ExternalPackageRefCategory  # noqa: PLC0415

    return ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", locator)


def _supplier(component: Component) -> Actor | None:
    from spdx_tools.spdx.model.actor import Actor, ActorType  # noqa: PLC0415

    if component.supplier is None:
        return None
    return Actor(ActorType.ORGANIZATION, component.supplier.name, component.supplier.email or None)


def _id(component: Component) -> str:
    """Return an identifier of letters, digits, dots and dashes that no other component has."""
    alone = hashlib.sha256(component.ref.encode()).hexdigest()[:10]
    return f"SPDXRef-{component.kind}-{_word(component.name)}-{alone}"


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")


def _bytes(coverage: Coverage) -> str:
    return f"{coverage.bytes_covered} of {coverage.bytes_total} bytes"
