"""What is imported where modules were sent in as text: these, and no file of theirs."""

from __future__ import annotations

import importlib.abc
import importlib.util
from collections.abc import Mapping
from importlib.machinery import ModuleSpec


class SentIn(importlib.abc.InspectLoader):
    """Finds and loads modules of which the text is at hand; a package may have none."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> ModuleSpec | None:
        """Return how a module is loaded, None for one that was not sent in."""
        known = name in self._texts or self.is_package(name)
        return importlib.util.spec_from_loader(name, self) if known else None

    def is_package(self, fullname: str) -> bool:
        """Tell whether there are modules in it."""
        return any(name.startswith(f"{fullname}.") for name in self._texts)

    def get_source(self, fullname: str) -> str:
        """Return a module's text."""
        return self._texts.get(fullname, "")
