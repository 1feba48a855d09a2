"""What is in a release? The built images, looked into, and what was proven of them, as a record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sparkyard import evidence, tags
from sparkyard.builds import timeline
from sparkyard.facts import facts, layer_names, layers
from sparkyard.facts.facts import Facts
from sparkyard.facts.identity import ImageIdentity
from sparkyard.family.images import Image
from sparkyard.git import Checkout
from sparkyard.plan import plan
from sparkyard.plan.plan import Site, Step
from sparkyard.push import pushing
from sparkyard.push.push import Upload
from sparkyard.record import diff, record, schema
from sparkyard.record.record import (
    Packages,
    ParityRow,
    Record,
    RecordedImage,
    RecordedLayer,
    RecordedSbom,
    RecordedTests,
)
from sparkyard.registry import blobs, oci
from sparkyard.registry.oci import Content, Descriptor
from sparkyard.release import releases, signature
from sparkyard.release.publish import Attached
from sparkyard.release.releases import Place
from sparkyard.release.releasing import Ready
from sparkyard.release.signing_key import SigningKey
from sparkyard.sbom import sbom
from sparkyard.tags import Origin

Tell = Callable[[str], None]

CREATED = "org.opencontainers.image.created"


@dataclass(frozen=True)
class Candidate:
    """A built image that is to be released."""

    image: Image
    step: Step
    identity: ImageIdentity

    @property
    def digest(self) -> str:
        """The digest of its manifest, under which its evidence is kept."""
        return self.identity.digest


@dataclass(frozen=True)
class Request:
    """What is to be released, and where: `checkout` is the commit that the images are built of."""

    site: Site
    place: Place
    version: str
    checkout: Checkout


def candidates(site: Site) -> tuple[Candidate, ...]:
    """Return the family's published images as they are built.

    Raises:
        ImageMissingError: one is not built, or is older than its inputs.
    """
    steps = pushing.built(site, (image.name for image in site.family.published))
    return tuple(
        Candidate(site.family[name], step, facts.resolve(step.reference))
        for name, step in steps.items()
    )


def unproven(site: Site, found: Sequence[Candidate]) -> tuple[str, ...]:
    """Return the names of the images for whose digests evidence is missing."""
    missing = evidence.gaps(_digests(found), site.family, site.settings.evidence_parts)
    return tuple(dict.fromkeys(gap.image for gap in missing))


def assemble(asked: Request, found: Sequence[Candidate], tell: Tell) -> Ready:
    """Look into the images and return the release that they make, not signed yet.

    Args:
        asked: what is released; its place is asked for the release before.
        found: the images.
        tell: is told of progress.
    """
    checkout = asked.checkout
    store = blobs.of_engine([each.step.reference for each in found])
    images: list[RecordedImage] = []
    uploads: list[Upload] = []
    documents: dict[str, Content] = {}
    for each in found:
        tell(f"looking into {each.image.name}")
        facts_of = facts.collect(each.step.reference)
        index = oci.index(
            _platformed(store.manifest(each.digest).descriptor, each.identity),
            _annotations(asked, each),
        )
        bill = sbom.of_image(each.identity, each.identity.labels.get(CREATED, checkout.created))
        sbom.check(bill.spdx, bill.cyclonedx, each.digest, packages(facts_of))
        files = _sbom_files(each.image.name, bill)
        documents |= files
        recorded = replace(_image(asked, each, facts_of, index), tests=_tests(each, found))
        images.append(replace(recorded, sbom=_recorded_sbom(bill, files)))
        path = recorded.repository.partition("/")[2]
        uploads.append(Upload(path, each.digest, store, index))
    before = asked.place.versions()
    written = Record(
        schema=record.SCHEMA,
        version=asked.version,
        stack=asked.site.stack.name,
        revision=checkout.revision,
        branch=checkout.branch,
        source=checkout.source,
        created=checkout.created,
        released=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        previous=before[-1] if before else "",
        untested=unproven(asked.site, found),
        images=tuple(images),
        parity=_parity(found),
        # A leaf that was built again has its own timeline; the longest made most of the family.
        build=max(
            filter(None, (timeline.of(each.digest) for each in found)),
            key=lambda build: build.seconds,
            default=None,
        ),
    )
    files = written_files(written, asked.place.fetch(before[-1]).record if before else None)
    return Ready(written, {**files, **documents}, tuple(uploads))


def written_files(of: Record, previous: Record | None) -> dict[str, Content]:
    """Return the record in its three forms, by file name."""
    # Templates and schemas are slow to import, and a push needs none.
    from sparkyard.record import markdown, page  # noqa: PLC0415

    document = of.as_document()
    schema.check(document, "the new record")
    changes = diff.changes(previous, of) if previous else None
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return {
        releases.RECORD: Content("application/json", text.encode()),
        releases.MARKDOWN: Content(
            "text/markdown", markdown.render(of, previous, changes).encode()
        ),
        releases.PAGE: Content("text/html", page.render(of, previous, changes).encode()),
    }


def signed(ready: Ready, key: SigningKey) -> Ready:
    """Return the release with the signature over its files and images, and with cosign's."""
    stated = signature.statement(ready.record.version, ready.files, ready.record.images)
    envelope = Content(signature.MEDIA_TYPE, signature.sign(stated, key))
    attached = []
    for image in ready.record.images:
        for digest in (image.digest, image.index):
            manifest, parts = signature.cosign_signature(image.repository, digest, key)
            path = image.repository.partition("/")[2]
            attached.append(Attached(path, signature.cosign_tag(digest), manifest, parts))
    files = {**ready.files, releases.SIGNATURE: envelope}
    return replace(ready, files=files, attached=tuple(attached))


