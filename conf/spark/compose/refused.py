"""How is a configuration refused that cannot work?"""

from __future__ import annotations

WRONG, UNAVAILABLE = 78, 69
"""Exit codes after sysexits.h: EX_CONFIG and EX_UNAVAILABLE."""


class RefusedError(Exception):
    """What is wrong and where; what to do about it; the exit code."""

    def __init__(self, what: str, remedy: str, exit_code: int = WRONG):
        super().__init__(f"{what}\n  {remedy}")
        self.exit_code = exit_code
