"""What does an R package say of itself?"""

from __future__ import annotations

import re

_FIELD = re.compile(r"(?m)^(Package|Version|License|Built):\s*(.*?)\s*$")


def description(text: str) -> dict[str, str]:
    """Return the fields of a DESCRIPTION file, continued lines joined."""
    return dict(_FIELD.findall(re.sub(r"\n[ \t]+", " ", text)))
