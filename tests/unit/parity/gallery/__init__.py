"""Pairs that differ, made up from public documentation, and what was seen of them.

`broken.toml` and `harmless.toml` say what a child image has after its FROM; `record` builds it and
keeps how its facts differ from those of the good image.
"""

from __future__ import annotations

import json
import lzma
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SIDES = ("driver", "executors")
GONE = "gone"
"""In a difference: the part is not there."""


@dataclass(frozen=True)
class Case:
    """A pair.

    Attributes:
        name: of the case, or of what it does.
        subject: the path, variable or package that is another.
        changes: Dockerfile lines by the side that has them.
        contested: why another reader may judge it otherwise; empty where nobody does.
    """

    name: str
    subject: str
    changes: dict[str, str]
    contested: str


def cases(kind: str, stack: str) -> tuple[Case, ...]:
    """Return the cases of `broken` or `harmless` that are of a stack."""
    document = tomllib.loads((HERE / f"{kind}.toml").read_text(encoding="utf-8"))
    tokens = document["tokens"][stack]

    def filled(text: str) -> str:
        for token, value in tokens.items():
            text = text.replace(token, value)
        return text

    return tuple(
        Case(
            case["name"],
            filled(case["path_or_variable"]),
            _by_side(case["side"], filled(case["change"])),
            case.get("contested", ""),
        )
        for case in document["case"]
        if stack in case["stacks"]
    )


def _by_side(side: str, change: str) -> dict[str, str]:
    if side in SIDES:
        return {side: change}
    changes = dict.fromkeys(SIDES, "")
    here = SIDES[0]
    for line in change.strip().splitlines():
        if line.strip("# ") in SIDES:
            here = line.strip("# ")
        else:
            changes[here] += f"{line}\n"
    return changes


def difference(good: Any, other: Any) -> Any:
    """Return what makes `other` of `good`: a tree of the parts that differ."""
    if isinstance(good, list) and isinstance(other, list) and _named(good) and _named(other):
        return {"named": difference(_by_name(good), _by_name(other))}
    if not (isinstance(good, dict) and isinstance(other, dict)):
        return {"is": other}
    return {
        "parts": {
            key: difference(good[key], other[key])
            if key in good and key in other
            else ({"is": other[key]} if key in other else {GONE: True})
            for key in sorted({*good, *other})
            if key not in good or key not in other or good[key] != other[key]
        }
    }


def applied(good: Any, change: Any) -> Any:
    """Return the other that a difference makes of `good`."""
    if "is" in change:
        return change["is"]
    if "named" in change:
        return list(applied(_by_name(good), change["named"]).values())
    changed = dict(good)
    for key, part in change["parts"].items():
        if GONE in part:
            del changed[key]
        else:
            changed[key] = applied(good.get(key), part)
    return dict(sorted(changed.items()))


def _named(values: list[Any]) -> bool:
    names = [_name(value) for value in values if isinstance(value, dict)]
    return len(set(names)) == len(names) == len(values)


def _name(value: dict[str, Any]) -> str:
    return str(value.get("path") or value.get("executable") or value.get("name"))


def _by_name(values: list[Any]) -> dict[str, Any]:
    return {_name(value): value for value in values}


def kept(stack: str) -> Path:
    """Return the file of what was seen."""
    return HERE / f"{stack}.json.xz"


@cache
def recorded(stack: str) -> dict[str, Any]:
    """Return what was seen: the good images' documents, and differences by case and side."""
    read: dict[str, Any] = json.loads(lzma.decompress(kept(stack).read_bytes()))
    return read
