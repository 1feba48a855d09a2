"""Which SPDX expression do a package's own words about its licence mean, if any?

Only what is not to be misread is translated: "BSD License" may be any of three licences, so it
stays what the package said. Where its statements contradict each other, nothing is claimed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from license_expression import Licensing  # type: ignore[import-untyped]

_APACHE = "Apache-2.0"
_KNOWN = {
    # Trove classifiers, by their last part.
    "apache software license": _APACHE,
    "mit license": "MIT",
    "isc license (iscl)": "ISC",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mit no attribution license (mit-0)": "MIT-0",
    "the unlicense (unlicense)": "Unlicense",
    # Names in Maven's poms, in manifests, and in Python's older metadata.
    "apache 2": _APACHE,
    "apache 2.0": _APACHE,
    "apache license 2.0": _APACHE,
    "apache license v2.0": _APACHE,
    "apache license, version 2.0": _APACHE,
    "the apache license, version 2.0": _APACHE,
    "the apache software license, version 2.0": _APACHE,
    "www.apache.org/licenses/license-2.0": _APACHE,
    "apache license (== 2.0)": _APACHE,
    "the mit license": "MIT",
    "www.opensource.org/licenses/mit-license.php": "MIT",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "the new bsd license": "BSD-3-Clause",
    "www.eclipse.org/org/documents/edl-v10.php": "BSD-3-Clause",
    "edl 1.0": "BSD-3-Clause",
    "epl 2.0": "EPL-2.0",
    "gpl2 w/ cpe": "GPL-2.0-only WITH Classpath-exception-2.0",
    "mpl 1.1": "MPL-1.1",
    # R's own way; R itself says GPL-2 | GPL-3.
    "mit + file license": "MIT",
    "gpl-2": "GPL-2.0-only",
    "gpl-3": "GPL-3.0-only",
    "gpl (>= 2)": "GPL-2.0-or-later",
    "gpl (>= 3)": "GPL-3.0-or-later",
    "gpl-2 | gpl-3": "GPL-2.0-only OR GPL-3.0-only",
    "lgpl (>= 2.1)": "LGPL-2.1-or-later",
}
_EXPRESSION = re.compile(r"[\w.+-][\w.+() -]{0,200}", re.ASCII)
_URL = re.compile(r"^https?://")
_ENDING = re.compile(r"(\.txt|\.html)?/?$")
_SPDX_URL = re.compile(r"^https?://(?:spdx\.org|(?:www\.)?opensource\.org)/licenses/([\w.-]+)$")


def expression(statements: Iterable[str]) -> str:
    """Return the SPDX expression on which all understood statements agree, "" where there is none.

    The source of the table is the wording of the packages that are in the family's images.
    """
    understood = {licence for statement in statements if (licence := _translate(statement))}
    return understood.pop() if len(understood) == 1 else ""


def stated(statements: Iterable[str]) -> str:
    """Return the statements as one line of at most 200 characters."""
    text = "; ".join(
        dict.fromkeys(" ".join(statement.split()) for statement in statements if statement.strip())
    )
    return text if len(text) <= 200 else text[:197] + "..."


@functools.cache
def _translate(statement: str) -> str:
    text = statement.partition(";description=")[0].rpartition("::")[2].strip()
    if re.fullmatch(r"Part of R [\d.]+", text):
        return _KNOWN["gpl-2 | gpl-3"]
    if match := _SPDX_URL.match(_ENDING.sub("", text)):
        text = match[1]
    if _URL.match(text):
        text = _ENDING.sub("", _URL.sub("", text))
    return _KNOWN.get(text.lower()) or _spdx(text)


@functools.cache
def licensing() -> Licensing:
    """Return the library's reader of SPDX expressions; it takes a tenth of a second to make."""
    from license_expression import get_spdx_licensing  # noqa: PLC0415

    return get_spdx_licensing()


def _spdx(text: str) -> str:
    """Return a text that is an SPDX expression already, in its usual spelling."""
    from license_expression import ExpressionError  # noqa: PLC0415

    # The library may fail otherwise than with its own error on text that is no expression at all.
    if not _EXPRESSION.fullmatch(text) or "LicenseRef" in text:
        return ""
    try:
        return str(licensing().parse(text, validate=True, strict=True))
    except ExpressionError:
        return ""
