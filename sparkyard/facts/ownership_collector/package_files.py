"""Which files are of Python distributions, R packages, jars, and what do these say?"""

from __future__ import annotations

import os
import re
import zipfile
from typing import Any

from sparkyard.facts.inside import packages as installed
from sparkyard.facts.inside.files import sha256
from sparkyard.facts.ownership_collector.owners import Owners, Tree, shown

_MANIFEST = "META-INF/MANIFEST.MF"
_MANIFEST_KEY = re.compile(
    r"(?m)^(Implementation-Vendor-Id|Implementation-Version|Bundle-License): (.*?)\s*$"
)
_POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties$")
_POM_FIELD = re.compile(r"(?m)^(groupId|artifactId|version)=(.*?)\s*$")
_POM_LICENCE = re.compile(r"(?s)<license>.*?<name>\s*(.*?)\s*</name>")


def claim_recorded(owners: Owners) -> list[dict[str, Any]]:
    """Claim what distributions record; return them, without those inside another package."""
    tree = owners.tree
    infos = set()
    for path in tree.sizes:
        parent, name = os.path.split(path)
        if name in installed.PYTHON_METADATA and parent.endswith(installed.PYTHON_INFO):
            infos.add(parent)
        elif name.endswith(".egg-info"):
            infos.add(path)
    claims = {info: _recorded(tree, info) for info in sorted(infos)}
    claimed = {tree.place(path): info for info, paths in claims.items() for path in paths}
    described = []
    for info, paths in claims.items():
        places = (info, *(f"{info}/{name}" for name in installed.PYTHON_METADATA))
        metadata = [path for path in places if path in tree.sizes]
        others = {claimed.get(tree.place(path), info) for path in metadata} - {info}
        if others or any(path in owners.of for path in metadata):
            continue  # copied into another distribution, or a Debian package's
        for path in paths:
            owners.claim(path, f"python:{info}", "recorded")
        described.append(_of_distribution(info, tree.read(metadata[0]) or ""))
    return described


def claim_r_packages(owners: Owners) -> list[dict[str, Any]]:
    """Claim the directories of installed R packages; return the packages."""
    tree = owners.tree
    packages = []
    for path in sorted(tree.sizes):
        directory, name = os.path.split(path)
        if name != "DESCRIPTION":
            continue
        fields = installed.of_r(tree.read(path) or "")
        # R's own catalogues of messages are installed without having been built.
        built = "Built" in fields or fields.get("License", "").startswith("Part of R ")
        if not built or fields.get("Package") != os.path.basename(directory):
            continue
        package = {"id": f"r:{directory}", "parent": owners.first(path)}
        package |= {"name": fields["Package"], "version": fields.get("Version", "?")}
        licences = [fields["License"]] if "License" in fields else []
        packages.append({**package, "licences": licences})
        for inside in tree.sizes:
            if inside.startswith(directory + "/"):
                owners.claim(inside, f"r:{directory}", "R package")
    return packages


def claim_jars(owners: Owners) -> list[dict[str, Any]]:
    """Claim every jar as a component of its own; return what they say of themselves."""
    described = []
    for path in sorted(owners.tree.sizes):
        if not path.endswith(".jar") or path in owners.tree.links:
            continue
        parent = owners.first(path)
        key = f"jar:{shown(path)}"
        owners.claim(path, key, "jar")
        jar = _of_jar(owners.tree.root + path)
        described.append({**jar, "id": key, "path": shown(path), "parent": parent})
    return described


def claim_byte_code(owners: Owners) -> None:
    """Claim compiled Python for the owner of its source."""
    for path in owners.free():
        if not path.endswith(".pyc"):
            continue
        directory, name = os.path.split(path)
        source = path[:-1]
        if os.path.basename(directory) == "__pycache__":
            stem = re.sub(r"\.[\w-]+(\.opt-\w+)?\.pyc$", "", name)
            source = os.path.join(os.path.dirname(directory), stem + ".py")
        if source in owners.of:
            owners.claim(path, owners.of[source][0], "byte code")


def _recorded(tree: Tree, info: str) -> list[str]:
    """Return the paths that a distribution says are its own."""
    directory = os.path.dirname(info)
    paths = [info] if info in tree.sizes else []
    record = tree.read(info + "/RECORD")
    if record is not None:
        rows = installed.python_record(record)
        return paths + [os.path.join(directory, path) for path, _ in rows]
    files = tree.read(info + "/installed-files.txt")
    if files is not None:
        return paths + [os.path.join(info, line) for line in files.splitlines() if line]
    modules = (tree.read(info + "/top_level.txt") or "").split()
    modules = modules or [re.split(r"-\d", os.path.basename(info))[0]]
    starts = (info + "/", *(os.path.join(directory, module) + "/" for module in modules))
    single = {os.path.join(directory, module) + ".py" for module in modules}
    return paths + [path for path in tree.sizes if path.startswith(starts) or path in single]


def _of_distribution(info: str, metadata: str) -> dict[str, Any]:
    """Return name, version and what is said about the licence, the best statement first."""
    name, version, fields = installed.of_python(info, metadata)
    classifiers = installed.python_field(fields, "Classifier")
    return {
        "id": f"python:{info}",
        "directory": os.path.dirname(info),
        "name": name,
        "version": version,
        "licences": [
            *installed.python_field(fields, "License-Expression"),
            *(value for value in classifiers if value.startswith("License ::")),
            *installed.python_field(fields, "License"),
        ],
    }


def _of_jar(file: str) -> dict[str, Any]:
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
