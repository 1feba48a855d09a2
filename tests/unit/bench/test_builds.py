"""Is a package bumped, whatever the checkout asks for?"""

from __future__ import annotations

import pytest

from bench import builds

LOCK = """
[[package]]
name = "tabulate"
version = "0.9.0"
"""


@pytest.mark.parametrize("asked", ["*", "<0.10", "^0.9"])
def test_the_measured_package_is_asked_for_in_an_older_version(asked: str) -> None:
    declared = f'tabulate = "{asked}"\ntabulate-more = "*"\n'
    assert builds.older(declared, LOCK) == 'tabulate = "<0.9.0"\ntabulate-more = "*"\n'
