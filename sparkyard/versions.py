"""Which texts are versions of a release, and which of them is above another?

The rules are those of Semantic Versioning 2.0.0, by the library semver.
"""

from __future__ import annotations

from collections.abc import Iterable

from semver import Version

from sparkyard.errors import VersionError

_EXAMPLES = "Write it as 1.4.0, or 1.4.0-rc.1 for a release before the release."


def parse(text: str) -> Version:
    """Return a release's version.

    Raises:
        VersionError: it is not semantic, or has build metadata, which no tag can have.
    """
    parsed = _parsed(text)
    if parsed is None:
        raise VersionError(f'"{text}" is no semantic version{_hint(text)}.', _EXAMPLES)
    if parsed.build:
        raise VersionError(
            f'The version "{text}" has build metadata, and no tag can have a +.',
            f"Leave it out: {parsed.replace(build=None)}. The record names the commit anyway.",
        )
    return parsed


def is_version(text: str) -> bool:
    """Tell whether a text can be a release's version."""
    parsed = _parsed(text)
    return parsed is not None and not parsed.build


def released(names: Iterable[str]) -> tuple[str, ...]:
    """Return those of some tags that are versions, the lowest first."""
    return in_order(name for name in names if is_version(name))


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return versions with the lowest first.

    Raises:
        VersionError: one of them is none.
    """
    return tuple(sorted(names, key=parse))


def check_above(text: str, existing: Iterable[str]) -> Version:
    """Return a version that is to be released, after all that were.

    The last one is the highest, pre-releases too, whenever it was made.

    Args:
        text: the version.
        existing: tags, of which those that are versions count.

    Raises:
        VersionError: it is no version, was released, or is below the last.
    """
    wanted = parse(text)
    before = released(existing)
    if not before or wanted > Version.parse(before[-1]):
        return wanted
    highest = before[-1]
    following = ", ".join(following_versions(highest))
    if text in before:
        newer = "" if text == highest else f"; the last one is {highest}"
        raise VersionError(
            f"Version {text} was released already{newer}.",
            f"A released version never changes; the next can be {following}.",
        )
    raise VersionError(
        f"Version {text} is not above the last one released, {highest}.",
        f"The next can be {following}.",
    )


def following_versions(of: str) -> tuple[str, ...]:
    """Return the versions that can follow this one, the nearest first."""
    version = parse(of)
    if version.prerelease:
        return str(version.bump_prerelease()), str(version.finalize_version())
    return str(version.bump_patch()), str(version.bump_minor()), str(version.bump_major())


def _parsed(text: str) -> Version | None:
    try:
        parsed = Version.parse(text)
    except ValueError:
        return None
    return parsed


def _hint(text: str) -> str:
    if text[:1] in ("v", "V") and _parsed(text[1:]):
        return ": it has no v before it"
    if text.count(".") == 1 and _parsed(f"{text}.0"):
        return ": it has three numbers"
    return ""
