"""What are a reference, a descriptor and a manifest? The nouns of the OCI specifications.

Media types and the grammar of names are those of the OCI image and distribution specifications 1.1.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sparkyard.command import mask
from sparkyard.errors import ReferenceFormatError

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_TYPES = (INDEX, MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)

EMPTY_CONTENT = b"{}"
"""The content of the empty descriptor, the configuration of an artifact that has none."""

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Hosts that engines talk to without TLS."""

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_NAME}|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Descriptor:
    """What one document says of another piece of content: `size` in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as it stands in a manifest or an index."""
        document: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
        }
        if self.annotations:
            document["annotations"] = dict(sorted(self.annotations.items()))
        if self.platform:
            document["platform"] = dict(self.platform)
        return document

    @staticmethod
    def parse(document: Mapping[str, Any]) -> Descriptor:
        """Return the descriptor that a manifest or an index has.

        Raises:
            KeyError, ValueError: it lacks a part, or its digest is none.
        """
        digest = str(document["digest"])
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"{digest} is no sha256 digest")
        return Descriptor(
            str(document.get("mediaType", "")),
            digest,
            int(document["size"]),
            dict(document.get("annotations") or {}),
            dict(document.get("platform") or {}),
        )


@dataclass(frozen=True)
class Content:
    """Bytes with their media type, small enough to hold: a manifest, an index, a record's file."""

    media_type: str
    data: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The digest under which registries and engines know it."""
        return digest_of(self.data)

    @property
    def descriptor(self) -> Descriptor:
        """What other documents say of it."""
        return Descriptor(self.media_type, self.digest, len(self.data), self.annotations)

    def document(self) -> dict[str, Any]:
        """Return it as the JSON document that it is.

        Raises:
            ValueError: it is none.
        """
        document = json.loads(self.data)
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        return document


@dataclass(frozen=True)
class Repository:
    """A place for images of one name: `host` as in registry.example.com:5000, `path` below it."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"

    @property
    def plain_http(self) -> bool:
        """Whether it is asked without TLS: on this machine alone, as engines do."""
        return self.host.rsplit(":", 1)[0] in LOOPBACK or self.host in LOOPBACK


def digest_of(data: bytes) -> str:
    """Return the sha256 digest of some content, as descriptors write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return a document as bytes that are the same whenever the document is."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def repository(registry: str, *path: str) -> Repository:
    """Return the repository of that path on a registry.

    Raises:
        ReferenceFormatError: the registry is no host, or the path no repository's name.
    """
    whole = "/".join(part.strip("/") for part in path if part)
    if not _HOST.fullmatch(registry) or not _looks_like_host(registry):
        raise ReferenceFormatError(
            f'The registry "{mask(registry)}" is no host name.',
            "Set REGISTRY to a host, with a port where it has one of its own: "
            "registry.example.com:5000. What stands behind the host is the setting namespace.",
        )
    for part in whole.split("/"):
        if not _PART.fullmatch(part):
            raise ReferenceFormatError(
                f'"{whole}" cannot be the name of a repository: "{part}" cannot stand in it.',
                "Use lower-case letters, digits and single . _ - between them.",
            )
    return Repository(registry, whole)


def check_tag(tag: str) -> str:
    """Return the tag.

    Raises:
        ReferenceFormatError: no registry takes it.
    """
    if not _TAG.fullmatch(tag):
        raise ReferenceFormatError(
            f'"{tag}" cannot be a tag.',
            "Use up to 128 letters, digits, . _ and -; the first is no . and no -.",
        )
    return tag


def is_digest(text: str) -> bool:
    """Tell whether a text is a sha256 digest."""
    return bool(_DIGEST.fullmatch(text))


def artifact(kind: str, files: Mapping[str, Content], annotations: Mapping[str, str]) -> Content:
    """Return the manifest of an artifact: files under names, nothing to run.

    Args:
        kind: its artifactType.
        files: content by file name, which goes where oras and others look for it.
        annotations: of the manifest.
    """
    empty = Content(EMPTY, EMPTY_CONTENT).descriptor
    title = "org.opencontainers.image.title"
    layers = []
    for name, content in files.items():
        described = content.descriptor
        layers.append(
            Descriptor(
                described.media_type,
                described.digest,
                described.size,
                {**described.annotations, title: name},
            ).as_json()
        )
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": empty.as_json(),
        "layers": layers,
        "annotations": dict(annotations),
    }
    return Content(MANIFEST, canonical(document))


def index(manifest: Descriptor, annotations: Mapping[str, str]) -> Content:
    """Return an index around one image: the image stays as it was tested, the index tells more."""
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [manifest.as_json()],
        "annotations": dict(annotations),
    }
    return Content(INDEX, canonical(document))


def _looks_like_host(registry: str) -> bool:
    """Tell a host from a path's first part as engines do: by a dot, a port, or localhost."""
    return "." in registry or ":" in registry or registry == "localhost"
