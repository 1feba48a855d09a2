"""Small images as OCI layouts, made of bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sparkyard.registry import oci
from sparkyard.registry.oci import Content, Descriptor

LAYER = "application/vnd.oci.image.layer.v1.tar"


def make(directory: Path, layers: Sequence[bytes], config: bytes = b"{}") -> Content:
    """Write an image into a layout, beside what is there, and return its manifest."""
    parts = [_write(directory, oci.CONFIG, config)]
    parts += [_write(directory, LAYER, layer) for layer in layers]
    manifest = Content(
        oci.MANIFEST,
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": oci.MANIFEST,
                "config": parts[0].as_json(),
                "layers": [part.as_json() for part in parts[1:]],
            }
        ).encode(),
    )
    _write(directory, oci.MANIFEST, manifest.data)
    return manifest


def _write(directory: Path, media_type: str, data: bytes) -> Descriptor:
    content = Content(media_type, data)
    file = directory / "blobs" / content.digest.replace(":", "/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return content.descriptor
