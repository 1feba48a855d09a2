"""Does a fingerprint change when, and only when, something that is read changes?"""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.errors import MalformedFileError
from sparkyard.plan import inputs


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/one").write_text("1")
    (tmp_path / "b").write_text("2")
    return tmp_path


def test_takes_files_and_all_files_below_directories(root: Path) -> None:
    (root / "a/deep").mkdir()
    (root / "a/deep/two").write_text("x")
    found = inputs.of_files([root / "a", root / "b", root / "absent"])
    assert list(found) == ["a/deep/two", "a/one", "b"]
    assert all(len(digest) == 12 for digest in found.values())


def test_what_python_compiled_is_no_input(root: Path) -> None:
    before = inputs.of_files([root / "a"])
    (root / "a/__pycache__").mkdir()
    (root / "a/__pycache__/one.cpython-311.pyc").write_text("x")
    assert inputs.of_files([root / "a"]) == before


def test_a_digest_is_of_content_and_executable_bit_alone(root: Path) -> None:
    before = inputs.of_files([root / "b"])
    (root / "b").touch()
    (root / "b").chmod(0o600)
    assert inputs.of_files([root / "b"]) == before
    (root / "b").chmod(0o755)
    assert inputs.of_files([root / "b"]) != before
    (root / "b").chmod(0o644)
    (root / "b").write_text("3")
    assert inputs.of_files([root / "b"]) != before


@pytest.mark.parametrize(
    ("name", "content"),
    [("run", b"#!/bin/sh\r\ntrue\r\n"), ("run", b"#!/bin/sh\ntrue\r\n"), ("x.lock", b"# a\r\n")],
)
def test_a_script_or_a_lock_of_a_windows_checkout_is_named(
    root: Path, name: str, content: bytes
) -> None:
    (root / "a" / name).write_bytes(content)
    with pytest.raises(MalformedFileError, match=f"Lines of a/{name} end in CR LF"):
        inputs.of_files([root / "a"])


def test_other_files_may_end_their_lines_as_they_like(root: Path) -> None:
    (root / "a/x.conf").write_bytes(b"spark.a b\r\n")
    (root / "a/run").write_bytes(b"#!/bin/sh\nprintf 'a\\r\\n'\n")
    assert len(inputs.of_files([root / "a"])) == 3


def test_a_fingerprint_does_not_depend_on_the_order() -> None:
    assert inputs.fingerprint({"a": "1", "b": "2"}) == inputs.fingerprint({"b": "2", "a": "1"})


@pytest.mark.parametrize("other", [{}, {"a": "2"}, {"b": "1"}, {"a": "1", "b": ""}])
def test_a_fingerprint_tells_different_inputs_apart(other: inputs.Inputs) -> None:
    assert inputs.fingerprint(other) != inputs.fingerprint({"a": "1"})


def test_names_what_changed() -> None:
    before = {"same": "1", "other": "1", "gone": "1"}
    now = {"same": "1", "other": "2", "new": "1"}
    assert inputs.changed(before, now) == ("gone", "new", "other")
    assert inputs.changed(before, before) == ()


def test_reads_the_arguments_that_have_no_default(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM x\nARG A\nARG B=1\n# ARG C\nRUN echo ARG D\nARG A\nARG E  \n")
    assert inputs.arguments(file, {"A": "1", "E": "5", "Z": "9"}) == {"A": "1", "E": "5"}


def test_an_argument_without_a_value(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM x\nARG A\n")
    with pytest.raises(MalformedFileError, match="ARG A") as refusal:
        inputs.arguments(file, {"B": "1", "C": "2"})
    assert str(file) in refusal.value.what
    assert "B, C" in refusal.value.remedy
