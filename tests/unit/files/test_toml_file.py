"""Is a mistake in a TOML file named with its place, and a wrong type as what it is?"""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkyard.errors import MalformedFileError
from sparkyard.files import toml_file


def refused(path: Path) -> str:
    with pytest.raises(MalformedFileError) as refusal:
        toml_file.read(path)
    assert str(path) in refusal.value.what
    return refusal.value.what


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = 1\nb = = 2\n", "line 2, column 5"),
        ("[a\n", "line 1, column 3"),
        ('a = "open\n', "line 1, column 10"),
        ("a = 1\na = 2\n", "line 2, column 6"),
        ("a = [1,\n", "end of document"),
        ("[x]\n[x]\n", "line 2, column 3"),
    ],
)
def test_names_line_and_column(tmp_path: Path, text: str, place: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    assert place in refused(path)


def test_names_a_file_that_is_gone(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "x.toml")


def test_names_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b'a = "\xff"')
    assert "not UTF-8 (byte 5)" in refused(path)


@pytest.mark.parametrize(
    ("encoding", "name"), [("utf-8-sig", "UTF-8"), ("utf-16", "UTF-16"), ("utf-16-be", "UTF-16")]
)
def test_names_a_byte_order_mark(tmp_path: Path, encoding: str, name: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(("\ufeff" if encoding == "utf-16-be" else "") + "a = 1\n", encoding=encoding)
    assert f"begins with a byte order mark (BOM) of {name}." in refused(path)


def test_reads_lines_that_end_in_crlf(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b'a = """x\r\ny"""\r\n')
    assert toml_file.read(path) == {"a": "x\ny"}


def test_reads_a_document(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('a = "b"\n[c]\n')
    assert toml_file.read(path) == {"a": "b", "c": {}}


@pytest.mark.parametrize("value", [None, 1, "", "x", [], True])
def test_a_table_that_is_none(value: object) -> None:
    with pytest.raises(MalformedFileError, match=r"x\.toml has no table \[a\]"):
        toml_file.table({"a": value}, "a", Path("x.toml"))


@pytest.mark.parametrize("value", [None, 1, "", [], {}])
def test_a_text_that_is_none(value: object) -> None:
    with pytest.raises(MalformedFileError, match='there has no text "a"'):
        toml_file.text({"a": value}, "a", "there")


@pytest.mark.parametrize("value", [1, "x", [1], ["x", 1], {}])
def test_texts_that_are_none(value: object) -> None:
    with pytest.raises(MalformedFileError, match='there has a "a"'):
        toml_file.texts({"a": value}, "a", "there")


def test_texts_may_be_absent() -> None:
    assert toml_file.texts({}, "a", "there") == ()
    assert toml_file.texts({"a": ["x", "y"]}, "a", "there") == ("x", "y")
