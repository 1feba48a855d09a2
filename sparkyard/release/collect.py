"""What is in the images of a release? Each is looked into once; nothing is written down yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sparkyard.facts import facts, layers
from sparkyard.facts.facts import Facts
from sparkyard.facts.identity import ImageIdentity
from sparkyard.facts.layers import Layer
from sparkyard.plan.plan import LABEL, Site
from sparkyard.record import diff
from sparkyard.record.record import Packages
from sparkyard.registry import oci
from sparkyard.registry.blobs import Blobs
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.release.candidates import Candidate, Request, StackCandidates
from sparkyard.sbom import sbom
from sparkyard.sbom.sbom import Sbom

Tell = Callable[[str], None]

OCI = "org.opencontainers.image."
CREATED = f"{OCI}created"


@dataclass(frozen=True)
class Contents:
    """What is in one image.

    Attributes:
        index: the document around its manifest that the release's tags name.
        documents: its SBOMs, by the names of their files.
    """

    candidate: Candidate
    facts: Facts
    layers: tuple[Layer, ...]
    index: Content
    sbom: Sbom
    documents: Mapping[str, Content]


@dataclass(frozen=True)
class StackContents:
    """What is in the images of one stack."""

    candidates: StackCandidates
    images: tuple[Contents, ...]


def collect(request: Request, store: Blobs, tell: Tell) -> tuple[StackContents, ...]:
    """Look into all images of a release.

    Args:
        request: which they are.
        store: has their manifests.
        tell: gets each line of progress.

    Raises:
        VerificationError: an SBOM that was made is not valid.
        SparkyardError: an image cannot be looked into.
    """
    return tuple(_of_stack(request, stack, store, tell) for stack in request.stacks)


def packages(inside: Facts) -> Packages:
    """Return what is in an image, by kind and name."""
    driver = inside.interpreter("driver")
    return Packages(
        debian=dict(inside.dpkg or {}),
        python={package.name: package.version for package in driver.packages} if driver else {},
        jars=dict(diff.jar_versions(jar.name for jar in inside.jars or ())),
        r=dict(inside.r or {}),
    )


def _of_stack(request: Request, stack: StackCandidates, store: Blobs, tell: Tell) -> StackContents:
    images = []
    for candidate in stack.images:
        name = stack.site.with_stack(candidate.image.name)
        tell(f"looking into {name}")
        images.append(_contents(request, stack.site, candidate, store, name))
    return StackContents(stack, tuple(images))


def _contents(
    request: Request, site: Site, candidate: Candidate, store: Blobs, name: str
) -> Contents:
    identity, reference = candidate.identity, candidate.step.reference
    inside = facts.collect(reference)
    bill = sbom.of_image(identity, identity.labels.get(CREATED, request.checkout.created))
    sbom.check(bill.spdx, bill.cyclonedx, candidate.digest, packages(inside))
    manifest = _platformed(store.manifest(candidate.digest).descriptor, identity)
    documents = {
        f"{name}.spdx.json": Content("application/spdx+json", bill.spdx),
        f"{name}.cdx.json": Content("application/vnd.cyclonedx+json", bill.cyclonedx),
    }
    return Contents(
        candidate,
        inside,
        layers.of_image(reference),
        oci.index(manifest, _annotations(request, site, identity)),
        bill,
        documents,
    )


def _annotations(request: Request, site: Site, identity: ImageIdentity) -> dict[str, str]:
    checkout = request.checkout
    carried = {name: value for name, value in identity.labels.items() if name.startswith(OCI)}
    own = {
        f"{OCI}version": request.version,
        f"{OCI}revision": checkout.revision,
        CREATED: checkout.created,
        f"{LABEL}.stack": site.project.name,
    }
    source = {f"{OCI}source": checkout.source} if checkout.source else {}
    return carried | own | source


def _platformed(manifest: Descriptor, identity: ImageIdentity) -> Descriptor:
    return replace(manifest, platform={"architecture": identity.architecture, "os": "linux"})
