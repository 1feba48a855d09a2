"""How do modules of this checkout become one program that any Python can be given as text?

An image may be read-only and its user unknown, and an executor is given a program by its JVM: so
nothing is unpacked there. The program holds its modules as text and imports them from memory.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from sparkyard import paths
from sparkyard.facts import sent_in

_PLACES = (paths.ROOT, paths.ROOT / "conf" / "spark" / "compose")
"""Where modules are taken from: ours, and those that the images compose configurations with."""


def program(entry: str) -> str:
    """Return the program that calls the function `main` of a module.

    Its `collect` can be called as well, by what executes the program under another name.
    """
    texts: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        file = _file(name)
        if file and name not in texts:
            texts[name] = file.read_text(encoding="utf-8")
            waiting += _imported(texts[name])
    return (
        f"{Path(sent_in.__file__).read_text(encoding='utf-8')}\n"
        f"import sys\nsys.meta_path.insert(0, SentIn({dict(sorted(texts.items()))!r}))\n"
        f"from {entry} import collect, main\nif __name__ == '__main__':\n    main()\n"
    )


def _imported(text: str) -> Iterator[str]:
    """Give what may be a module of all that a text imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(module: str) -> Path | None:
    """Return a module's file; None for the standard library's."""
    for place in _PLACES:
        path = place.joinpath(*module.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None
