"""What is in the layers of images, also where a later layer hides it?"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, cast

from backports import zstd

from sparkyard.settings import Settings, ca_bundle

FORBIDDEN = re.compile(
    r"(?:^|/)var/lib/apt/lists/.*_Packages"
    r"|(?:^|/)var/cache/apt/(?:archives/.*\.deb|.*\.bin)$"
    r"|(?:^|/)(?:root|home/[^/]+)/\.cache/.+"
    r"|(?:^|/)var/cache/(?:uv|jars)/.+"
    r"|(?:^|/)run/secrets/.+|(?:^|/)run/ca\.crt$"
    r"|(?:^|/)(?:\.netrc|\.pypirc|pip\.conf|\.docker/config\.json)$"
)
"""Paths of package caches and of what carries credentials."""
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=]{64}\r?\n[A-Za-z0-9+/=]+)")
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"


@dataclass
class Layer:
    """What stands out in one layer; paths are relative to the image's root."""

    forbidden: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    setuid: set[str] = field(default_factory=set)


def mirrors(settings: Settings) -> list[bytes]:
    """Return the hosts that this site has put in place of the public ones."""
    urls = (settings.apt_mirror, settings.apt_security_mirror, settings.pypi_index,
            settings.maven_mirror, settings.npm_registry, settings.cran_mirror)  # fmt: skip
    return [url.partition("://")[2].partition("/")[0].encode() for url in urls if url]


def certificates(content: bytes) -> set[bytes]:
    """Return what tells the certificates in a PEM file apart: the head of each."""
    return {found.replace(b"\r", b"") for found in PEM.findall(content)}


def site_certificates(settings: Settings, public: bytes) -> set[bytes]:
    """Return the certificates that this site trusts and Debian's own bundle does not have."""
    bundle = ca_bundle(settings)
    return certificates(bundle.read_bytes()) - certificates(public) if bundle else set()


def look_through(archive: IO[bytes], hosts: Sequence[bytes], foreign: Iterable[bytes]) -> Layer:
    """Return what stands out in a layer's archive."""
    layer = Layer()
    foreign = set(foreign)
    with tarfile.open(fileobj=archive, mode="r|") as members:
        for member in members:
            path = member.name.removeprefix("./")
            if member.isfile() and FORBIDDEN.search(path):
                layer.forbidden.append(path)
            if member.isfile() and member.mode & 0o6000:
                layer.setuid.add(path)
            content = members.extractfile(member) if member.isfile() else None
            # Jars are locked by their sha256: nothing of this site can be in them.
            if content is None or path.endswith(".jar"):
                continue
            data = content.read()
            layer.secrets += [f"{path}: {host.decode()}" for host in hosts if host in data]
            if b"BEGIN CERTIFICATE" in data and foreign & certificates(data):
                layer.secrets.append(f"{path}: a certificate of this site")
    return layer


@dataclass(frozen=True)
class Layers:
    """The layers of some images by digest, and each image's digests, the lowest first."""

    by_digest: dict[str, Layer]
    of_image: dict[str, list[str]]

    @classmethod
    def read(cls, images: Sequence[str], settings: Settings, public: bytes = b"") -> Layers:
        """Look through the layers of images; a layer that several have, once."""
        hosts, foreign = mirrors(settings), site_certificates(settings, public)
        by_digest: dict[str, Layer] = {}
        documents: dict[str, dict[str, object]] = {}
        index: dict[str, object] = {}
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as save:
            assert save.stdout
            with tarfile.open(fileobj=save.stdout, mode="r|") as archive:
                for member in archive:
                    blob = archive.extractfile(member) if member.isfile() else None
                    if blob is None:
                        continue
                    digest = "sha256:" + member.name.rpartition("/")[2]
                    if member.name == "index.json":
                        index = json.load(blob)
                    elif member.name.startswith("blobs/") and member.size:
                        opened = _layer(blob)
                        if isinstance(opened, bytes):
                            documents[digest] = json.loads(opened)
                        else:
                            by_digest[digest] = look_through(opened, hosts, foreign)
        assert save.returncode == 0, f"docker save of {images} failed"
        return cls(by_digest, _layers_of(images, index, documents))

    def of(self, image: str) -> list[Layer]:
        """Return an image's layers, the lowest first."""
        return [self.by_digest[digest] for digest in self.of_image[image]]


def _layer(blob: IO[bytes]) -> IO[bytes] | bytes:
    """Return a layer's archive opened, or the bytes of a JSON document."""
    buffered = _Peeked(blob)
    if buffered.head.startswith(_ZSTD):
        return cast("IO[bytes]", zstd.ZstdFile(cast("IO[bytes]", buffered)))
    if buffered.head.startswith(_GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=cast("IO[bytes]", buffered)))
    if buffered.head.lstrip().startswith(b"{"):
        return buffered.read()
    return cast("IO[bytes]", buffered)


class _Peeked:
    """A stream of which the first bytes were looked at."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.head = self._left = stream.read(4)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes: all of them when no number is given."""
        if size < 0:
            taken, self._left = self._left + self._stream.read(), b""
            return taken
        if not self._left:
            return self._stream.read(size)
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def tell(self) -> int:
        """Return a position; only gzip asks, and only to report one."""
        return 0


def _layers_of(
    images: Sequence[str], index: dict[str, object], documents: dict[str, dict[str, object]]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in cast("list[dict[str, object]]", index.get("manifests", [])):
        names = cast("dict[str, str]", entry.get("annotations") or {})
        name = names.get("io.containerd.image.name", "").removeprefix("docker.io/")
        manifest = documents.get(str(entry["digest"]), {})
        for inner in cast("list[dict[str, str]]", manifest.get("manifests", []))[:1]:
            manifest = documents.get(inner["digest"], {})
        if name in images:
            layers = cast("list[dict[str, str]]", manifest.get("layers", []))
            found[name] = [layer["digest"] for layer in layers]
    return found
