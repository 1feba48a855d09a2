"""What was proven about an image? Small records by digest, of which the last outcome counts.

The parts are the image's own tests ("images"), those of the family at work on a Spark cluster
("e2e") and on Kubernetes ("kubernetes"), those at greater length ("nightly"), and the parity gate.
`nox -s tests` and `nox -s parity` write them; a push asks for those that the settings name.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sparkyard import console, paths, settings
from sparkyard.decode import NotOfThatTypeError, decode
from sparkyard.errors import EvidenceMissingError
from sparkyard.family.images import Family
from sparkyard.files import whole_file
from sparkyard.record.record import ParityRow, RecordedTests

SCHEMA = 1
DIRECTORY = "evidence"
"""Its name in the cache."""

PARTS = settings.EVIDENCE

COMMANDS = {
    "images": "nox -s tests -- --only images",
    "e2e": "nox -s tests -- --only e2e",
    "kubernetes": "nox -s tests -- --only kubernetes",
    "nightly": "nox -s tests -- --nightly",
    "parity": "nox -s parity",
}
"""What proves each part."""


@dataclass(frozen=True)
class Evidence:
    """The last outcome of one part for one digest.

    Attributes:
        part: one of `PARTS`.
        passed, failed, skipped: tests, or rows of the parity report.
        seconds: that they took.
        at: when they ended, RFC 3339 in UTC.
        revision: the commit of the checkout whose tests ran; empty where there was none.
        dirty: whether that checkout had changes besides.
        failures: names of what failed.
        beside: digests of the other images that took part, by name: what was proven is that
            these work together. Images that a hub serves have the stack, too: NAME:STACK.
        parity: the rows of the report, for the part "parity".
    """

    digest: str
    image: str
    part: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    at: str
    revision: str
    dirty: bool
    failures: tuple[str, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict)
    parity: tuple[ParityRow, ...] = ()
    schema: int = SCHEMA

    @property
    def good(self) -> bool:
        """Whether it speaks for the digest: something ran, and nothing failed."""
        return self.passed > 0 and self.failed == 0

    def __add__(self, other: Evidence) -> Evidence:
        """Return the outcome of both, which are of the same digest and part."""
        return dataclasses.replace(
            self,
            passed=self.passed + other.passed,
            failed=self.failed + other.failed,
            skipped=self.skipped + other.skipped,
            seconds=self.seconds + other.seconds,
            at=other.at,
            failures=self.failures + other.failures,
            beside={**self.beside, **other.beside},
            parity=self.parity + other.parity,
        )

    def recorded(self) -> RecordedTests:
        """Return it as it stands in the record of a release."""
        return RecordedTests(
            self.part,
            self.passed,
            self.failed,
            self.skipped,
            self.seconds,
            self.at,
            self.revision + ("-dirty" if self.dirty else ""),
        )


@dataclass(frozen=True)
class Gap:
    """A part that speaks for an image nowhere; `why` is a few words.

    `stack` is empty for an image of the default one.
    """

    image: str
    digest: str
    part: str
    why: str
    stack: str = ""


def needed(family: Family, name: str, parts: Iterable[str]) -> tuple[str, ...]:
    """Return those of `parts` that an image needs before it may be pushed.

    Parity is a matter of a pair, and of a hub beside the servers that it starts; Spark at work is
    one of images that a stack owns. What an image inherits from its parent is tested in the image
    itself: a parent's evidence adds nothing.
    """
    image = family[name]
    agrees = bool(family.role(name) or image.serves)
    asked = ("images", "parity") if image.project else PARTS
    return tuple(part for part in parts if part in asked and (agrees or part != "parity"))


def record(evidence: Evidence) -> None:
    """Keep an outcome, in place of the earlier one of the same digest and part.

    Raises:
        OSError: it cannot be written; the earlier one still stands then.
    """
    text = json.dumps(dataclasses.asdict(evidence), indent=1, sort_keys=True)
    whole_file.write(_file(evidence.digest, evidence.part), f"{text}\n")


def together(outcomes: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return one outcome a digest and part, where an image took part in several comparisons."""
    merged: dict[tuple[str, str], Evidence] = {}
    for one in outcomes:
        before = merged.get((one.digest, one.part))
        merged[one.digest, one.part] = one if before is None else before + one
    return tuple(merged.values())


