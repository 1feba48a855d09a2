"""Do the published schema and the record agree, and is a document that is none refused?"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import typing
from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from sparkyard.errors import MalformedFileError
from sparkyard.record import schema
from sparkyard.record.record import Record
from tests.unit.records import FILE, family, two_stacks


def in_schema(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, and take what is not null of a choice."""
    for choice in node.get("anyOf", ()):
        if choice.get("type") != "null":
            node = choice
    if reference := node.get("$ref"):
        return in_schema(schema.schema()["$defs"][reference.rpartition("/")[2]])
    return node


def compare(kind: Any, node: dict[str, Any], where: str) -> None:
    node = in_schema(node)
    assert node.get("description"), f"{where} has no description"
    if dataclasses.is_dataclass(kind):
        assert node["additionalProperties"] is False, where
        names = [field.name for field in dataclasses.fields(kind)]
        assert sorted(node["properties"]) == sorted(names), where
        assert sorted(node["required"]) == sorted(names), where
        for name, hint in typing.get_type_hints(kind).items():
            compare(hint, node["properties"][name], f"{where}.{name}")
        return
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if type(None) in arguments:
        compare(next(each for each in arguments if each is not type(None)), node, where)
    elif origin is tuple:
        assert node["type"] == "array", where
        if dataclasses.is_dataclass(arguments[0]):
            compare(arguments[0], node["items"], f"{where}[]")
    elif origin is Mapping:
        assert node["additionalProperties"] == {"type": "string"}, where
    elif "enum" not in node and "const" not in node:
        plain = {str: "string", int: "integer", float: "number", bool: "boolean"}
        assert node["type"] == plain[kind], where


def test_schema_and_record_have_the_same_fields() -> None:
    compare(Record, schema.schema(), "record")


@pytest.mark.parametrize("number", schema.FILES)
def test_the_schema_is_one(number: int) -> None:
    Draft202012Validator.check_schema(schema.schema(number))
    assert schema.schema(number)["properties"]["schema"]["const"] == number


def test_a_record_is_one() -> None:
    for record in (family(), *two_stacks()):
        schema.check(record.as_document(), "it")


def test_a_record_of_schema_1_is_held_to_that() -> None:
    document = json.loads(FILE.read_text())
    schema.check(document, "it")
    del document["images"][0]["role"]
    with pytest.raises(MalformedFileError, match="role"):
        schema.check(document, "it")


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return each place in the document, of a list its first."""
    found = [path] if path else []
    if isinstance(document, dict):
        for key, value in document.items():
            found += places(value, (*path, key))
    elif isinstance(document, (list, tuple)) and document:
        found += places(document[0], (*path, 0))
    return found


@functools.cache
def _small() -> Any:
    document: Any = family().as_document()
    for image in document["stacks"][0]["images"]:
        for kind in image["packages"]:
            image["packages"][kind] = {}
    return document


PLACES = [path for path in places(_small()) if isinstance(path[-1], str)]


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_a_record_that_lacks_or_alters_a_field_is_refused(path: tuple[Any, ...]) -> None:
    for change in ("lack", "alter"):
        document = copy.deepcopy(_small())
        holder = document
        for part in path[:-1]:
            holder = holder[part]
        if change == "lack":
            del holder[path[-1]]
        else:
            holder[path[-1]] = object.__name__.encode().hex() if path[-1] == "schema" else -1.5
        assert schema.problems(document), change


def test_a_field_too_many_is_refused_with_its_place() -> None:
    document = copy.deepcopy(_small())
    document["stacks"][0]["images"][1]["colour"] = "red"
    with pytest.raises(
        MalformedFileError, match=r"it is no record.*\$\.stacks\[0\]\.images\[1\].*colour"
    ):
        schema.check(document, "it")
