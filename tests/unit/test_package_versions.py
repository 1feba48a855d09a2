"""Is a newer version told from an older one, by each kind's own rules?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sparkyard import package_versions

DEBIAN = [
    ("1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0a", "1.0+dfsg-1"),
    ("1.9", "1.10", "2", "10", "1:0.1", "2:0"),
    ("2.41-12", "2.41-12+deb13u1", "2.41-12+deb13u2", "2.41-13"),
    ("8u503-ga-2", "8u504-ga-1", "8u504-ga-2"),
    ("3.11.2-6", "3.11.2-6+deb12u9", "3.11.2-6+deb12u10"),
    ("5.0~alpha1", "5.0~beta1", "5.0~rc1", "5.0"),
]
PYTHON = [
    ("1.0.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0", "1.0.post1", "1.1", "1!0.1"),
    ("2.9.0", "2.10.0"),
]
NUMBERS = [
    ("1.0-alpha", "1.0-beta", "1.0-rc1", "1.0-rc2", "1.0", "1.0.1", "1.1", "1.10"),
    ("3.7.0-M1", "3.7.0-M11", "3.7.0"),
    ("1.7-3", "1.7-10", "1.8"),
    ("4.1.96.Final", "4.1.97.Final", "4.1.100.Final"),
    ("1.3.2", "1.3.2.9000"),
    ("1.0", "1.0-jdk8"),
]


@pytest.mark.parametrize(
    ("compare", "rising"),
    [
        *((package_versions.compare_debian, each) for each in DEBIAN),
        *((package_versions.compare_python, each) for each in PYTHON),
        *((package_versions.compare_numbers, each) for each in NUMBERS),
    ],
)
def test_versions_rise(compare: Callable[[str, str], int], rising: tuple[str, ...]) -> None:
    for place, one in enumerate(rising):
        assert compare(one, one) == 0
        for other in rising[place + 1 :]:
            assert compare(one, other) < 0, (one, other)
            assert compare(other, one) > 0, (other, one)


@pytest.mark.parametrize(
    ("compare", "one", "other"),
    [
        (package_versions.compare_debian, "1.0", "1.0-0"),
        (package_versions.compare_debian, "0:1.0", "1.0"),
        (package_versions.compare_debian, "1.01", "1.1"),
        (package_versions.compare_python, "1.0", "1.0.0"),
        (package_versions.compare_numbers, "1", "1.0"),
        (package_versions.compare_numbers, "1.0.Final", "1.0"),
        (package_versions.compare_numbers, "0.1-8", "0.1.8"),
        (package_versions.compare_numbers, "", ""),
    ],
)
def test_versions_that_are_the_same_in_other_words(
    compare: Callable[[str, str], int], one: str, other: str
) -> None:
    assert compare(one, other) == compare(other, one) == 0


def test_what_is_no_version_of_python_is_still_compared() -> None:
    assert package_versions.compare_python("2024-10-x", "2024-9-x") > 0
    assert package_versions.compare_python("1.0", "unknown") != 0