def _image(asked: Request, each: Candidate, inside: Facts, index: Content) -> RecordedImage:
    site = asked.site
    origin = Origin(site.stack.name, each.step.fingerprint, asked.checkout, asked.version)
    named = tags.tags(each.image, site.family, inside, origin)
    recorded = _layers(site, each)
    return RecordedImage(
        name=each.image.name,
        summary=each.image.summary,
        parent=each.image.parent,
        role=site.family.role(each.image.name),
        repository=str(asked.place.repository(each.image.name)),
        digest=each.digest,
        index=index.digest,
        fingerprint=each.step.fingerprint,
        immutable=named.immutable,
        moving=named.moving,
        compressed=sum(layer.compressed for layer in recorded),
        unpacked=sum(layer.unpacked for layer in recorded),
        layers=recorded,
        packages=packages(inside),
        tests=(),
        sbom=None,
    )


def packages(inside: Facts) -> Packages:
    """Return what is in an image, by kind and name."""
    driver = inside.interpreter("driver")
    return Packages(
        debian=dict(inside.dpkg or {}),
        python={package.name: package.version for package in driver.packages} if driver else {},
        jars=dict(diff.jar_versions(jar.name for jar in inside.jars or ())),
        r=dict(inside.r or {}),
    )


def _layers(site: Site, each: Candidate) -> tuple[RecordedLayer, ...]:
    found = layers.of_image(each.step.reference)
    words = layer_names.of_image(site.family, each.image.name, len(found))
    return tuple(
        RecordedLayer(
            digest=layer.digest or layer.diff_id,
            diff_id=layer.diff_id,
            compressed=layer.compressed or 0,
            unpacked=layer.size or 0,
            created_by=layer.created_by,
            holds=word,
        )
        for layer, word in zip(found, words, strict=True)
    )


def _annotations(asked: Request, each: Candidate) -> dict[str, str]:
    checkout = asked.checkout
    prefix = "org.opencontainers.image."
    carried = {
        name: value for name, value in each.identity.labels.items() if name.startswith(prefix)
    }
    own = {
        f"{prefix}version": asked.version,
        f"{prefix}revision": checkout.revision,
        CREATED: checkout.created,
        f"{plan.LABEL}.stack": asked.site.stack.name,
    }
    source = {f"{prefix}source": checkout.source} if checkout.source else {}
    return carried | own | source


def _platformed(manifest: Descriptor, identity: ImageIdentity) -> Descriptor:
    return replace(manifest, platform={"architecture": identity.architecture, "os": "linux"})


def _sbom_files(image: str, bill: sbom.Sbom) -> dict[str, Content]:
    return {
        f"{image}.spdx.json": Content("application/spdx+json", bill.spdx),
        f"{image}.cdx.json": Content("application/vnd.cyclonedx+json", bill.cyclonedx),
    }


def _recorded_sbom(bill: sbom.Sbom, files: Mapping[str, Content]) -> RecordedSbom:
    spdx, cyclonedx = files.values()
    return RecordedSbom(
        spdx.digest, cyclonedx.digest, bill.packages, bill.coverage.files, bill.coverage.covered
    )


def _digests(found: Sequence[Candidate]) -> dict[str, str]:
    return {each.image.name: each.digest for each in found}


def _tests(each: Candidate, found: Sequence[Candidate]) -> tuple[RecordedTests, ...]:
    """Return what speaks for an image beside the others of the release."""
    known = evidence.of(each.digest)
    return tuple(one.recorded() for one in known if not evidence.why_not(one, _digests(found)))


def _parity(found: Sequence[Candidate]) -> tuple[ParityRow, ...]:
    """Return the rows of the parity report that vouches for the pair; none where it is missing."""
    for each in found:
        for known in evidence.of(each.digest):
            if known.part == "parity" and not evidence.why_not(known, _digests(found)):
                return known.parity
    return ()
