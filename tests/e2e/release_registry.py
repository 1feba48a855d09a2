"""A real registry with a small release in it, whose storage can be damaged and mended again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from sparkyard.command import run
from sparkyard.plan.plan import Site
from sparkyard.registry import oci
from sparkyard.registry.oci import Content
from sparkyard.registry.registry import Registry
from sparkyard.release import signature
from sparkyard.services import local_registry
from sparkyard.settings import Settings
from tests.small_release import SmallRelease
from tests.support import Container, Lab

STORE = "/var/lib/docker-registry/docker/registry/v2"
AWAY = "/var/lib/docker-registry/away"
NAMESPACE = "sparkyard"
RELEASES = f"{NAMESPACE}/releases"


@dataclass(frozen=True)
class Served:
    """A registry that serves on loopback."""

    container: Container
    host: str
    registry: Registry

    def put(self, path: str, content: Content) -> None:
        """Store a small blob."""
        self.registry.put_blob(path, content.descriptor, partial(io.BytesIO, content.data))

    def push(self, release: SmallRelease) -> None:
        """Store a release, with signatures for cosign, as a release does."""
        self.push_images(release)
        self.push_files(release)

    def push_images(self, release: SmallRelease) -> None:
        """Store a release's images and their signatures alone."""
        for image in release.images:
            for content in (image.config, *image.layers):
                self.put(image.path, content)
            self.registry.put_manifest(image.path, image.manifest.digest, image.manifest)
            for tag in image.tags:
                self.registry.put_manifest(image.path, tag, image.index)
            for digest in (image.manifest.digest, image.index.digest):
                made, blobs = signature.cosign_signature(
                    image.recorded.repository, digest, release.key
                )
                for content in blobs:
                    self.put(image.path, content)
                self.registry.put_manifest(image.path, signature.cosign_tag(digest), made)

    def copy(self, release: SmallRelease, namespace: str) -> None:
        """Copy a release to another namespace, digest by digest, as a mirror does."""
        version = release.record.version
        copies: dict[str, list[str]] = {RELEASES: [version]}
        for image in release.images:
            digests = (image.manifest.digest, image.index.digest)
            signatures = map(signature.cosign_tag, digests)
            copies.setdefault(image.path, []).extend(
                [*image.tags, image.manifest.digest, *signatures]
            )
        for path, references in copies.items():
            target = f"{namespace}/{path.rpartition('/')[2]}"
            for reference in reversed(references):
                manifest = self.registry.manifest(path, reference)
                document = manifest.document()
                for blob in (document.get("config"), *document.get("layers", ())):
                    if blob:
                        assert self.registry.mount_blob(target, blob["digest"], path)
                self.registry.put_manifest(target, reference, manifest)

    def push_files(self, release: SmallRelease) -> None:
        """Store a release's files alone."""
        for content in (Content(oci.EMPTY, oci.EMPTY_CONTENT), *release.contents.values()):
            self.put(RELEASES, content)
        self.registry.put_manifest(RELEASES, release.record.version, release.manifest)

    @contextmanager
    def flipped(self, data: bytes, position: int = -1) -> Iterator[str]:
        """Let one byte of a stored content be another; give the digest of what it is then."""
        position %= len(data)
        changed = bytearray(data)
        changed[position] ^= 0xFF
        place = self._data(oci.digest_of(data))
        self._write(place, position, changed[position])
        try:
            yield oci.digest_of(bytes(changed))
        finally:
            self._write(place, position, data[position])

    @contextmanager
    def away(self, place: str) -> Iterator[None]:
        """Let a file or directory of the storage be gone."""
        self._root("mv", place, AWAY)
        try:
            yield
        finally:
            self._root("mv", AWAY, place)

    @contextmanager
    def cut(self, data: bytes, by: int = 1) -> Iterator[None]:
        """Let a stored content lack its last bytes."""
        place = self._data(oci.digest_of(data))
        self._root("truncate", "--size", f"-{by}", place)
        try:
            yield
        finally:
            for position in range(len(data) - by, len(data)):
                self._write(place, position, data[position])

    def blob(self, digest: str) -> str:
        """Return the directory in which a content is stored."""
        hexadecimal = digest.removeprefix("sha256:")
        return f"{STORE}/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}"

    def link(self, path: str, digest: str) -> str:
        """Return the directory by which a repository has a blob."""
        return f"{STORE}/repositories/{path}/_layers/sha256/{digest.removeprefix('sha256:')}"

    def _data(self, digest: str) -> str:
        return f"{self.blob(digest)}/data"

    def _write(self, place: str, position: int, byte: int) -> None:
        line = (
            f"printf '\\{byte:03o}' | dd of={place} bs=1 seek={position} conv=notrunc status=none"
        )
        self._root("sh", "-c", line)

    def _root(self, *argv: str) -> None:
        self.container.exec(*argv, user="root")


@contextmanager
def serve(lab: Lab, site: Site, what: str) -> Iterator[Served]:
    """Run the registry that Sparkyard starts on a user's machine, on a port of its own."""
    image = local_registry.build(site)
    with lab.container(image, what=what, options=["--publish", "127.0.0.1::5000"]) as container:
        form = '{{(index (index .NetworkSettings.Ports "5000/tcp") 0).HostPort}}'
        port = run(["docker", "inspect", "--format", form, container.id]).stdout.strip()
        host = f"127.0.0.1:{port}"
        registry = Registry(host, Settings())
        registry.ping()
        yield Served(container, host, registry)
        registry.close()
