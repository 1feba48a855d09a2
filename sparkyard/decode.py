"""Is a JSON document what a type says? Strictly: no part missing, none of another kind."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

_Kind = TypeVar("_Kind")


class NotOfThatTypeError(ValueError):
    """A document is not what it should be; the text names the place in it."""


def decode(kind: type[_Kind], value: Any, where: str) -> _Kind:
    """Return a JSON value as a dataclass.

    Its fields are dataclasses, tuples of one kind, mappings from texts, unions with None, texts,
    numbers or truth values. Keys that it does not have are passed over.

    Args:
        kind: what it should be.
        value: as `json.loads` returned it.
        where: what the document is called in errors.

    Raises:
        NotOfThatTypeError: it lacks a part, or a part is of another kind.
    """
    decoded: _Kind = _decode(kind, value, where)
    return decoded


def _decode(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        other = next(member for member in arguments if member is not types.NoneType)
        return None if value is None else _decode(other, value, where)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        return _fields(kind, value, where)
    if origin is tuple and isinstance(value, list):
        return tuple(_decode(arguments[0], item, f"{where}[]") for item in value)
    if origin is Mapping and isinstance(value, dict):
        return {key: _decode(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    # By type and not isinstance, to which a truth value is an int; JSON writes 1.0 as 1 at times.
    if kind in (str, int, bool, float) and type(value) in (
        (int, float) if kind is float else (kind,)
    ):
        return kind(value)
    raise NotOfThatTypeError(f"{where} is {type(value).__name__}")


def _fields(kind: type[Any], value: dict[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    absent = [
        name
        for name, field in fields.items()
        if name not in value
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if absent:
        raise NotOfThatTypeError(f"{where} has no {', '.join(absent)}")
    return kind(
        **{
            name: _decode(hints[name], value[name], f"{where}.{name}")
            for name in fields
            if name in value
        }
    )
