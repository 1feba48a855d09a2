"""What does a collector see in an image? It runs there once; what it wrote is kept by digest.

A collector is a program of Python, standard library only, that writes one JSON object on one line:
`sparkyard.facts.joined` makes it of modules. It takes the place of the image's entrypoint, and is
given no network.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sparkyard import paths
from sparkyard.command import mask, run
from sparkyard.decode import decode
from sparkyard.errors import CommandFailedError, InspectionError
from sparkyard.facts.identity import ImageIdentity
from sparkyard.files import whole_file

_Document = TypeVar("_Document")

TIMEOUT = 600.0
"""Seconds; a family's image takes 5 to 8, a cold 5 GB conda image about a minute."""

NO_PYTHON = 97
"""Exit code of `FIND_PYTHON` when an image has no interpreter at all."""

# A collector needs any Python, and finds the ones that count by itself: so take what there is.
# -I and -S: neither the image's PYTHON* variables nor its site hooks change the collector.
# -B: as root, Python could write byte code into the very tree that is looked at.
# What stands in an interpreter's place may never end.
FIND_PYTHON = f"""
limit=$(command -v timeout >/dev/null 2>&1 && echo "timeout 10")
for python in "${{PYSPARK_PYTHON:-python3}}" python3 python /opt/venv/bin/python \
    /opt/conda/bin/python /usr/bin/python3* /usr/local/bin/python3*; do
    interpreter=$(command -v "$python" 2>/dev/null) || continue
    $limit "$interpreter" -I -S -B -c 'import sys; sys.exit(sys.version_info < (3, 9))' \\
        2>/dev/null || continue
    exec "$interpreter" -I -S -B - "$@"
done
exit {NO_PYTHON}
"""


@dataclass(frozen=True)
class Look:
    """A way of looking into an image.

    Attributes:
        name: of what is collected, "facts": it names the cache's directory, and containers.
        source: the collector as text.
        cannot: how an error begins where it cannot be done, "good:1 cannot be looked into".
        options: of `docker run`.
        arguments: of the collector.
    """

    name: str
    source: str
    cannot: str
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


def typed(document: str, kind: type[_Document], schema: int, name: str) -> _Document:
    """Return a document of JSON as a dataclass, with what it should have as its schema and name.

    Raises:
        InspectionError: it is not JSON, of another schema, or misses a part.
    """
    try:
        data = json.loads(document)
        if not isinstance(data, dict) or data.get("schema") != schema:
            told = data.get("schema") if isinstance(data, dict) else type(data).__name__
            raise ValueError(f"schema {told!r} where {schema} is known")
        return decode(kind, data, name)
    except ValueError as error:
        raise InspectionError(
            f"This is no document of {name}: {error}.", "Collect it again with this version."
        ) from error


def collect(image: ImageIdentity, look: Look, parse: Callable[[str], _Document]) -> _Document:
    """Return what `parse` makes of the collector's text, of the cache's where it is known there.

    Args:
        image: what to look into.
        look: how.
        parse: raises InspectionError for a text that is no such document.

    Raises:
        InspectionError: the image has no Python 3.9 or newer, or the collector failed in it.
        CommandFailedError: it did not end in time.
    """
    made_by = hashlib.sha256(look.source.encode()).hexdigest()[:12]
    digest = image.digest.rpartition(":")[2]
    kept = paths.cache() / look.name / f"{digest}-{image.architecture or 'any'}-{made_by}.json"
    with contextlib.suppress(OSError, UnicodeDecodeError, InspectionError):
        return parse(kept.read_text(encoding="utf-8"))
    text = _run(image.digest, look)
    document = parse(text)
    with contextlib.suppress(OSError):  # a full disk only costs the cache
        whole_file.write(kept, text + "\n")
    return document


def _run(digest: str, look: Look) -> str:
    name = f"sparkyard-{look.name}-{secrets.token_hex(6)}"
    # By digest, so that a tag that moves meanwhile does not put a document under a wrong name.
    argv = ["docker", "run", "-i", "--rm", "--name", name, "--network", "none", "--pull", "never"]
    argv += ["--security-opt", "no-new-privileges", *look.options, "--entrypoint", "/bin/sh"]
    argv += [digest, "-c", FIND_PYTHON, "sh", *look.arguments]
    try:
        ended = run(argv, stdin=look.source, check=False, timeout=TIMEOUT)
    except (CommandFailedError, KeyboardInterrupt):
        run(["docker", "rm", "--force", name], check=False)
        raise
    lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    if ended.exit_code == 0 and lines:
        return lines[-1]
    if ended.exit_code == NO_PYTHON:
        why = "the image has no Python 3.9 or newer."
        remedy = "It takes one to look inside: check that this is the image you mean."
    elif ended.exit_code in (126, 127):
        why = "the image cannot run /bin/sh."
        remedy = "Take an image with a shell, made for this machine's architecture."
    else:
        why = f"the collector failed with exit code {ended.exit_code}."
        remedy = "The lines above are the last that it wrote; the image may be damaged."
    detail = mask("\n".join(ended.stderr.splitlines()[-10:]))
    raise InspectionError(f"{look.cannot}: {why}", remedy, detail=detail)
