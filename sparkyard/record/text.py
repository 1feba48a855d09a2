"""How do a release's pages write times, lengths of time and digests?"""

from __future__ import annotations

import re

_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}):\d{2}(?:\.\d+)?(?:Z|\+00:00)")


def moment(timestamp: str) -> str:
    """Return an RFC 3339 time in UTC as a person reads it; another text as it is."""
    match = _MOMENT.fullmatch(timestamp)
    return f"{match[1]} {match[2]} UTC" if match else timestamp


def duration(seconds: float) -> str:
    """Return a number of seconds as "4.2 s" or "1:05 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds == int(seconds) else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min"


def short(digest: str) -> str:
    """Return a digest's first 12 digits."""
    return digest.rpartition(":")[2][:12]


def signed(octets: int, size: str) -> str:
    """Return a difference in bytes with its sign; `size` is its amount in words."""
    sign = "+" if octets > 0 else "\u2212"
    return f"{sign} {size}"
