"""Has every error a code of its own, and does the documentation know them all?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sparkyard import errors
from sparkyard.errors import SparkyardError

DOCUMENT = Path(errors.__file__).parent.parent / "docs" / "exit-codes.md"
CLASSES: list[type[SparkyardError]] = [SparkyardError, *SparkyardError.__subclasses__()]
ROWS = re.findall(r"^\| (\d+) \| *(\w*) *\|([^|]+)\|([^|]+)\|$", DOCUMENT.read_text(), re.MULTILINE)


def test_no_two_errors_share_a_code() -> None:
    codes = [error.exit_code for error in CLASSES]
    assert len(set(codes)) == len(codes)
    taken_elsewhere = {0, 2, 126, 127, errors.INTERRUPTED}
    assert not taken_elsewhere & set(codes)
    assert all(0 < code < 126 for code in codes)


def test_all_errors_of_the_module_are_direct_kinds_of_the_one() -> None:
    defined = {value for value in vars(errors).values() if isinstance(value, type)}
    assert {error for error in defined if issubclass(error, Exception)} == set(CLASSES)


@pytest.mark.parametrize("error", CLASSES)
def test_each_says_what_it_is_for(error: type[SparkyardError]) -> None:
    assert (error.__doc__ or "").strip().splitlines()[0].endswith(".")


def test_the_document_lists_each_error_with_its_code_and_nothing_else() -> None:
    documented = {name: int(code) for code, name, _, _ in ROWS if name}
    assert documented == {error.__name__: error.exit_code for error in CLASSES}


def test_the_document_says_what_each_code_means_and_is_in_order() -> None:
    codes = [int(code) for code, *_ in ROWS]
    assert codes == sorted(set(codes))
    assert {0, 2, errors.INTERRUPTED} < set(codes)
    assert all(meaning.strip() for _, _, meaning, _ in ROWS)
    assert all(remedy.strip() for code, _, _, remedy in ROWS if code != "0")


def test_an_error_carries_what_happened_and_what_to_do() -> None:
    error = SparkyardError("It broke.", "Mend it.", detail="a line")
    assert (str(error), error.what, error.remedy) == ("It broke.", "It broke.", "Mend it.")
    assert error.detail == "a line"
