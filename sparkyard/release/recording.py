"""What is written down of a release? Its record, of what is in the images and proven of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sparkyard import evidence, tags
from sparkyard.builds import timeline
from sparkyard.facts import layer_names
from sparkyard.family.images import Pair
from sparkyard.plan.plan import Site
from sparkyard.record import record
from sparkyard.record.record import (
    ParityRow,
    Record,
    RecordedImage,
    RecordedLayer,
    RecordedPair,
    RecordedSbom,
    RecordedStack,
    RecordedTests,
)
from sparkyard.release.candidates import Candidate, Request, StackCandidates
from sparkyard.release.collect import Contents, StackContents, packages
from sparkyard.tags import Origin


def write(request: Request, stacks: Sequence[StackContents], previous: str) -> Record:
    """Return the record of a release.

    Args:
        request: what is released.
        stacks: what is in its images.
        previous: the version released before; empty for the first.
    """
    checkout = request.checkout
    return Record(
        schema=record.SCHEMA,
        version=request.version,
        revision=checkout.revision,
        branch=checkout.branch,
        source=checkout.source,
        created=checkout.created,
        released=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        previous=previous,
        stacks=tuple(_stack(request, stack) for stack in stacks),
    )


def _stack(request: Request, stack: StackContents) -> RecordedStack:
    candidates = stack.candidates
    site = candidates.site
    builds = filter(None, (timeline.of(candidate.digest) for candidate in candidates.images))
    return RecordedStack(
        name=site.project.name,
        default=site.is_default,
        untested=candidates.untested(),
        images=tuple(_image(request, candidates, contents) for contents in stack.images),
        pairs=tuple(_pair(candidates, pair) for pair in site.family.pairs),
        # A leaf that was built again has its own timeline; the longest made most of the family.
        build=max(builds, key=lambda build: build.seconds, default=None),
    )


def _image(request: Request, stack: StackCandidates, contents: Contents) -> RecordedImage:
    site, candidate = stack.site, contents.candidate
    image, step = candidate.image, candidate.step
    origin = Origin(site.project.name, step.fingerprint, request.checkout, request.version)
    borne = tags.tags(image, site.family, contents.facts, origin)
    recorded = _layers(site, contents)
    return RecordedImage(
        name=image.name,
        summary=image.summary,
        parent=image.parent,
        repository=str(request.place.repository(image.name)),
        digest=candidate.digest,
        index=contents.index.digest,
        fingerprint=step.fingerprint,
        immutable=borne.immutable,
        moving=borne.moving,
        compressed=sum(layer.compressed for layer in recorded),
        unpacked=sum(layer.unpacked for layer in recorded),
        layers=recorded,
        packages=packages(contents.facts),
        tests=_tests(candidate, stack),
        sbom=_sbom(contents),
    )


def _layers(site: Site, contents: Contents) -> tuple[RecordedLayer, ...]:
    name = contents.candidate.image.name
    words = layer_names.of_image(site.family, name, len(contents.layers))
    return tuple(
        RecordedLayer(
            digest=layer.digest or layer.diff_id,
            diff_id=layer.diff_id,
            compressed=layer.compressed or 0,
            unpacked=layer.size or 0,
            created_by=layer.created_by,
            holds=word,
        )
        for layer, word in zip(contents.layers, words, strict=True)
    )


def _sbom(contents: Contents) -> RecordedSbom:
    spdx, cyclonedx = contents.documents.values()
    made = contents.sbom
    return RecordedSbom(
        spdx.digest, cyclonedx.digest, made.packages, made.coverage.files, made.coverage.covered
    )


def _tests(candidate: Candidate, stack: StackCandidates) -> tuple[RecordedTests, ...]:
    """Return what speaks for an image beside the others of its stack and those that it serves."""
    beside = {**stack.digests, **stack.served}
    known = evidence.of(candidate.digest)
    return tuple(one.recorded() for one in known if not evidence.why_not(one, beside))


def _pair(stack: StackCandidates, pair: Pair) -> RecordedPair:
    """Return a pair with the rows of the report that vouches for it, none where it is missing."""
    return RecordedPair(*pair, _parity(stack, pair))


def _parity(stack: StackCandidates, pair: Pair) -> tuple[ParityRow, ...]:
    for known in evidence.of(stack.digests[pair.driver]):
        of_pair = known.part == "parity" and pair.executors in known.beside
        if of_pair and not evidence.why_not(known, stack.digests):
            return known.parity
    return ()
