"""Which jars are there, and what do they say of themselves?"""

from __future__ import annotations

import os
import re
import zipfile
from typing import Any

from sparkyard.facts.inside.files import sha256
from sparkyard.facts.ownership_collector.owners import Owners
from sparkyard.facts.ownership_collector.tree import shown

_MANIFEST = "META-INF/MANIFEST.MF"
_MANIFEST_KEY = re.compile(
    r"(?m)^(Implementation-Vendor-Id|Implementation-Version|Bundle-License): (.*?)\s*$"
)
_POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties$")
_POM_FIELD = re.compile(r"(?m)^(groupId|artifactId|version)=(.*?)\s*$")
_POM_LICENCE = re.compile(r"(?s)<license>.*?<name>\s*(.*?)\s*</name>")


def claim_jars(owners: Owners) -> list[dict[str, Any]]:
    """Claim every jar as a component of its own; return what they say of themselves."""
    described = []
    for path in sorted(owners.tree.sizes):
        if not path.endswith(".jar") or path in owners.tree.links:
            continue
        parent = owners.first(path)
        key = f"jar:{shown(path)}"
        owners.claim(path, key, "jar")
        jar = _described(owners.tree.root + path)
        described.append({**jar, "id": key, "path": shown(path), "parent": parent})
    return described


def _described(file: str) -> dict[str, Any]:
    """Return the sha256 of a jar, and the coordinates and licences that stand inside it."""
    poms: list[list[str]] = []
    licences: list[str] = []
    manifest: dict[str, str] = {}
    base = os.path.basename(file)[: -len(".jar")]
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            for name in filter(_POM.match, sorted(names)):
                fields = dict(_POM_FIELD.findall(_text(archive, name)))
                # A jar may bring others' poms with it: its own is the one after which it is named.
                if len(fields) == 3 and base.startswith("{artifactId}-{version}".format(**fields)):
                    poms.append([fields["groupId"], fields["artifactId"], fields["version"]])
                    pom = name[: -len("properties")] + "xml"
                    licences += _POM_LICENCE.findall(_text(archive, pom) if pom in names else "")
            if _MANIFEST in names:
                text = re.sub(r"\r?\n ", "", _text(archive, _MANIFEST))
                manifest = dict(_MANIFEST_KEY.findall(text.split("\n\n")[0].replace("\r", "")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        pass  # a broken jar is still a file with a hash
    if "Bundle-License" in manifest:
        licences.append(manifest["Bundle-License"])
    return {
        "sha256": sha256(file),
        "poms": poms,
        "vendor": manifest.get("Implementation-Vendor-Id"),
        "implementation": manifest.get("Implementation-Version"),
        "licences": licences,
    }


def _text(archive: zipfile.ZipFile, name: str) -> str:
    return archive.read(name).decode("utf-8", "replace")
