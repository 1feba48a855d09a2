"""Is images.toml read in the right order, and each mistake in it named?"""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkyard.errors import (
    ImageGraphError,
    MalformedFileError,
    SparkyardError,
    UnknownNameError,
)
from sparkyard.family import images

HEAD = 'default_stack = "s"\nnamespace = "n"\n'


def entry(name: str, parent: str, more: str = "") -> str:
    return f'[images.{name}]\nsummary = "x"\nparent = "{parent}"\n{more}\n'


FAMILY = (
    HEAD
    + entry("leaf", "middle", 'session = "leaf_it"\nrole = "driver"\ntakes = ["c"]')
    + entry("middle", "base", 'session = "mid"\ntakes = ["a", "b"]\ntags = ["y", "x"]')
    + entry("base", "debian", 'tags = ["x"]\ncontexts = { common = "images/common" }')
    + entry("side", "base", 'session = "sides"\nrole = "executor"\ntakes = ["a"]')
)


def load(tmp_path: Path, text: str) -> images.Family:
    (tmp_path / "images.toml").write_text(text)
    return images.load(tmp_path / "images.toml")


def refused(tmp_path: Path, text: str, error: type[SparkyardError]) -> SparkyardError:
    with pytest.raises(error) as refusal:
        load(tmp_path, text)
    assert "images.toml" in refusal.value.what
    return refusal.value


def test_parents_come_first(tmp_path: Path) -> None:
    family = load(tmp_path, FAMILY)
    assert [image.name for image in family.images] == ["base", "middle", "side", "leaf"]
    assert [image.name for image in family.published] == ["middle", "side", "leaf"]
    assert (family.default_stack, family.namespace) == ("s", "n")
    assert family["base"].contexts == {"common": "images/common"}


def test_chains_and_what_they_take(tmp_path: Path) -> None:
    family = load(tmp_path, FAMILY)
    assert [image.name for image in family.chain("leaf")] == ["base", "middle", "leaf"]
    assert family.takes("leaf") == ("a", "b", "c")
    assert family.takes("base") == ()


def test_taggers_are_inherited_each_once(tmp_path: Path) -> None:
    family = load(tmp_path, FAMILY)
    assert family.tags("leaf") == family.tags("middle") == ("x", "y")
    assert family.tags("side") == family.tags("base") == ("x",)


def test_finds_by_name_and_by_session(tmp_path: Path) -> None:
    family = load(tmp_path, FAMILY)
    assert family.find("leaf") is family.find("leaf_it") is family["leaf"]
    assert family.with_role("driver").name == "leaf"
    assert family.with_role("executor").name == "side"


@pytest.mark.parametrize(("name", "meant"), [("lef", "leaf"), ("sides_", "sides"), ("mdi", "mid")])
def test_suggests_the_near_name(tmp_path: Path, name: str, meant: str) -> None:
    with pytest.raises(UnknownNameError) as refusal:
        load(tmp_path, FAMILY).find(name)
    assert name in refusal.value.what
    assert refusal.value.remedy == f"Did you mean {meant}?"


@pytest.mark.parametrize("name", ["zzz", "base", ""])
def test_lists_all_published_where_none_is_near(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownNameError) as refusal:
        load(tmp_path, FAMILY).find(name)
    assert "base" not in refusal.value.remedy


def test_an_unknown_part(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="bases"):
        load(tmp_path, FAMILY)["bases"]


def test_no_image_of_a_role(tmp_path: Path) -> None:
    family = load(tmp_path, HEAD + entry("base", "debian"))
    with pytest.raises(ImageGraphError, match="role executor"):
        family.with_role("executor")


@pytest.mark.parametrize(
    ("parents", "circle"),
    [
        ({"a": "a"}, "a -> a"),
        ({"a": "b", "b": "a"}, "a -> b -> a"),
        ({"a": "b", "b": "c", "c": "b"}, "b -> c -> b"),
        ({"ok": "debian", "a": "c", "b": "a", "c": "b"}, "a -> c -> b -> a"),
    ],
)
def test_a_circle(tmp_path: Path, parents: dict[str, str], circle: str) -> None:
    text = HEAD + "".join(entry(name, parent) for name, parent in parents.items())
    assert f"circle: {circle}." in refused(tmp_path, text, ImageGraphError).what


def test_a_parent_that_does_not_exist(tmp_path: Path) -> None:
    error = refused(tmp_path, HEAD + entry("base", "debain"), ImageGraphError)
    assert "[images.base]" in error.what
    assert '"debain"' in error.what
    assert error.remedy == "Did you mean debian?"


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ('sesion = "x"', UnknownNameError, "sesion"),
        ('role = "drivr"', UnknownNameError, "drivr"),
        ("takes = [1]", MalformedFileError, "takes"),
        ('takes = "a"', MalformedFileError, "takes"),
        ("tags = [1]", MalformedFileError, "tags"),
        ('contexts = "a"', MalformedFileError, "contexts"),
        ("contexts = { a = 1 }", MalformedFileError, "contexts"),
    ],
)
def test_an_entry_with_a_mistake(
    tmp_path: Path, more: str, error: type[SparkyardError], said: str
) -> None:
    found = refused(tmp_path, HEAD + entry("base", "debian", more), error)
    assert "[images.base]" in found.what
    assert said in found.what


@pytest.mark.parametrize("name", ["Base", "a__b", "-a", '"a b"', '"a/b"', '""'])
def test_a_name_that_no_repository_can_have(tmp_path: Path, name: str) -> None:
    refused(tmp_path, HEAD + entry(name, "debian"), MalformedFileError)


@pytest.mark.parametrize(
    "text",
    [
        entry("base", "debian"),
        HEAD,
        HEAD + "images = 1\n",
        HEAD + "[images]\nbase = 1\n",
        HEAD + '[images.base]\nsummary = "x"\n',
        HEAD + '[images.base]\nparent = "debian"\n',
        'default_stack = "s"\n' + entry("base", "debian"),
    ],
)
def test_a_list_that_lacks_something(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text, MalformedFileError)


def test_the_familys_own_list_can_be_read() -> None:
    family = images.load()
    assert family.with_role("driver").published
    assert family.with_role("executor").published
