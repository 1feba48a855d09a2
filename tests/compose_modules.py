"""Gives tests the modules of conf/spark/compose, which run in images by themselves."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from sparkyard import paths

SOURCE = paths.ROOT / "conf" / "spark"


def _load(*names: str) -> list[Any]:
    """Import modules from there, and leave no name behind: one is called as a package of ours."""
    before = dict(sys.modules)
    sys.path.insert(0, str(SOURCE / "compose"))
    try:
        return [importlib.import_module(name) for name in names]
    finally:
        sys.path.pop(0)
        for name in sys.modules.keys() - before.keys():
            del sys.modules[name]


java_properties, references, refused = _load("java_properties", "references", "refused")
