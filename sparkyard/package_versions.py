"""Which of two versions of a package is the newer one? Each kind of package has its own rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import zip_longest

from packaging.version import InvalidVersion, Version

QUALIFIERS = ("alpha", "a", "beta", "b", "milestone", "m", "rc", "cr", "snapshot", "ea", "preview")
"""Words that say that a version comes before the one without them, after Maven's own list."""

_SAME = ("final", "ga", "release", "jre")
"""Words that add nothing to a version."""


def compare_debian(one: str, other: str) -> int:
    """Return below 0, 0 or above 0, by section 5.6.12 of Debian's policy."""
    epochs = [int(v.partition(":")[0]) if re.match(r"\d+:", v) else 0 for v in (one, other)]
    if epochs[0] != epochs[1]:
        return epochs[0] - epochs[1]
    rest = [re.sub(r"^\d+:", "", v) for v in (one, other)]
    # Without a hyphen the revision is as if it were 0.
    (first, first_revision), (second, second_revision) = (
        (v.rpartition("-")[0], v.rpartition("-")[2]) if "-" in v else (v, "0") for v in rest
    )
    return _debian_part(first, second) or _debian_part(first_revision, second_revision)


def compare_python(one: str, other: str) -> int:
    """Return below 0, 0 or above 0, by Python's own rules where both versions keep to them."""
    try:
        first, second = Version(one), Version(other)
    except InvalidVersion:
        return compare_numbers(one, other)
    return (first > second) - (first < second)


def compare_numbers(one: str, other: str) -> int:
    """Return below 0, 0 or above 0 for versions of jars and R packages.

    Numbers count as numbers, and a word such as rc is below nothing at all, as it is in Maven.
    """
    sides = (_tokens(one), _tokens(other))
    for first, second in zip_longest(*sides, fillvalue=(1, 0, "")):
        if first != second:
            return 1 if first > second else -1
    return 0


COMPARE: Mapping[str, Callable[[str, str], int]] = {
    "debian": compare_debian,
    "python": compare_python,
    "jars": compare_numbers,
    "r": compare_numbers,
}
"""The rules by kind of package, as record.Packages has them."""


def _tokens(version: str) -> list[tuple[int, int, str]]:
    """Return a version's parts so that they compare: word before, nothing, other word, number."""
    tokens = []
    for part in re.findall(r"\d+|[a-z]+", version.lower()):
        if part.isdigit():
            # A 0 is as good as nothing: 1.0 and 1 are one version.
            tokens.append((1, 0, "") if int(part) == 0 else (3, int(part), ""))
        elif part in _SAME:
            tokens.append((1, 0, ""))
        elif part in QUALIFIERS:
            tokens.append((0, 0, {"a": "alpha", "b": "beta", "m": "milestone"}.get(part, part)))
        else:
            tokens.append((2, 0, part))
    return tokens


def _debian_part(one: str, other: str) -> int:
    while one or other:
        words = [re.match(r"[^0-9]*", text) for text in (one, other)]
        first, second = (word.group() if word else "" for word in words)
        if first != second:
            by_letter = [[_order(letter) for letter in word] + [0] for word in (first, second)]
            return 1 if by_letter[0] > by_letter[1] else -1
        one, other = one[len(first) :], other[len(second) :]
        numbers = [re.match(r"[0-9]*", text) for text in (one, other)]
        left, right = (number.group() if number else "" for number in numbers)
        if int(left or 0) != int(right or 0):
            return int(left or 0) - int(right or 0)
        one, other = one[len(left) :], other[len(right) :]
    return 0


def _order(letter: str) -> int:
    """Return a character's place: ~ before the end of a text, letters before all the others."""
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
