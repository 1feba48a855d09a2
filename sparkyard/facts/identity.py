"""Which image is it, of those that the engine has?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ImageIdentity:
    """An image of the engine: `digest` never changes its meaning, `reference` may."""

    reference: str
    digest: str
    architecture: str
    diff_ids: tuple[str, ...]
    labels: Mapping[str, str]
    config: Mapping[str, str] = field(default_factory=dict)
