"""What decides on the content of an image, and is it the same as before?

The inputs of a target are every file that its build reads and every argument that it is given, its
parent's and its layers' included, each by a digest. They fit on a label, so that a built image
says itself what it was made of, and a plan can name the file that makes a rebuild necessary.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from sparkyard import paths
from sparkyard.errors import MalformedFileError

_DIGITS = 12
_ARGUMENT = re.compile(r"^ARG\s+([A-Z_]+)\s*$", re.MULTILINE)

_COMPILED = "__pycache__"

Inputs = dict[str, str]
"""Digests, or short values, by the name of what they are of: a path or a build argument."""


def of_files(places: Iterable[Path]) -> Inputs:
    """Return the digests of files, and of all files below directories, by path in the checkout.

    What Python leaves beside a module that a test has loaded is no input, and in no image.

    Raises:
        MalformedFileError: lines of a script or a lock end as on Windows.
    """
    digests: Inputs = {}
    for place in places:
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            if file.is_file() and _COMPILED not in file.parts:
                executable = b"x" if file.stat().st_mode & 0o100 else b"-"
                name = str(file.relative_to(paths.ROOT))
                content = file.read_bytes()
                _check_lines(name, content)
                digests[name] = _short(executable + content)
    return digests


def arguments(dockerfile: Path, values: Mapping[str, str]) -> dict[str, str]:
    """Return the build arguments that a Dockerfile declares without a default, with their values.

    Raises:
        MalformedFileError: it declares one that has no value.
    """
    declared = dict.fromkeys(_ARGUMENT.findall(dockerfile.read_text()))
    for name in declared:
        if name not in values:
            raise MalformedFileError(
                f"{dockerfile} declares ARG {name}, which has no value.",
                f"Known are {', '.join(sorted(values))}; or give it a default in the Dockerfile.",
            )
    return {name: values[name] for name in declared}


def fingerprint(inputs: Inputs) -> str:
    """Return the digest of all inputs together, in twelve hexadecimal digits."""
    return _short(json.dumps(inputs, sort_keys=True).encode())


def changed(before: Inputs, now: Inputs) -> tuple[str, ...]:
    """Return the names of the inputs that were added, removed or changed."""
    return tuple(sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k)))


def _check_lines(name: str, content: bytes) -> None:
    """Refuse what a shell or the kernel would read with a CR at the end of each last word."""
    if b"\r\n" in content and (content.startswith(b"#!") or name.endswith(".lock")):
        raise MalformedFileError(
            f"Lines of {name} end in CR LF, as on Windows; in an image they must end in LF.",
            f"Save it with LF: `sed -i 's/\\r$//' {name}`.",
        )


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
