"""Which Python packages are in some directories, and are their files what they claim?"""

from __future__ import annotations

import base64
import os
import re
from typing import Any

from sparkyard.facts.collector.inspection import Hashes, hash_of_listing, walk
from sparkyard.facts.inside import packages as installed
from sparkyard.facts.inside.files import list_dir, read_text

# An installer's notes about itself: they differ between two installs of the same content.
_NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
_LEGAL = ("licen", "copying", "authors", "notice")
_NAMED_LIMIT = 20


_Package = tuple[dict[str, Any], str, dict[str, str]]
"""What is written about a package, its own directory or file of notes, and the files that it says
are its own, with the hashes it gives."""


def package_facts(known: Hashes, directories: list[str]) -> tuple[list[dict[str, Any]], set[str]]:
    """Return the packages that these directories hold, and the files that they claim."""
    packages: dict[str, _Package] = {}
    for directory in directories:
        for entry in list_dir(directory):
            if entry.endswith(installed.PYTHON_INFO):
                package = _read(directory, entry)
                name = re.sub(r"[-_.]+", "-", package[0]["name"]).lower()  # as PEP 503 compares it
                if name in packages:  # a second copy: Python imports the first one
                    name = f"{name} in {directory}"
                package[0]["name"] = name
                packages[name] = package
    claimed = {path for _, _, claims in packages.values() for path in claims}
    known.add(claimed)
    return [_compared(known, *packages[name]) for name in sorted(packages)], claimed


def _read(directory: str, entry: str) -> _Package:
    """Return a package, whose notes are the directory or the file `entry`."""
    info = os.path.join(directory, entry)
    single = os.path.isfile(info)
    places = [info] if single else [os.path.join(info, name) for name in installed.PYTHON_METADATA]
    name, version, fields = installed.of_python(
        info, next(filter(None, map(read_text, places)), "")
    )
    record = None if single else read_text(os.path.join(info, "RECORD"))
    if record is not None:
        basis: str | None = "RECORD"
        claims = {
            os.path.normpath(os.path.join(directory, path)): claim
            for path, claim in installed.python_record(record)
            if not path.endswith(".pyc")
        }
    else:
        top_level = (None if single else read_text(os.path.join(info, "top_level.txt"))) or ""
        modules = top_level.split() or [name.replace("-", "_"), name.replace("-", "_").lower()]
        trees = [os.path.join(directory, module) for module in modules]
        files = [path for tree in trees for path in (*walk(tree), tree + ".py")]
        claims = dict.fromkeys(filter(os.path.isfile, files), "")
        basis = "top_level.txt" if claims else None
        claims |= dict.fromkeys([info] if single else walk(info), "")
    installer = "" if single else read_text(os.path.join(info, "INSTALLER")) or ""
    written = {
        "name": name,
        "version": version,
        "installer": installer.strip() or None,
        "basis": basis,
        "directory": directory,
        "requires": installed.python_field(fields, "Requires-Dist"),
    }
    return written, info, claims


def _compared(
    known: Hashes, written: dict[str, Any], info: str, claims: dict[str, str]
) -> dict[str, Any]:
    """Return what is written about a package, with its files as they are, and as it claims."""
    listing: dict[str, str | None] = {}
    altered: list[str] = []
    for path, claim in claims.items():
        note = path[len(info) + 1 :] if path.startswith(info) else ""
        if note in _NOTES or note.lower().startswith(_LEGAL):
            continue
        sha = known.of(path)
        base = f"{written['directory']}/"
        within = path[len(base) :] if path.startswith(base) else os.path.relpath(path, base)
        listing[within] = sha
        if sha is not None and claim.startswith("sha256="):
            real = base64.urlsafe_b64encode(bytes.fromhex(sha)).decode().rstrip("=")
            if real != claim[len("sha256=") :].rstrip("="):
                altered.append(within)
    return written | {
        "sha256": hash_of_listing(listing) if written["basis"] else None,
        "files": len(listing),
        "altered": sorted(altered)[:_NAMED_LIMIT],
        "absent": sorted(path for path, sha in listing.items() if sha is None)[:_NAMED_LIMIT],
    }
