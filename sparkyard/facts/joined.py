"""How do modules of this checkout become one program that any Python can be given as text?

An image may be read-only and its user unknown, and an executor is given a program by its JVM: so
nothing is unpacked there. The program holds its modules as text, each after those that it imports.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from pathlib import Path

from sparkyard import paths

_PLACES = (paths.ROOT, paths.ROOT / "conf" / "spark" / "compose")
"""Where modules are taken from: ours, and those that the images compose configurations with."""

_PROGRAM = """\
import json, sys, types
for name, text in {texts!r}.items():
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
collect = module.collect
if __name__ == "__main__":
    json.dump(collect(*sys.argv[1:]), sys.stdout, sort_keys=True)
    print()
"""

_ONE_AT_A_TIME = threading.Lock()
"""Two images are looked into side by side, and CPython 3.11 before 3.11.8 counts the depth of two
threads in `ast.parse` as one where garbage is collected meanwhile: "AST constructor recursion depth
mismatch" (https://github.com/python/cpython/issues/106905)."""


def program(entry: str) -> str:
    """Return the program that writes, as JSON, what the function `collect` of a module returns.

    What executes the program under another name finds that function in it.
    """
    texts: dict[str, str] = {}

    def add(name: str) -> None:
        file = _file(name)
        if file and name not in texts:
            text = file.read_text(encoding="utf-8")
            for imported in _imported(text):
                add(imported)
            texts[name] = text

    add(entry)
    return _PROGRAM.format(texts=texts)


def _imported(text: str) -> Iterator[str]:
    """Give what may be a module of all that a text imports."""
    with _ONE_AT_A_TIME:
        tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(module: str) -> Path | None:
    """Return a module's file; None for the standard library's."""
    names = (f"{module.replace('.', '/')}{end}" for end in (".py", "/__init__.py"))
    files = (place / name for name in names for place in _PLACES)
    return next(filter(Path.is_file, files), None)