def of(digest: str) -> tuple[Evidence, ...]:
    """Return what is known of a digest, in the order of `PARTS`.

    A record that cannot be read is as none; a note tells of it.
    """
    records = []
    for part in PARTS:
        file = _file(digest, part)
        try:
            text = file.read_text(encoding="utf-8")
            evidence = decode(Evidence, json.loads(text), "evidence")
            if (evidence.schema, evidence.digest, evidence.part) != (SCHEMA, digest, part):
                raise NotOfThatTypeError("it is of something else, or of another version")
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            console.note(f"{file} is damaged and counts for nothing: {error}")
            continue
        records.append(evidence)
    return tuple(records)


def gaps(
    digests: Mapping[str, str],
    family: Family,
    parts: Iterable[str],
    served: Mapping[str, str] | None = None,
) -> tuple[Gap, ...]:
    """Return what is not proven of some images.

    Args:
        digests: of each image of one stack, by name. Where a part speaks for several images at
            work together, those that are named here must be the ones that worked.
        family: says what each image is.
        parts: are asked for.
        served: digests of the servers' images that hubs among them start, as `beside` names them; a
            hub must have been compared with each.
    """
    parts, served = tuple(parts), served or {}
    stack = "" if family.project == family.default_stack else family.project
    missing: list[Gap] = []
    for name, digest in digests.items():
        known = {evidence.part: evidence for evidence in of(digest)}
        of_hub = served if family[name].serves else {}
        reasons = {
            part: why_not(known.get(part), digests, of_hub if part == "parity" else {})
            for part in needed(family, name, parts)
        }
        missing += [Gap(name, digest, part, why, stack) for part, why in reasons.items() if why]
    return tuple(missing)


def refuse(missing: Collection[Gap]) -> None:
    """Raise EvidenceMissingError where something is missing, which names all of it."""
    if missing:
        raise _refused(missing)


def now() -> str:
    """Return the time as evidence writes it, RFC 3339 in UTC."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def short(digest: str) -> str:
    """Return the first 12 digits of a digest, as engines show it."""
    return digest.removeprefix("sha256:")[:12]


def _file(digest: str, part: str) -> Path:
    return paths.cache() / DIRECTORY / digest.removeprefix("sha256:") / f"{part}.json"


def why_not(
    evidence: Evidence | None,
    digests: Mapping[str, str],
    served: Mapping[str, str] | None = None,
) -> str:
    """Return why a part does not speak for an image among `digests`; "" where it does.

    Args: as of `gaps`.
    """
    served = served or {}
    if evidence is None:
        return "not run"
    if evidence.failed:
        return f"{evidence.failed} failed"
    if not evidence.good:
        return "nothing ran"
    now = {**digests, **served}
    others = [
        f"{name} {short(digest)}"
        for name, digest in evidence.beside.items()
        if now.get(name, digest) != digest
    ]
    if others:
        return f"run beside {', '.join(others)}"
    absent = [name for name in served if name not in evidence.beside]
    return f"not run beside {', '.join(absent)}" if absent else ""


def _refused(missing: Collection[Gap]) -> EvidenceMissingError:
    by_image: dict[tuple[str, str, str], list[str]] = {}
    by_stack: dict[str, set[str]] = {}
    for gap in missing:
        image = (gap.image, gap.stack, gap.digest)
        by_image.setdefault(image, []).append(f"{gap.part} ({gap.why})")
        by_stack.setdefault(gap.stack, set()).add(gap.part)
    named = "; ".join(
        f"{image}{f' on {stack}' if stack else ''} {short(digest)}: {', '.join(why)}"
        for (image, stack, digest), why in by_image.items()
    )
    commands = [command for stack, parts in by_stack.items() for command in _proving(parts, stack)]
    return EvidenceMissingError(
        f"Not proven of these digests: {named}.",
        f"Run {' and '.join(f'`{command}`' for command in commands)}, then the same command again. "
        "Evidence is kept on the machine where the tests ran.",
    )


def _proving(parts: Collection[str], stack: str) -> list[str]:
    """Return the commands that prove some parts on a stack, the default one when empty."""
    commands = [COMMANDS[part] for part in PARTS if part in parts]
    if {"images", "e2e"} <= set(parts):
        # One command runs both, and where there is a cluster all three.
        one = {COMMANDS[part] for part in ("images", "e2e", "kubernetes")}
        commands = ["nox -s tests", *(command for command in commands if command not in one)]
    if not stack:
        return commands
    return [
        f"{command}{'' if ' -- ' in command else ' --'} --stack {stack}" for command in commands
    ]
