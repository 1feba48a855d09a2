"""Does data go one way through the package: is nothing later imported by anything earlier?"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import sparkyard

PACKAGE = Path(sparkyard.__file__).parent


def imported(source: str) -> Iterator[str]:
    """Give what a module takes from the package: the names of packages and modules right in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [each.name.split(".") for each in node.names]
            yield from (parts[1] for parts in names if parts[0] == "sparkyard" and parts[1:])
        if isinstance(node, ast.ImportFrom) and node.module:
            first, _, rest = node.module.partition(".")
            if first == "sparkyard":
                yield from [rest.split(".")[0]] if rest else [each.name for each in node.names]


def graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Return what each room of the package imports of others, from sources by their path in it."""
    rooms: dict[str, set[str]] = {}
    for path, source in sources.items():
        room = path.partition("/")[0].removesuffix(".py")
        rooms.setdefault(room, set()).update(set(imported(source)) - {room})
    return rooms


def order(sources: Mapping[str, str]) -> list[str]:
    """Return the rooms of the package, earlier ones first.

    Raises:
        CycleError: there is no such order.
    """
    return list(TopologicalSorter(graph(sources)).static_order())


def test_no_room_imports_a_later_one() -> None:
    sources = {str(each.relative_to(PACKAGE)): each.read_text() for each in PACKAGE.rglob("*.py")}
    assert order(sources)[-1] in {"commands", "__main__"}


@pytest.mark.parametrize(
    "source",
    [
        "from sparkyard.release.publish import sequence",
        "from sparkyard.release import publish",
        "from sparkyard import release",
        "import sparkyard.release.publish",
        "def late():\n    from sparkyard.release import publish",
    ],
)
def test_a_way_back_is_found(source: str) -> None:
    sources = {"release/publish.py": "from sparkyard.plan.plan import Site", "plan/plan.py": source}
    with pytest.raises(CycleError, match="plan"):
        order(sources)
