"""Is what is released of each stack proven, and written down, apart from the other stack?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sparkyard import evidence
from sparkyard.errors import EvidenceMissingError
from sparkyard.evidence import Evidence
from sparkyard.facts.identity import ImageIdentity
from sparkyard.facts.layers import Layer
from sparkyard.family.images import Family, Image
from sparkyard.git import Checkout
from sparkyard.plan.plan import Site, Step
from sparkyard.record import schema
from sparkyard.record.record import ParityRow, Record, RecordedStack
from sparkyard.registry.oci import Content
from sparkyard.registry.registry import Registry
from sparkyard.release import candidates, recording
from sparkyard.release.candidates import Candidate, Request, StackCandidates
from sparkyard.release.collect import Contents, StackContents
from sparkyard.release.releases import Place
from sparkyard.sbom.components import Coverage
from sparkyard.sbom.sbom import Sbom
from sparkyard.settings import Settings
from tests.small_release import OTHER_STACK, STACK, TIME, digest
from tests.unit import small_family
from tests.unit.parity.test_parity import GOOD

DRIVER, EXECUTORS = "datascience-notebook", "spark-executors"
FAMILY = Family(
    (
        Image(DRIVER, "the driver", "debian", session="jupyterhub", drives=EXECUTORS),
        Image(EXECUTORS, "the executors", "debian", session="executors"),
    ),
    STACK,
    "family",
)
ROW = ParityRow("Python", "3.11", "3.11", "agrees", True, "x")


def of_stack(name: str) -> StackCandidates:
    """Return the images of a stack as if they were built; evidence of them is asked for."""
    settings = Settings(evidence="images,parity")
    site = Site(FAMILY.on(name), replace(small_family.STACK, name=name), settings)
    return StackCandidates(site, tuple(_candidate(site, image) for image in FAMILY.images))


def _candidate(site: Site, image: Image) -> Candidate:
    fingerprint = digest(site.project.name)[7:19]
    reference = site.name(image.name, f"{site.project.name}-{fingerprint}")
    step = Step(image.name, reference, site.name(image.name), fingerprint, False, ())
    own = digest(f"{image.name} {site.project.name}")
    return Candidate(image, step, ImageIdentity(reference, own, "amd64", (), {}))


def prove(stack: StackCandidates, part: str = "images") -> None:
    """Record that a part passed for the images of a stack at work together."""
    for name, own in stack.digests.items():
        beside = {other: d for other, d in stack.digests.items() if other != name}
        evidence.record(
            Evidence(own, name, part, 1, 0, 0, 1.0, TIME, "", False, (), beside,
                     (ROW,) if part == "parity" else ())
        )  # fmt: skip


@pytest.fixture(autouse=True)
def stacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[StackCandidates, StackCandidates]:
    """The built images of two stacks, of which nothing is proven."""
    monkeypatch.setenv("SPARKYARD_CACHE", str(tmp_path))
    return of_stack(STACK), of_stack(OTHER_STACK)


def test_one_stack_without_evidence_is_refused_with_stack_and_image(
    stacks: tuple[StackCandidates, StackCandidates],
) -> None:
    proven, other = stacks
    for part in ("images", "parity"):
        prove(proven, part)
    prove(other)
    with pytest.raises(EvidenceMissingError) as refused:
        candidates.require_proven(stacks)
    said = refused.value.what
    assert f"{EXECUTORS} on {OTHER_STACK} {other.digests[EXECUTORS][7:19]}: parity" in said
    assert proven.digests[EXECUTORS][7:19] not in said
    assert f"`nox -s parity -- --stack {OTHER_STACK}`" in refused.value.remedy
    assert (proven.untested(), other.untested()) == ((), (DRIVER, EXECUTORS))
    prove(other, "parity")
    candidates.require_proven(stacks)


def test_of_both_stacks_all_that_is_missing_is_told_at_once(
    stacks: tuple[StackCandidates, StackCandidates],
) -> None:
    with pytest.raises(EvidenceMissingError) as refused:
        candidates.require_proven(stacks)
    assert f"{EXECUTORS} on {OTHER_STACK}" in refused.value.what
    assert f"{EXECUTORS} {stacks[0].digests[EXECUTORS][7:19]}" in refused.value.what
    for command in ("images`", f"images --stack {OTHER_STACK}`"):
        assert f"`nox -s tests -- --only {command}" in refused.value.remedy


def written(*stacks: StackCandidates) -> Record:
    """Return the record of a release of some stacks, whose images all hold the same."""
    place = Place(Registry("localhost:1", Settings()), "localhost:1", "family")
    checkout = Checkout("7" * 40, "main", False, TIME, "")
    contents = [
        StackContents(stack, tuple(_contents(stack, image) for image in stack.images))
        for stack in stacks
    ]
    return recording.write(Request(place, "1.4.0", checkout, stacks), contents, "1.3.0")


def _contents(stack: StackCandidates, candidate: Candidate) -> Contents:
    name = stack.site.with_stack(candidate.image.name)
    layer = Layer(digest("layer"), "RUN x", 30, None, digest("sent"), 10)
    documents = {f"{name}.{kind}.json": Content("", name.encode()) for kind in ("spdx", "cdx")}
    bill = Sbom(candidate.digest, b"", b"", (), Coverage(1, 1, 1, 1, ()))
    index = Content("", candidate.digest.encode())
    return Contents(candidate, GOOD, (layer,) * 40, index, bill, documents)


def test_a_record_keeps_stacks_apart(stacks: tuple[StackCandidates, StackCandidates]) -> None:
    for part in ("images", "parity"):
        prove(stacks[0], part)
    record = written(*stacks)
    schema.check(record.as_document(), "it")
    default, other = record.stacks
    assert [(each.name, each.default) for each in record.stacks] == [
        (STACK, True), (OTHER_STACK, False),
    ]  # fmt: skip
    assert [(each.driver, each.executors, each.rows) for each in default.pairs] == [
        (DRIVER, EXECUTORS, (ROW,))
    ]
    assert [each.rows for each in other.pairs] == [()]
    assert (default.untested, other.untested) == ((), (DRIVER, EXECUTORS))
    assert record.untested == (f"{DRIVER}-{OTHER_STACK}", f"{EXECUTORS}-{OTHER_STACK}")
    assert [run.part for run in default.images[0].tests] == ["images", "parity"]
    assert other.images[0].tests == ()
    assert (default.role(DRIVER), other.role(EXECUTORS)) == ("driver", "executors")
    tags = [borne(stack) for stack in record.stacks]
    assert {"1.4.0", f"1.4.0-{STACK}", "main", STACK} <= tags[0]
    assert {f"1.4.0-{OTHER_STACK}", f"main-{OTHER_STACK}", OTHER_STACK} <= tags[1]
    assert not tags[0] & tags[1]


def borne(stack: RecordedStack) -> set[str]:
    """Return all tags of a stack's images."""
    return {tag for image in stack.images for tag in (*image.immutable, *image.moving)}


def test_a_release_of_one_stack_says_so() -> None:
    other = of_stack(OTHER_STACK)
    record = written(other)
    assert [(each.name, each.default) for each in record.stacks] == [(OTHER_STACK, False)]
    assert "1.4.0" not in borne(record.stacks[0])
