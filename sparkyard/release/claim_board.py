"""How do claims stand in a registry? Each as a tag of its own in the repository of releases."""

from __future__ import annotations

import io
from collections.abc import Mapping

from sparkyard.errors import RegistryAbsentError, SparkyardError
from sparkyard.registry import oci
from sparkyard.registry.oci import Content
from sparkyard.registry.registry import Registry
from sparkyard.release import claim
from sparkyard.release.claim import Holder

PREFIX = "claim."
ANNOTATION = "io.sparkyard.claim"
KIND = "application/vnd.sparkyard.claim.v1+json"


class RegistryBoard:
    """The claims in one repository: a `claim.Board`."""

    def __init__(self, registry: Registry, repository: str) -> None:
        self._registry = registry
        self._repository = repository
        self._gone: set[str] = set()

    def write(self, holder: Holder) -> None:
        """Let a claim stand."""
        self._put(holder.name, {ANNOTATION: claim.serialize(holder)})

    def remove(self, name: str) -> None:
        """Take a claim away; where nothing may be deleted, an empty one takes its place."""
        there = self._registry.resolve(self._repository, PREFIX + name)
        if there is None:
            return
        try:
            gone = self._registry.delete_manifest(self._repository, there.digest)
        except SparkyardError:
            gone = False  # many may write and not delete; who may not write either is told so now
        if not gone:
            self._put(name, {})

    def claims(self) -> Mapping[str, Holder]:
        """Return the claims that stand, by the holder's name."""
        claims: dict[str, Holder] = {}
        for tag in self._registry.tags(self._repository):
            if not tag.startswith(PREFIX) or tag in self._gone:
                continue
            try:
                manifest = self._registry.manifest(self._repository, tag)
            except RegistryAbsentError:
                continue  # its holder has stepped back since the tags were listed
            holder = claim.parse((manifest.document().get("annotations") or {}).get(ANNOTATION, ""))
            if holder and tag == PREFIX + holder.name:
                claims[holder.name] = holder
            else:
                # No claim has its name again: what was taken away once is not asked for again.
                self._gone.add(tag)
        return claims

    def _put(self, name: str, annotations: Mapping[str, str]) -> None:
        empty = Content(oci.EMPTY, oci.EMPTY_CONTENT)
        if not self._registry.has_blob(self._repository, empty.digest):
            self._registry.put_blob(
                self._repository, empty.descriptor, lambda: io.BytesIO(empty.data)
            )
        manifest = oci.artifact(KIND, {"empty": empty}, annotations)
        self._registry.put_manifest(self._repository, PREFIX + name, manifest)
