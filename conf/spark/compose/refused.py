"""How is a configuration refused that cannot work, without a secret in the message?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WRONG, UNAVAILABLE = 78, 69
"""Exit codes after sysexits.h: EX_CONFIG and EX_UNAVAILABLE."""

_SECRET = re.compile(r"secret|password|token|access[.]?key", re.IGNORECASE)
"""Spark's own pattern of what it does not show, by a key or a value: spark.redaction.regex."""
_BEFORE_HOST = re.compile(r"(?<=://)\S+(?=@)")
"""User and password in a URL, which may have a / or an @ of its own."""


class RefusedError(Exception):
    """What is wrong and where; what to do about it; the exit code."""

    def __init__(self, what: str, remedy: str, exit_code: int = WRONG):
        super().__init__(f"{what}\n  {remedy}")
        self.exit_code = exit_code


def is_secret(key: str, value: str) -> bool:
    """Tell whether Spark would show a property without its value."""
    return bool(_SECRET.search(key) or _SECRET.search(value))


def shown(key: str, value: str) -> str:
    """Return a value as a message may show it."""
    return "***" if is_secret(key, value) else _BEFORE_HOST.sub("***", value)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Refuse a file or a directory that this user cannot read, with the cause.

    Raises:
        RefusedError: it cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise RefusedError(
            f"{error.filename or path} cannot be read: {error.strerror or error}.",
            "Take it away, or let this user read it.",
        ) from None
