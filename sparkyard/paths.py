"""Where do things stand in a checkout and on this machine?"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "images"
IMAGE_LIST = IMAGES / "images.toml"
STACKS = ROOT / "conf" / "stacks"
PINS = ROOT / "conf" / "pins.toml"
DEPENDENCIES = ROOT / "package-dependencies"
SETTINGS = ROOT / "sparkyard.toml"
BUILD = ROOT / "build"


def cache() -> Path:
    """Return the directory for what can be made again: $SPARKYARD_CACHE or the user's cache."""
    named = os.environ.get("SPARKYARD_CACHE")
    if named:
        return Path(named).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home).absolute() / "sparkyard"
