"""Is only said of a licence what the package has said for sure?"""

from __future__ import annotations

import pytest

from sparkyard.sbom.licences import expression, stated


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (["MIT"], "MIT"),
        (["apache-2.0 and mit"], "Apache-2.0 AND MIT"),
        (["License :: OSI Approved :: MIT License"], "MIT"),
        (["The Apache Software License, Version 2.0"], "Apache-2.0"),
        (["http://www.apache.org/licenses/LICENSE-2.0.txt"], "Apache-2.0"),
        (["https://opensource.org/licenses/BSD-2-Clause;description=BSD"], "BSD-2-Clause"),
        (["GPL (>= 2)"], "GPL-2.0-or-later"),
        (["Part of R 4.5.0"], "GPL-2.0-only OR GPL-3.0-only"),
        (["License :: OSI Approved :: BSD License", "BSD 3-Clause License"], "BSD-3-Clause"),
        (["Apache 2", "Apache License 2.0"], "Apache-2.0"),
    ],
)
def test_known_wording_becomes_an_expression(statements: list[str], found: str) -> None:
    assert expression(statements) == found


@pytest.mark.parametrize(
    "statements",
    [
        [],
        [""],
        ["BSD License"],
        ["MIT", "Apache-2.0"],
        ["GPL (>= 2) | file LICENCE"],
        ["Copyright (c) 2015-2017, Project Jupyter Contributors"],
        ["LicenseRef-mine"],
        ["MIT AND"],
        ["((("],
        ["MIT " * 200],
    ],
)
def test_what_is_ambiguous_or_unknown_is_no_expression(statements: list[str]) -> None:
    assert expression(statements) == ""


def test_the_own_words_are_kept_on_one_short_line() -> None:
    assert stated(["BSD\n  License", "BSD License", ""]) == "BSD License"
    assert len(stated(["x" * 500])) == 200
