"""Which built images are to be released, stack by stack, and what is not proven of them?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from sparkyard import evidence
from sparkyard.evidence import Gap
from sparkyard.facts import facts
from sparkyard.facts.identity import ImageIdentity
from sparkyard.family.images import Image
from sparkyard.git import Checkout
from sparkyard.plan.plan import Site, Step
from sparkyard.push import pushing
from sparkyard.release.releases import Place


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
class StackCandidates:
    """The built images of one stack that are to be released."""

    site: Site
    images: tuple[Candidate, ...]

    @property
    def digests(self) -> dict[str, str]:
        """Their digests by name: what worked together, in evidence of the stack."""
        return {candidate.image.name: candidate.digest for candidate in self.images}

    @cached_property
    def served(self) -> dict[str, str]:
        """The digests of the built images that its hubs start; see `pushing.served`."""
        return pushing.served(self.site)

    def gaps(self) -> tuple[Gap, ...]:
        """Return what is not proven of them and is asked for."""
        parts = self.site.settings.evidence_parts
        return evidence.gaps(self.digests, self.site.family, parts, self.served)

    def untested(self) -> tuple[str, ...]:
        """Return the names of the images for which some evidence is missing."""
        return tuple(dict.fromkeys(gap.image for gap in self.gaps()))


@dataclass(frozen=True)
class Request:
    """What is to be released, and where: `checkout` is the commit that the images are built of."""

    place: Place
    version: str
    checkout: Checkout
    stacks: tuple[StackCandidates, ...]


def built(sites: Iterable[Site]) -> tuple[StackCandidates, ...]:
    """Return the published images of each site as they are built.

    Raises:
        ImageMissingError: one is not built, or is older than its inputs.
    """
    return tuple(StackCandidates(site, _of_site(site)) for site in sites)


def require_proven(stacks: Sequence[StackCandidates]) -> None:
    """Check that all is proven of the images that is asked for.

    Raises:
        EvidenceMissingError: it is not; names the images of all stacks.
    """
    evidence.refuse([gap for stack in stacks for gap in stack.gaps()])


def _of_site(site: Site) -> tuple[Candidate, ...]:
    steps = pushing.built(site, (image.name for image in site.family.published))
    return tuple(
        Candidate(site.family[name], step, facts.resolve(step.reference))
        for name, step in steps.items()
    )
