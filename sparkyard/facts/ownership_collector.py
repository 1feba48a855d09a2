"""Which package does each file of this machine belong to? Writes one JSON document of counts.

It stands alone: standard library only, Python 3.6 or newer, one file, so that it can be piped into
a container of any image. `sparkyard.facts.ownership` is the typed form of its document.

A file (a regular one, or a symbolic link) is accounted for when a Debian package lists it, a Python
distribution records it, it lies in an installed R package, it is a jar, a package's own tools made
it (`GENERATED`, `LINKS`, `COPIES`), or Sparkyard put it there (`SPARKYARD`). All others are listed.
Names and versions of packages are facts of `sparkyard.facts.collector`; here is what it does not
look at.
"""

# Python 3.6 has no X | None, no list[str] at run time, no zip(strict=).
# ruff: noqa: UP006, UP031, UP035, UP045, B905

import csv
import fnmatch
import hashlib
import json
import os
import re
import sys
import zipfile
from typing import Any, Dict, List, Optional, Set, Tuple

SCHEMA = 1
UNACCOUNTED_LIMIT = 500

# No content of an image: other file systems, and what every engine lays over a container.
OUTSIDE = ("/proc", "/sys", "/dev")
LAID_OVER = ("/.dockerenv", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv")

# What a Debian package's own scripts write when it is installed; * stands for anything.
GENERATED = (
    ("dpkg", "/var/lib/dpkg/*"),
    ("apt", "/var/lib/apt/extended_states"),
    ("apt", "/var/lib/apt/lists/lock"),
    ("apt", "/var/cache/apt/archives/lock"),
    ("apt", "/var/cache/apt/*pkgcache.bin"),
    ("base-files", "/etc/motd"),
    ("base-files", "/etc/profile"),
    ("base-files", "/etc/dpkg/origins/default"),
    ("base-files", "/usr/local/man"),
    ("base-files", "/usr/share/info/dir"),
    ("base-files", "/var/log/[bw]tmp"),
    ("base-files", "/var/log/lastlog"),
    ("base-files", "/var/spool/mail"),
    ("base-passwd", "/etc/passwd"),
    ("base-passwd", "/etc/group"),
    ("base-passwd", "/etc/shadow"),
    ("base-passwd", "/etc/gshadow"),
    ("base-passwd", "/etc/sub[ug]id"),
    ("passwd", "/etc/.pwd.lock"),
    ("ca-certificates", "/etc/ca-certificates.conf"),
    ("ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
    ("ca-certificates-java", "/etc/ssl/certs/java/cacerts"),
    ("debconf", "/var/cache/debconf/*.dat"),
    ("debianutils", "/etc/shells"),
    ("debianutils", "/var/lib/shells.state"),
    ("fontconfig", "/var/cache/fontconfig/*"),
    ("fontconfig", "/var/log/fontconfig.log"),
    ("init-system-helpers", "/var/lib/systemd/deb-systemd-helper-*"),
    ("java-common", "/etc/.java/.systemPrefs/.system*"),
    ("openjdk-8-jre-headless", "/etc/.java/.systemPrefs/.system*"),
    ("openjdk-*-jre-headless", "/usr/lib/jvm/*/classes*.jsa"),
    ("libc-bin", "/etc/ld.so.cache"),
    ("libc-bin", "/etc/nsswitch.conf"),
    ("libc-bin", "/var/cache/ldconfig/aux-cache"),
    ("libpam-modules", "/etc/environment"),
    ("libpam-modules", "/etc/security/opasswd"),
    ("libpam-runtime", "/etc/pam.d/common-*"),
    ("libpam-runtime", "/var/lib/pam/*"),
    ("netbase", "/etc/networks"),
    ("r-base-core", "/etc/R/Renviron"),
    ("readline-common", "/etc/inputrc"),
    ("tzdata", "/etc/localtime"),
    ("tzdata", "/etc/timezone"),
    ("ucf", "/var/lib/ucf/*"),
    ("python3.*-minimal", "/etc/python3/debian_config"),
    ("python3.*-minimal", "/var/lib/python/python3.*_installed"),
)

# Directories of symbolic links that update-alternatives, update-ca-certificates, update-rc.d and
# their like keep: such a link belongs to the package that its target belongs to.
LINKS = (
    "/etc/alternatives/*",
    "/etc/ssl/certs/*",
    "/etc/rc?.d/*",
    "/etc/systemd/system/*.wants/*",
    "/etc/fonts/conf.d/*",
    "/var/lib/systemd/deb-systemd-helper-enabled/*",
)

# Files that are made as copies: theirs is the owner of the pattern, where the bytes are the same.
COPIES = (
    ("/home/*/.bashrc", "/etc/skel/.bashrc"),
    ("/home/*/.profile", "/etc/skel/.profile"),
    ("/home/*/.bash_logout", "/etc/skel/.bash_logout"),
    ("/root/.bashrc", "/usr/share/base-files/dot.bashrc"),
    ("/root/.profile", "/usr/share/base-files/dot.profile"),
)

# What Sparkyard's Dockerfiles, the virtual environment that they make, and the bootstrapping of the
# base put into an image; asked for by `--sparkyard`, as another image may have files so named.
SPARKYARD = (
    "/usr/local/bin/entrypoint",
    "/usr/local/bin/spark-entrypoint",
    "/usr/local/bin/start-notebook",
    "/usr/local/share/jupyter/kernels/ir/kernel.json",
    "/usr/local/share/jupyter/kernels/scala/kernel.json",
    "/usr/local/share/jupyter/kernels/scala/kernel.py",
    "/etc/spark/spark-defaults.conf",
    "/opt/java",
    "/opt/spark",
    "/opt/venv/lib/python3.*/site-packages/pyspark/conf",
    "/opt/venv/lib64",
    "/opt/venv/pyvenv.cfg",
    "/opt/venv/CACHEDIR.TAG",
    "/opt/venv/.gitignore",
    "/opt/venv/bin/python",
    "/opt/venv/bin/python3",
    "/opt/venv/bin/python3.[0-9][0-9]",
    "/opt/venv/bin/activate",
    "/opt/venv/bin/activate.bat",
    "/opt/venv/bin/activate.csh",
    "/opt/venv/bin/activate.fish",
    "/opt/venv/bin/activate.nu",
    "/opt/venv/bin/activate.ps1",
    "/opt/venv/bin/activate.xsh",
    "/opt/venv/bin/activate_this.py",
    "/opt/venv/bin/deactivate.bat",
    "/opt/venv/bin/pydoc.bat",
    "/opt/venv/lib/python3.*/site-packages/_virtualenv.p*",
    "/etc/apt/sources.list",
    "/etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "/etc/fstab",
)

MANIFEST_KEYS = ("Implementation-Vendor-Id", "Implementation-Version", "Bundle-License")


def shown(path: str) -> str:
    """Return a path in text that can be printed: a file's name may hold any byte but two."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)


class Tree:
    """The files below a root directory, named as if that were /: sizes in bytes, links' targets."""

    def __init__(self, root: str = "/") -> None:
        self.root = root.rstrip("/")
        self.sizes: Dict[str, int] = {}
        self.links: Dict[str, str] = {}
        self.cache: Dict[str, str] = {}
        covered = set(OUTSIDE) | set(LAID_OVER) | self.mounts()
        waiting = ["/"]
        while waiting:
            directory = waiting.pop()
            for entry in os.scandir(self.root + directory):
                path = os.path.join(directory, entry.name)
                if path in covered:
                    continue
                if entry.is_symlink():
                    target = os.readlink(entry.path)
                    # Engines make this one when a container starts.
                    if (path, target) != ("/etc/mtab", "/proc/mounts"):
                        self.sizes[path], self.links[path] = 0, target
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                elif entry.is_file(follow_symlinks=False):
                    self.sizes[path] = entry.stat(follow_symlinks=False).st_size

    def mounts(self) -> Set[str]:
        """Return what is mounted over this tree, but for the tree itself."""
        lines = (self.read("/proc/self/mountinfo") or "").splitlines()
        found = {line.split()[4].replace("\\040", " ") for line in lines if len(line.split()) > 4}
        return found - {"/"}

    def read(self, path: str) -> Optional[str]:
        """Return a file as text, None where it cannot be read."""
        try:
            with open(self.root + path, encoding="utf-8", errors="replace", newline="") as file:
                return file.read()
        except OSError:
            return None

    def names(self, directory: str) -> List[str]:
        """Return the names in a directory, sorted; none where it cannot be read."""
        try:
            return sorted(os.listdir(self.root + directory))
        except OSError:
            return []

    def real(self, path: str, hops: int = 40) -> str:
        """Return the path with all links followed, whether or not it leads to something."""
        if path in ("", "/"):
            return "/"
        known = self.cache.get(path)
        if known is not None:
            return known
        parent, name = os.path.split(path)
        if name in ("", "."):
            return self.real(parent, hops)
        if name == "..":
            return os.path.dirname(self.real(parent, hops))
        here = os.path.join(self.real(parent, hops), name)
        target = self.links.get(here)
        if target is not None and hops > 0:
            here = self.real(os.path.join(os.path.dirname(here), target), hops - 1)
        self.cache[path] = here
        return here

    def place(self, path: str) -> str:
        """Return where a file of that name lies, with the links of its directory followed."""
        parent, name = os.path.split(path)
        if name == "..":
            return self.real(path)
        return os.path.join(self.real(parent), name)


class Ownership:
    """Who owns what, as it grows: the first owner of a file is the one that counts for it."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.owners: Dict[str, List[str]] = {}
        self.listed: Dict[str, str] = {}
        self.rules: Dict[str, int] = {}

    def claim(self, path: str, owner: str, rule: str) -> None:
        """Note that a path is a component's, if it is there."""
        place = self.tree.place(path)
        if place not in self.tree.sizes:
            # A man page that was left out still says whose the link to it is.
            self.listed.setdefault(place, owner)
            return
        owners = self.owners.setdefault(place, [])
        if not owners:
            self.rules[rule] = self.rules.get(rule, 0) + 1
        if owner not in owners:
            owners.append(owner)

    def owner(self, path: str) -> Optional[str]:
        """Return the component that counts for a path, there or only listed."""
        owners = self.owners.get(path)
        return owners[0] if owners else self.listed.get(path)

    def free(self) -> List[str]:
        """Return the paths that nobody owns as yet."""
        return sorted(path for path in self.tree.sizes if path not in self.owners)


# --- Debian ---------------------------------------------------------------------------------


def debian(found: Ownership) -> Dict[str, Dict[str, str]]:
    """Claim what dpkg's lists name; return what the database says of each package."""
    tree = found.tree
    texts = [tree.read("/var/lib/dpkg/status")]
    texts += [
        tree.read("/var/lib/dpkg/status.d/" + name) for name in tree.names("/var/lib/dpkg/status.d")
    ]
    packages: Dict[str, Dict[str, str]] = {}
    for block in "\n\n".join(text for text in texts if text).split("\n\n"):
        pattern = r"(?m)^(Package|Architecture|Status|Maintainer|Source): (.*)$"
        fields = dict(re.findall(pattern, block))
        if "Package" in fields and "installed" in fields.get("Status", "installed").split():
            key = fields["Package"]
            if key in packages:  # as in the facts: the second architecture is told by its name
                key += ":" + fields.get("Architecture", "")
            packages[key] = {
                "architecture": fields.get("Architecture", ""),
                "maintainer": fields.get("Maintainer", ""),
                "source": str(fields.get("Source") or fields["Package"]).split()[0],
            }
    for name in tree.names("/var/lib/dpkg/info"):
        stem, _, kind = name.rpartition(".")
        key = stem if stem in packages else stem.partition(":")[0]
        if key in packages and kind in ("list", "conffiles"):
            for line in (tree.read("/var/lib/dpkg/info/" + name) or "").splitlines():
                path = line.strip().split(" ")[0] if kind == "conffiles" else line
                if path.startswith("/"):
                    found.claim(path, "deb:" + key, "listed")
    lines = (tree.read("/var/lib/dpkg/diversions") or "").splitlines()
    for path, moved, by in zip(lines[0::3], lines[1::3], lines[2::3]):
        owner = found.owner(tree.place(path)) or "deb:" + by
        found.claim(moved, owner, "listed")
    return packages


def links(found: Ownership) -> None:
    """Claim the links that Debian's tools keep, and those that lead through /etc/alternatives."""
    for path in found.free():
        target = found.tree.links.get(path)
        if target is None:
            continue
        if target.startswith("/etc/alternatives/") or matches(path, LINKS):
            owner = found.owner(found.tree.real(path))
            if owner is not None:
                found.claim(path, owner, "link")


def generated(found: Ownership, packages: Dict[str, Dict[str, str]]) -> None:
    """Claim what installed packages make, and copies of what they own."""
    rules = [
        ("deb:" + name, pattern)
        for wanted, pattern in GENERATED
        for name in sorted(fnmatch.filter(packages, wanted))
    ]
    for path in found.free():
        owners = [owner for owner, pattern in rules if fnmatch.fnmatchcase(path, pattern)]
        for pattern, original in COPIES:
            owner = found.owner(original) if fnmatch.fnmatchcase(path, pattern) else None
            if owner is not None and found.tree.read(path) == found.tree.read(original):
                owners.append(owner)
        if owners:
            found.claim(path, owners[0], "generated")


def matches(path: str, patterns: Tuple[str, ...]) -> bool:
    """Tell whether a path fits one of the patterns."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


# --- Python ---------------------------------------------------------------------------------


def python(found: Ownership) -> List[Dict[str, Any]]:
    """Claim what distributions record; return them, without those inside another package."""
    tree = found.tree
    infos = set()
    for path in tree.sizes:
        parent, name = os.path.split(path)
        if name in ("METADATA", "PKG-INFO") and parent.endswith((".dist-info", ".egg-info")):
            infos.add(parent)
        elif name.endswith(".egg-info"):
            infos.add(path)
    claims = {info: recorded(tree, info) for info in sorted(infos)}
    claimed = {tree.place(path): info for info in sorted(claims) for path in claims[info]}
    distributions = []
    for info in sorted(claims):
        inside = [info] if info in tree.sizes else [info + "/METADATA", info + "/PKG-INFO"]
        inside = [path for path in inside if path in tree.sizes]
        others = {claimed.get(tree.place(path), info) for path in inside} - {info}
        if others or any(path in found.owners for path in inside):
            continue  # copied into another distribution, or a Debian package's
        for path in claims[info]:
            found.claim(path, "python:" + info, "recorded")
        distributions.append(distribution(tree, info, inside[0]))
    return distributions


def recorded(tree: Tree, info: str) -> List[str]:
    """Return the paths that a distribution says are its own."""
    directory = os.path.dirname(info)
    paths = [info] if info in tree.sizes else []
    record = tree.read(info + "/RECORD")
    if record is not None:
        rows = csv.reader(record.splitlines())
        return paths + [os.path.join(directory, row[0]) for row in rows if row and row[0]]
    installed = tree.read(info + "/installed-files.txt")
    if installed is not None:
        return paths + [os.path.join(info, line) for line in installed.splitlines() if line]
    tops = (tree.read(info + "/top_level.txt") or "").split()
    tops = tops or [re.split(r"-\d", os.path.basename(info))[0]]
    starts = (info + "/", *(os.path.join(directory, top) + "/" for top in tops))
    modules = {os.path.join(directory, top) + ".py" for top in tops}
    return paths + [path for path in tree.sizes if path.startswith(starts) or path in modules]


def distribution(tree: Tree, info: str, metadata: str) -> Dict[str, Any]:
    """Return name, version and what is said about the licence, the best statement first."""
    header = re.split(r"\r?\n\r?\n", tree.read(metadata) or "", maxsplit=1)[0]

    def every(field: str) -> List[str]:
        return [str(x).strip() for x in re.findall(r"(?mi)^%s:[ \t]*(.+)$" % field, header)]

    stem = os.path.basename(info).rsplit(".", 1)[0].split("-")
    classifiers = [x for x in every("Classifier") if x.startswith("License ::")]
    return {
        "id": "python:" + info,
        "directory": os.path.dirname(info),
        "name": (every("Name") or stem)[0],
        "version": (every("Version") or [*stem[1:2], "?"])[0],
        "licences": every("License-Expression") + classifiers + every("License"),
    }


def byte_code(found: Ownership) -> None:
    """Claim compiled Python for the owner of its source."""
    for path in found.free():
        if not path.endswith(".pyc"):
            continue
        directory, name = os.path.split(path)
        source = path[:-1]
        if os.path.basename(directory) == "__pycache__":
            stem = re.sub(r"\.[\w-]+(\.opt-\w+)?\.pyc$", "", name)
            source = os.path.join(os.path.dirname(directory), stem + ".py")
        owners = found.owners.get(source)
        if owners:
            found.claim(path, owners[0], "byte code")


# --- R and jars -----------------------------------------------------------------------------


def r_packages(found: Ownership) -> List[Dict[str, Any]]:
    """Claim the directories of installed R packages; return the packages."""
    tree = found.tree
    packages = []
    for path in sorted(tree.sizes):
        directory, name = os.path.split(path)
        if name != "DESCRIPTION":
            continue
        text = re.sub(r"\n[ \t]+", " ", tree.read(path) or "")
        fields = dict(re.findall(r"(?m)^(Package|Version|License|Built):\s*(.*?)\s*$", text))
        # R's own catalogues of messages are installed without having been built.
        built = "Built" in fields or fields.get("License", "").startswith("Part of R ")
        if not built or fields.get("Package") != os.path.basename(directory):
            continue
        key = "r:" + directory
        packages.append(
            {
                "id": key,
                "name": fields["Package"],
                "version": fields.get("Version", "?"),
                "licences": [fields["License"]] if "License" in fields else [],
                "parent": found.owner(path),
            }
        )
        for inside in tree.sizes:
            if inside.startswith(directory + "/"):
                found.claim(inside, key, "R package")
    return packages


def jars(found: Ownership) -> List[Dict[str, Any]]:
    """Claim every jar as a component of its own; return what they say of themselves."""
    described = []
    for path in sorted(found.tree.sizes):
        if not path.endswith(".jar") or path in found.tree.links:
            continue
        parent = found.owner(path)
        key = "jar:" + shown(path)
        found.claim(path, key, "jar")
        described.append(dict(jar(found.tree, path), id=key, path=shown(path), parent=parent))
    return described


def jar(tree: Tree, path: str) -> Dict[str, Any]:
    """Return the sha256 of a jar, and the coordinates and licences that stand inside it."""
    digest = hashlib.sha256()
    with open(tree.root + path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    poms: List[List[str]] = []
    licences: List[str] = []
    manifest: Dict[str, str] = {}
    base = os.path.basename(path)[: -len(".jar")]
    try:
        with zipfile.ZipFile(tree.root + path) as archive:
            names = set(archive.namelist())
            for name in sorted(names):
                if not re.match(r"META-INF/maven/[^/]+/[^/]+/pom\.properties$", name):
                    continue
                text = archive.read(name).decode("utf-8", "replace")
                fields = dict(re.findall(r"(?m)^(groupId|artifactId|version)=(.*?)\s*$", text))
                # A jar may bring others' poms with it: its own is the one after which it is named.
                if len(fields) == 3 and base.startswith("%(artifactId)s-%(version)s" % fields):
                    poms.append([fields["groupId"], fields["artifactId"], fields["version"]])
                    pom = name[: -len("properties")] + "xml"
                    xml = archive.read(pom).decode("utf-8", "replace") if pom in names else ""
                    pattern = r"(?s)<license>.*?<name>\s*(.*?)\s*</name>"
                    licences += [str(x) for x in re.findall(pattern, xml)]
            if "META-INF/MANIFEST.MF" in names:
                text = archive.read("META-INF/MANIFEST.MF").decode("utf-8", "replace")
                text = re.sub(r"\r?\n ", "", text)
                wanted = r"(?m)^(%s): (.*?)\s*$" % "|".join(MANIFEST_KEYS)
                manifest = dict(re.findall(wanted, text.split("\n\n")[0].replace("\r", "")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        pass  # a broken jar is still a file with a hash
    if "Bundle-License" in manifest:
        licences.append(manifest["Bundle-License"])
    return {
        "sha256": digest.hexdigest(),
        "poms": poms,
        "vendor": manifest.get("Implementation-Vendor-Id"),
        "implementation": manifest.get("Implementation-Version"),
        "licences": licences,
    }


def os_release(tree: Tree) -> Dict[str, str]:
    """Return the distribution's name and version: "debian" and "13"."""
    text = tree.read("/etc/os-release") or ""
    fields = dict(re.findall(r"(?m)^(ID|VERSION_ID)=\"?(.*?)\"?$", text))
    return {"id": fields.get("ID", ""), "version": fields.get("VERSION_ID", "")}


def account(root: str = "/", ours: bool = False) -> Tuple[Ownership, Dict[str, Any]]:
    """Return who owns what below `root`, and the packages; `ours`: it is an image of Sparkyard."""
    found = Ownership(Tree(root))
    packages = debian(found)
    # In this order: the first owner of a file is the one that it counts for.
    parts = {
        "debian": packages,
        "python": python(found),
        "r": r_packages(found),
        "jars": jars(found),
    }
    if ours:
        for path in found.free():
            if matches(path, SPARKYARD):
                found.claim(path, "sparkyard:", "Sparkyard's own")
    links(found)
    byte_code(found)
    generated(found, packages)
    return found, parts


def collect(root: str = "/", ours: bool = False) -> Dict[str, Any]:
    """Return the whole document for the tree below `root`; see `account`."""
    found, parts = account(root, ours)
    sizes = found.tree.sizes
    counts: Dict[str, List[int]] = {}
    for path, owners in found.owners.items():
        for owner in owners:
            count = counts.setdefault(owner, [0, 0])
            count[0] += 1
            count[1] += sizes[path]
    document = {
        "schema": SCHEMA,
        "os": os_release(found.tree),
        "files": len(sizes),
        "bytes": sum(sizes.values()),
        "covered": len(found.owners),
        "covered_bytes": sum(sizes[path] for path in found.owners),
        "rules": found.rules,
        "unaccounted": [shown(path) for path in found.free()[:UNACCOUNTED_LIMIT]],
        "owners": {key: {"files": count[0], "bytes": count[1]} for key, count in counts.items()},
    }
    document.update(parts)
    return document


def main() -> None:
    """Write the document to standard output."""
    json.dump(collect(ours="--sparkyard" in sys.argv), sys.stdout, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
