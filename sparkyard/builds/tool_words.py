"""What did uv or Maven fail of, by their own words: which package, and for which last cause?

uv names the package on its first line and shows all that the package's own build wrote. Maven
begins with a goal of its own, and names the artifact at the end of that line (3.8) or on a later
one (3.9).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_BUILT = re.compile(r"Failed to (?:download and )?build `([^`]+)`")
_CAUSE = re.compile(r"(?:^|[\s:])(?:[A-Za-z_.]*(?:Error|Exception)|error|ERROR|CMake Error)\b.*?: ")
"""A line of a compiler, of Python, of setuptools, Meson, CMake or cargo that says what is wrong."""
_FOLLOWS = re.compile(
    r"(?i)error: command .*(?:failed with exit|returned non-zero|'gcc', )|could not compile `|"
    r"CalledProcessError|subprocess-exited-with-error"
)
"""One that only says that a command failed, whose own words stand above it."""
_MAVEN = re.compile(r"\[ERROR\]\s+(\S.*?)(?: -> \[Help \d+\])?$")
_ARTIFACT = re.compile(r"Could not (?:find|transfer) artifact (?!.*Could not ).*?(?= -> \[Help|$)")


def unbuilt(said: Sequence[str]) -> tuple[str, str]:
    """Return the package that uv could not build and the last cause of that; empty for none."""
    for index, line in enumerate(said):
        if named := _BUILT.search(line):
            rest = [text.strip() for text in said[index + 1 :]]
            causes = [text for text in rest if _CAUSE.search(f"{text} ")]
            own = [text for text in causes if not _FOLLOWS.search(text)]
            chain = [text for text in rest if text.startswith("cause: ")]
            last = (own or causes or chain or [""])[-1]
            return named.group(1), last.removeprefix("cause: ")
    return "", ""


def of_maven(said: Sequence[str]) -> str:
    """Return what Maven failed of, an artifact where it names one; empty where it said nothing."""
    causes = [match.group(0) for line in said if (match := _ARTIFACT.search(line))]
    causes += [match.group(1) for line in said if (match := _MAVEN.search(line))]
    return causes[0] if causes else ""
