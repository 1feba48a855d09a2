"""What has been released, and where does it stand? Records and channels, as a registry has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sparkyard import versions
from sparkyard.errors import RegistryAbsentError, VerificationError
from sparkyard.plan.plan import Site
from sparkyard.push import pushing
from sparkyard.push.pushing import RELEASES
from sparkyard.record import io as record_io
from sparkyard.record.record import Record, RecordedImage
from sparkyard.registry import oci
from sparkyard.registry.oci import Content, Descriptor, Repository
from sparkyard.registry.registry import Registry
from sparkyard.release import channel
from sparkyard.release.channel import Channel

KIND = "application/vnd.sparkyard.release.v1+json"
RECORD, MARKDOWN, PAGE, SIGNATURE = (
    "release.json", "release.md", "release.html", "release.dsse.json",
)  # fmt: skip


@dataclass(frozen=True)
class ReleaseFiles:
    """A release as it stands in a registry: its record's manifest, and the files, by name."""

    manifest: Content
    files: Mapping[str, bytes]

    @property
    def record(self) -> Record:
        """The record among the files.

        Raises:
            VerificationError: there is none that can be read.
        """
        try:
            return record_io.record_from(json.loads(self.files[RECORD]))
        except (KeyError, ValueError) as error:
            raise VerificationError(
                f"The release has no {RECORD} that can be read ({error}).",
                "Do not use it; look at what stands in the repository of releases.",
            ) from error


@dataclass(frozen=True)
class Place:
    """Where a family is published: a registry, and what stands under one namespace in it."""

    registry: Registry
    host: str
    namespace: str

    @property
    def releases(self) -> str:
        """The path of the repository of releases."""
        return f"{self.namespace}/{RELEASES}"

    def repository(self, image: str) -> Repository:
        """Return the repository of an image."""
        return oci.repository(self.host, self.namespace, image)

    def path(self, image: RecordedImage) -> str:
        """Return the path of a recorded image here, to which its release may have been copied."""
        return f"{self.namespace}/{image.repository.rpartition('/')[2]}"

    def versions(self) -> tuple[str, ...]:
        """Return the released versions, the lowest first."""
        tags = self.registry.tags(self.releases)
        return versions.in_order(tag for tag in tags if versions.is_version(tag))

    def fetch(self, version: str) -> ReleaseFiles:
        """Return a release.

        Raises:
            RegistryAbsentError: the registry says that there is none of that version.
            RegistryUnreachableError: it could not be asked.
            VerificationError: what the version names is no release.
        """
        try:
            manifest = self.registry.manifest(self.releases, version)
        except RegistryAbsentError as error:
            known = ", ".join(self.versions()[-5:])
            raise RegistryAbsentError(
                f"There is no release {version} in {self.host}/{self.releases}.",
                f"The newest there: {known}." if known else "Nothing was released there yet.",
            ) from error
        try:
            layers = [Descriptor.parse(layer) for layer in manifest.document()["layers"]]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise VerificationError(
                f"What {version} names in {self.host}/{self.releases} is no release.",
                "Do not use it; find out who wrote it.",
            ) from error
        files: dict[str, bytes] = {}
        for described in layers:
            name = described.annotations.get("org.opencontainers.image.title", described.digest)
            files[name] = b"".join(self.registry.blob(self.releases, described))
        return ReleaseFiles(manifest, files)

    def has(self, version: str) -> bool:
        """Tell whether a version was released: whether its record stands in the registry."""
        return self.registry.resolve(self.releases, version) is not None

    def channel(self, name: str) -> Channel:
        """Return a channel, without any move where it does not exist yet."""
        if self.registry.resolve(self.releases, name) is None:
            return Channel(name)
        return channel.parse(name, self.registry.manifest(self.releases, name))


def place(site: Site, *, start: bool = False) -> Place:
    """Return where the site publishes: its registry, or the one of this machine.

    Args:
        site: the family and the settings.
        start: start the registry of this machine where it is the one and does not run.

    Raises:
        ReferenceFormatError: the registry or the namespace cannot be a name.
    """
    registry = pushing.place(site, start=start)
    return Place(registry, registry.host, site.settings.namespace or site.family.namespace)


def fetch(site: Site, version: str) -> ReleaseFiles:
    """Return a release of the site; see `Place.fetch`."""
    return place(site).fetch(version)


def load(site: Site, version: str) -> Record:
    """Return the record of a release of the site; see `Place.fetch`."""
    return fetch(site, version).record
