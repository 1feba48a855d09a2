"""Is images.toml read in the right order, and each mistake in it named?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sparkyard.errors import (
    ImageGraphError,
    MalformedFileError,
    SparkyardError,
    UnknownNameError,
)
from sparkyard.family import images, projects

HEAD = 'default_stack = "s"\nnamespace = "n"\n'


def entry(name: str, more: str = "") -> str:
    return f'[images.{name}]\nsummary = "x"\n{more}\n'


FAMILY = (
    HEAD
    + '[contexts]\ncommon = "images/common"\n'
    + entry("leaf", 'session = "leaf_it"\ndrives = "side"')
    + entry("middle", 'session = "mid"\ntags = ["y", "x"]')
    + entry("part")
    + entry("base", 'tags = ["x"]')
    + entry("side", 'session = "sides"')
)
DOCKERFILES = {
    "leaf": "FROM middle AS own\nFROM middle\nCOPY --link --from=jars-c / /\n"
    "COPY --link --from=own /out /\nCOPY --link --from=part / /\n",
    "middle": "FROM base\nCOPY --link --from=python-a / /\nCOPY --link --from=python-b / /\n",
    "part": "FROM base\nRUN --mount=type=bind,from=python-a,target=/run/a true\n"
    "FROM scratch\nCOPY --link --from=0 / /\n",
    "base": "FROM debian\nRUN --mount=from=common,target=/run --mount=type=bind,from=uv true\n",
    "plain": "FROM debian\n",
    "side": "FROM base\nCOPY --link --from=python-a / /\n",
}


def load(tmp_path: Path, text: str, dockerfiles: Mapping[str, str] = DOCKERFILES) -> images.Family:
    (tmp_path / "images.toml").write_text(text)
    for name, lines in dockerfiles.items():
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "Dockerfile").write_text(lines)
    return images.load(tmp_path / "images.toml")


def refused(
    tmp_path: Path, text: str, error: type[SparkyardError],
    dockerfiles: Mapping[str, str] = DOCKERFILES,
) -> SparkyardError:  # fmt: skip
    with pytest.raises(error) as refusal:
        load(tmp_path, text, dockerfiles)
    return refusal.value


def test_parents_come_first(tmp_path: Path) -> None:
    family = load(tmp_path, FAMILY)
    assert [image.name for image in family.images] == ["base", "middle", "part", "side", "leaf"]
    assert [image.name for image in family.published] == ["middle", "side", "leaf"]
    assert (family.default_stack, family.namespace) == ("s", "n")
    assert family["base"].contexts == {"common": "images/common"}


def test_chains_and_what_they_take(tmp_path: Path) -> None:
    family = load(tmp_path, FAMILY)
    assert [image.name for image in family.chain("leaf")] == ["base", "middle", "leaf"]
    assert family.takes("leaf") == ("python-a", "python-b", "jars-c", "part")
    assert family.takes("base") == ()


def test_taggers_are_inherited_each_once(tmp_path: Path) -> None:
    family = load(tmp_path, FAMILY)
    assert family.tags("leaf") == family.tags("middle") == ("x", "y")
    assert family.tags("side") == family.tags("base") == ("x",)


def test_finds_by_name_and_by_session(tmp_path: Path) -> None:
    family = load(tmp_path, FAMILY)
    assert family.find("leaf") is family.find("leaf_it") is family["leaf"]
    assert family.pairs == (family.pair,) == (("leaf", "side"),)
    assert [family.role(name) for name in ("leaf", "side", "base")] == ["driver", "executor", ""]


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


def test_no_image_that_drives_another(tmp_path: Path) -> None:
    family = load(tmp_path, HEAD + entry("plain"), {"plain": "FROM debian\n"})
    with pytest.raises(ImageGraphError, match="drives another"):
        _ = family.pair


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
    text = HEAD + "".join(entry(name) for name in parents)
    dockerfiles = {name: f"FROM {parent}\n" for name, parent in parents.items()}
    assert f"circle: {circle}." in refused(tmp_path, text, ImageGraphError, dockerfiles).what


@pytest.mark.parametrize(
    ("lines", "error", "said", "remedy"),
    [
        ("FROM debain\n", ImageGraphError, 'names "debain"', "Did you mean debian?"),
        ("FROM debian\nRUN --mount=from=comon true\n", ImageGraphError, '"comon"', "common"),
        ("FROM debian\nCOPY --link --from=pyton-a / /\n", ImageGraphError, '"pyton-a"', "Known"),
        ("FROM debian\nCOPY --from=python-a / /\n", ImageGraphError, "line 2 copies", "--link"),
        ("FORM debian\n", MalformedFileError, "no FROM", "FROM"),
        ("RUN true\n", MalformedFileError, "no FROM", "FROM"),
        ("", MalformedFileError, "is no Dockerfile", ""),
    ],
)
def test_a_dockerfile_with_a_mistake(
    tmp_path: Path, lines: str, error: type[SparkyardError], said: str, remedy: str
) -> None:
    found = refused(tmp_path, FAMILY, error, {**DOCKERFILES, "base": lines})
    assert str(tmp_path / "base/Dockerfile") in found.what
    assert said in found.what
    assert remedy in found.remedy


def test_an_image_without_a_dockerfile(tmp_path: Path) -> None:
    found = refused(tmp_path, FAMILY + entry("other"), MalformedFileError)
    assert "other/Dockerfile cannot be read" in found.what


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ('sesion = "x"', UnknownNameError, "sesion"),
        ('drives = "sied"', ImageGraphError, "sied"),
        ('drives = "plain"', ImageGraphError, "no other image"),
        ('serves = "plian"', ImageGraphError, 'serves "plian"'),
        ("tags = [1]", MalformedFileError, "tags"),
        ('tags = "a"', MalformedFileError, "tags"),
    ],
)
def test_an_entry_with_a_mistake(
    tmp_path: Path, more: str, error: type[SparkyardError], said: str
) -> None:
    found = refused(tmp_path, HEAD + entry("plain", more), error)
    assert "[images.plain]" in found.what
    assert said in found.what


@pytest.mark.parametrize("name", ["Base", "a__b", "-a", '"a b"', '"a/b"', '""'])
def test_a_name_that_no_repository_can_have(tmp_path: Path, name: str) -> None:
    refused(tmp_path, HEAD + entry(name), MalformedFileError)


@pytest.mark.parametrize(
    "text",
    [
        entry("plain"),
        HEAD,
        HEAD + "images = 1\n",
        HEAD + "[images]\nbase = 1\n",
        HEAD + "[images.plain]\n",
        'default_stack = "s"\n' + entry("plain"),
        HEAD + "contexts = 1\n" + entry("plain"),
        HEAD + "[contexts]\na = 1\n" + entry("plain"),
    ],
)
def test_a_list_that_lacks_something(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text, MalformedFileError)


def test_the_familys_own_list_can_be_read() -> None:
    family = images.load()
    assert all(family[name].published for name in family.pair)


STACK = "spark-3.5"
OF_STACK = FAMILY.replace('session = "leaf_it"', f'session = "leaf_it"\nstacks = ["{STACK}"]')


def test_a_stack_has_the_images_that_name_it_and_those_that_name_none(tmp_path: Path) -> None:
    family = load(tmp_path, OF_STACK)
    assert family.on(STACK)["leaf"].stacks == (STACK,)
    other = family.on("spark-9")
    assert "leaf_it" not in other
    assert "mid" in other
    with pytest.raises(UnknownNameError, match="leaf is not built on the stack spark-9") as refusal:
        other.find("leaf_it")
    assert f"--stack {STACK}" in refusal.value.remedy


@pytest.mark.parametrize(
    ("stacks", "error", "told"),
    [
        ("[]", ImageGraphError, "its stacks are empty"),
        ('["spark-3.6"]', UnknownNameError, 'the stack "spark-3.6", which does not exist'),
        ('"spark-3.5"', MalformedFileError, "not a list"),
    ],
)
def test_stacks_that_cannot_be_are_named(
    tmp_path: Path, stacks: str, error: type[SparkyardError], told: str
) -> None:
    refusal = refused(tmp_path, OF_STACK.replace(f'["{STACK}"]', stacks), error)
    assert told in refusal.what
    assert "images.leaf" in refusal.what


@pytest.mark.parametrize("session", ["mid", "sides"])
def test_an_image_without_what_it_needs_on_its_stack_is_refused(
    tmp_path: Path, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects, "stacks", lambda: (STACK, "spark-9"))
    text = FAMILY.replace(f'"{session}"', f'"{session}"\nstacks = ["{STACK}"]')
    refusal = refused(tmp_path, text, ImageGraphError)
    assert "leaf is built on spark-9" in refusal.what
