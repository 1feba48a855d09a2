"""Which files of an image belong to which package? Collected by looking inside, kept by digest.

`sparkyard.ownership_collector` writes the document; this module types it, and asks the engine for
it. Names and versions are facts (`sparkyard.facts`): here are files, licences and coordinates.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkyard import ownership_collector, paths, whole_file
from sparkyard.command import mask, run
from sparkyard.errors import CommandFailedError, InspectionError
from sparkyard.facts import ImageIdentity

COLLECT_TIMEOUT = 600.0
"""Seconds; a family's image of 48,000 files takes about 4."""

OURS = "io.sparkyard.fingerprint"
"""The label of images that Sparkyard built, and of their children."""

# -B: as root, Python could write byte code into the very tree that is counted.
_FIND_PYTHON = """
for python in python3 python /opt/venv/bin/python /opt/conda/bin/python /usr/bin/python3*; do
    found=$(command -v "$python" 2>/dev/null) || continue
    "$found" -I -S -B -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null || continue
    exec "$found" -I -S -B - "$@"
done
echo "no Python 3.6 or newer" >&2
exit 97
"""


@dataclass(frozen=True)
class Count:
    """Files, and their bytes; a symbolic link is a file of no bytes."""

    files: int
    bytes: int


@dataclass(frozen=True)
class DebianFacts:
    """What the facts do not say of a Debian package; `source` is its source package."""

    architecture: str
    maintainer: str
    source: str


@dataclass(frozen=True)
class Distribution:
    """A Python distribution: `licences` are its own statements, the most exact first."""

    id: str
    directory: str
    name: str
    version: str
    licences: tuple[str, ...]


@dataclass(frozen=True)
class RPackage:
    """An installed R package; `parent` is the component that brought its directory."""

    id: str
    name: str
    version: str
    licences: tuple[str, ...]
    parent: str | None


@dataclass(frozen=True)
class JarFile:
    """A jar: `poms` are the (group, artifact, version) inside it that fit the name of the file."""

    id: str
    path: str
    sha256: str
    poms: tuple[tuple[str, str, str], ...]
    vendor: str | None
    implementation: str | None
    licences: tuple[str, ...]
    parent: str | None


@dataclass(frozen=True)
class Ownership:
    """What there is in an image, by owner.

    Attributes:
        distribution: the system and its version, as in /etc/os-release: ("debian", "13").
        total: all files of the image, covered: those that a component accounts for.
        rules: how many files each way of finding an owner has accounted for.
        unaccounted: the first 500 paths that nothing accounts for.
        owners: counts by component, "deb:bash" for example; a file may be of several.
    """

    distribution: tuple[str, str]
    total: Count
    covered: Count
    rules: Mapping[str, int]
    unaccounted: tuple[str, ...]
    owners: Mapping[str, Count]
    debian: Mapping[str, DebianFacts]
    python: tuple[Distribution, ...]
    r: tuple[RPackage, ...]
    jars: tuple[JarFile, ...]

    def count(self, owner: str) -> Count:
        """Return the files of a component, none for one that has none."""
        return self.owners.get(owner, Count(0, 0))


def parse(document: str) -> Ownership:
    """Return the ownership of a JSON document.

    Raises:
        InspectionError: it is not JSON, of another schema, or misses a part.
    """
    try:
        data: dict[str, Any] = json.loads(document)
        if data["schema"] != ownership_collector.SCHEMA:
            raise ValueError(f"schema {data['schema']!r}")
        return Ownership(
            distribution=(data["os"]["id"], data["os"]["version"]),
            total=Count(data["files"], data["bytes"]),
            covered=Count(data["covered"], data["covered_bytes"]),
            rules=data["rules"],
            unaccounted=tuple(data["unaccounted"]),
            owners={key: Count(**value) for key, value in data["owners"].items()},
            debian={key: DebianFacts(**value) for key, value in data["debian"].items()},
            python=tuple(Distribution(**_frozen(each)) for each in data["python"]),
            r=tuple(RPackage(**_frozen(each)) for each in data["r"]),
            jars=tuple(JarFile(**_frozen(each)) for each in data["jars"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InspectionError(
            f"This is no document of ownership: {error}.", "Collect it again with this version."
        ) from error


def _frozen(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields of JSON with tuples for their lists."""
    return {
        key: tuple(tuple(x) if isinstance(x, list) else x for x in value)
        if isinstance(value, list)
        else value
        for key, value in fields.items()
    }


def collect(image: ImageIdentity) -> Ownership:
    """Return what is in an image by owner, from the cache where its digest was looked into before.

    Raises:
        InspectionError: the image has no Python 3.6 or newer, or the collector failed in it.
    """
    source = Path(ownership_collector.__file__).read_text(encoding="utf-8")
    made_by = hashlib.sha256(source.encode()).hexdigest()[:12]
    digest = image.digest.rpartition(":")[2]
    kept = paths.cache() / "ownership" / f"{digest}-{image.architecture or 'any'}-{made_by}.json"
    try:
        return parse(kept.read_text(encoding="utf-8"))
    except (OSError, InspectionError):
        pass
    document = _run_collector(image, source)
    found = parse(document)
    with contextlib.suppress(OSError):  # a full disk only costs the cache
        whole_file.write(kept, document)
    return found


def _run_collector(image: ImageIdentity, source: str) -> str:
    name = f"sparkyard-ownership-{secrets.token_hex(6)}"
    # Root, because a file that its owner alone may read is content of the image too.
    argv = ["docker", "run", "-i", "--rm", "--name", name, "--network", "none", "--pull", "never"]
    argv += ["--user", "0", "--security-opt", "no-new-privileges", "--entrypoint", "/bin/sh"]
    argv += [image.digest, "-c", _FIND_PYTHON, "sh", *(["--sparkyard"] * (OURS in image.labels))]
    try:
        ended = run(argv, stdin=source, check=False, timeout=COLLECT_TIMEOUT)
    except (CommandFailedError, KeyboardInterrupt):
        run(["docker", "rm", "--force", name], check=False)
        raise
    lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    if ended.exit_code == 0 and lines:
        return lines[-1]
    raise InspectionError(
        f"The files of {image.reference} could not be counted: exit code {ended.exit_code}.",
        "It needs a shell and Python 3.6 or newer; the lines above are the last that were written.",
        detail=mask("\n".join(ended.stderr.splitlines()[-10:])),
    )
