"""What did a registry say, and is it worth asking again?"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Mapping

from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from sparkyard.command import mask
from sparkyard.errors import RegistryUnreachableError
from sparkyard.registry.http import Answer, Limits, is_loopback

AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Statuses after which the same question may have another answer (RFC 9110, RFC 6585).

An answer with any other is final."""
_UPLOAD_LOST = frozenset(("BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"))
"""What a registry says of an upload that it began before it restarted, or that a twin of it began.
Another upload is another question."""
_BYTES_CHANGED = frozenset(("DIGEST_INVALID", "SIZE_INVALID"))
"""What a registry says of bytes that came as others than those that went out."""
_FULL = re.compile(r"no space left|quota|ENOSPC|disk full|\"Err\":\s*(28|122)\b", re.I)
"""What storage drivers say of a full disk; 28 and 122 are Linux's ENOSPC and EDQUOT, which
docker-registry gives as bare numbers."""


class Patience:
    """How often one question is still asked again: shared by all the tries of it."""

    def __init__(self, host: str, what: str, limits: Limits) -> None:
        """Begin to count; `what` is the question, as in "could not be asked ..."."""
        self._host = host
        self._what = what
        self._limits = limits
        self._left = limits.retries
        self._changed = False
        self._began = time.monotonic()

    def may(self, answer: Answer, *, upload: bool = False) -> bool:
        """Tell whether to ask again after this answer: most are final, and what is full stays full.

        Args:
            answer: what was said.
            upload: whether this was the end of an upload; to ask again is to begin another one.
        """
        return (
            self._left > 0
            and (answer.status in AGAIN or (upload and self._helps_anew(answer)))
            and not is_full(answer)
            and self._wait(answer) <= self._limits.longest_wait
        )

    def _helps_anew(self, answer: Answer) -> bool:
        """Tell whether a blob may be taken in another upload; bytes that changed get one more."""
        named = codes(answer)
        if named & _BYTES_CHANGED and not self._changed:
            self._changed = True
            return True
        return bool(named & _UPLOAD_LOST)

    def again(self, why: str, answer: Answer | None = None) -> None:
        """Wait until the next try.

        Raises:
            RegistryUnreachableError: there is none left.
        """
        if self._left <= 0:
            raise self.lost(why)
        time.sleep(self._wait(answer) if answer else self._pause())
        self._left -= 1

    def lost(self, why: str) -> RegistryUnreachableError:
        """Return the error for a question that nobody answers."""
        tries = self._limits.retries - self._left + 1
        seconds = time.monotonic() - self._began
        local = is_loopback(f"http://{self._host}")
        return RegistryUnreachableError(
            f"The registry {self._host} could not be asked {self._what}: {why} "
            f"({tries} {'try' if tries == 1 else 'tries'}, {seconds:.0f} s).",
            "Start it: `nox -s registry`; then run the same command again."
            if local
            else "Check the network and the setting registry (REGISTRY), then run the same "
            "command again: what was sent is kept.",
        )

    def _wait(self, answer: Answer) -> float:
        try:
            asked = Retry().parse_retry_after(answer.headers.get("Retry-After", ""))
        except InvalidHeader:
            return self._pause()
        return max(asked, 0)

    def _pause(self) -> float:
        tried = self._limits.retries - self._left
        # The spread keeps parallel tries from coming back all at once; it is no secret.
        return self._limits.backoff * float(2**tried) * random.uniform(0.7, 1.3)  # noqa: S311


def codes(answer: Answer) -> set[str]:
    """Return the error codes of the specification in an answer; none in one of something else."""
    return {str(problem.get("code", "")) for problem in _errors(answer)}


def said(answer: Answer) -> str:
    """Return what a registry says of its refusal, as the end of a sentence; empty for nothing."""
    words = []
    for problem in _errors(answer):
        detail = problem.get("detail")
        more = f" {json.dumps(detail)}" if detail else ""
        words.append(f"{problem.get('code', '')} {problem.get('message', '')}{more}")
    text = mask("; ".join(words))[:300]
    return f" ({text})" if text else ""


def is_full(answer: Answer) -> bool:
    """Tell whether a registry has no room left."""
    text = answer.data[:4096].decode(errors="replace")
    return answer.status == 507 or (answer.status >= 500 and bool(_FULL.search(text)))


def _errors(answer: Answer) -> list[Mapping[str, object]]:
    try:
        listed = json.loads(answer.data)["errors"]
        return [problem for problem in listed if isinstance(problem, dict)]
    except (ValueError, KeyError, TypeError):
        return []
