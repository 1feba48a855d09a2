"""What may be shown of a value that may hold a credential?"""

from __future__ import annotations

import re

WITHHELD = "***"

# As Spark's own spark.redaction.regex, and wider.
_SECRET_KEY = re.compile(
    r"(?i)secret|passw|token|credential|(access|private|api|account|shared)[._-]?key"
)
_SECRET_TEXT = re.compile(
    r"(?i)(?:://[^/\s@]+:)([^/\s@]+)(?=@)"
    r"|(?:(?:secret|passw(?:or)?d|token|credential|key)[a-z._-]*[=:]\s*)([^\s'\",;]+)"
)


def without_secrets(key: str, value: str) -> str:
    """Return a value, or what may be shown of it."""
    if _SECRET_KEY.search(key):
        return WITHHELD
    return _SECRET_TEXT.sub(_covered, value)


def _covered(match: re.Match[str]) -> str:
    secret = match[1] or match[2]
    return match[0][: -len(secret)] + WITHHELD
