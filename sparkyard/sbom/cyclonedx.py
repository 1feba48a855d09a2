"""How do an image's components look as CycloneDX 1.6 in JSON, and what does such a document say?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sparkyard.sbom import listing
from sparkyard.sbom.components import Component, Coverage, Subject

if TYPE_CHECKING:
    from cyclonedx.model.component import Component as Written
    from cyclonedx.model.license import License

_IMAGE = "image"
_PATH = "sparkyard:path"


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
    from cyclonedx.model import HashAlgorithm, HashType, Property  # noqa: PLC0415
    from cyclonedx.model.bom import Bom, BomMetaData  # noqa: PLC0415
    from cyclonedx.model.component import Component as Written  # noqa: PLC0415
    from cyclonedx.model.component import ComponentType  # noqa: PLC0415
    from cyclonedx.model.dependency import Dependency  # noqa: PLC0415
    from cyclonedx.model.tool import ToolRepository  # noqa: PLC0415
    from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    image = Written(
        type=ComponentType.CONTAINER,
        name=subject.name,
        version=subject.digest,
        bom_ref=_IMAGE,
        purl=PackageURL.from_string(subject.purl),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=subject.sha256)],
    )
    name, _, version = tool.partition("-")
    writer = Written(type=ComponentType.APPLICATION, name=name, version=version, bom_ref="tool")
    counts = {
        "files": coverage.files,
        "files-covered": coverage.covered,
        "bytes": coverage.bytes_total,
        "bytes-covered": coverage.bytes_covered,
    }
    written = {component.ref: _component(component) for component in components}
    bom = Bom(
        serial_number=UUID(identity),
        metadata=BomMetaData(
            timestamp=created,
            tools=ToolRepository(components=[writer]),
            component=image,
            properties=[Property(name=f"sparkyard:{k}", value=str(v)) for k, v in counts.items()],
        ),
        components=written.values(),
    )
    # All at once: the library's register_dependency searches through all of them for each.
    held: dict[str, list[Dependency]] = {ref: [] for ref in written}
    top: list[Dependency] = []
    for component in components:
        held.get(component.parent, top).append(Dependency(ref=written[component.ref].bom_ref))
    bom.dependencies = [
        Dependency(ref=image.bom_ref, dependencies=top),
        *(Dependency(written[ref].bom_ref, inside) for ref, inside in held.items()),
    ]
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    return (json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def read(data: bytes) -> listing.Listing:
    """Return what a document lists.

    Raises:
        ValueError: it is not a valid CycloneDX 1.6 document, with the validator's first words.
    """
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    document = json.loads(data)
    if not isinstance(document, dict) or document.get("specVersion") != "1.6":
        raise ValueError("it is no CycloneDX document of version 1.6")
    if failure := JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode()):
        raise ValueError(str(failure.data.message)[:300])
    described = document.get("metadata", {}).get("component", {})
    return listing.Listing(
        digest=described.get("version", ""),
        packages=listing.sorted_packages(
            listing.Listed(
                component["name"],
                component.get("version", ""),
                component.get("purl", ""),
                _path_of(component),
            )
            for component in document.get("components", [])
        ),
    )


def _component(component: Component) -> Written:
    from cyclonedx.model import HashAlgorithm, HashType, Property  # noqa: PLC0415
    from cyclonedx.model.component import Component as Written  # noqa: PLC0415
    from cyclonedx.model.component import ComponentType  # noqa: PLC0415
    from cyclonedx.model.contact import (  # noqa: PLC0415
        OrganizationalContact,
        OrganizationalEntity,
    )
    from packageurl import PackageURL  # noqa: PLC0415

    properties = {
        "kind": component.kind,
        "files": str(component.files),
        "bytes": str(component.bytes),
    }
    supplier = None
    if component.supplier:
        email = component.supplier.email
        contacts = [OrganizationalContact(email=email)] if email else []
        supplier = OrganizationalEntity(name=component.supplier.name, contacts=contacts)
    return Written(
        type=ComponentType.LIBRARY,
        name=component.name,
        version=component.version or None,
        bom_ref=component.ref,
        purl=PackageURL.from_string(component.purl),
        supplier=supplier,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=component.sha256)]
        if component.sha256
        else [],
        licenses=_licences(component),
        properties=[
            *(
                Property(name=f"sparkyard:{name}", value=value)
                for name, value in properties.items()
            ),
            *([Property(name=_PATH, value=component.path)] if component.path else []),
        ],
    )


def _licences(component: Component) -> list[License]:
    from cyclonedx.contrib.license.factories import LicenseFactory  # noqa: PLC0415
    from cyclonedx.model.license import DisjunctiveLicense  # noqa: PLC0415

    if component.licence:
        return [LicenseFactory().make_from_string(component.licence)]
    return [DisjunctiveLicense(name=component.stated)] if component.stated else []


def _path_of(component: dict[str, Any]) -> str:
    properties = {
        entry["name"]: entry.get("value", "") for entry in component.get("properties", [])
    }
    return str(properties.get(_PATH, ""))
