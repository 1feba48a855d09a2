"""Which files do Debian packages list, and which do their own tools make?"""

from __future__ import annotations

import fnmatch

from sparkyard.facts.inside.files import list_dir, sha256
from sparkyard.facts.inside.packages import DPKG, of_debian
from sparkyard.facts.ownership_collector.owners import Owners

Packages = dict[str, dict[str, str]]

# What a Debian package's own scripts write when it is installed; * stands for anything.
_GENERATED = {
    "dpkg": ("/var/lib/dpkg/*",),
    "apt": ("/var/lib/apt/extended_states", "/var/lib/apt/lists/lock",
        "/var/cache/apt/archives/lock", "/var/cache/apt/*pkgcache.bin"),
    "base-files": ("/etc/motd", "/etc/profile", "/etc/dpkg/origins/default", "/usr/local/man",
        "/usr/share/info/dir", "/var/log/[bw]tmp", "/var/log/lastlog", "/var/spool/mail"),
    "base-passwd": ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/sub[ug]id"),
    "passwd": ("/etc/.pwd.lock",),
    "ca-certificates": ("/etc/ca-certificates.conf", "/etc/ssl/certs/ca-certificates.crt"),
    "ca-certificates-java": ("/etc/ssl/certs/java/cacerts",),
    "debconf": ("/var/cache/debconf/*.dat",),
    "debianutils": ("/etc/shells", "/var/lib/shells.state"),
    "fontconfig": ("/var/cache/fontconfig/*", "/var/log/fontconfig.log"),
    "init-system-helpers": ("/var/lib/systemd/deb-systemd-helper-*",),
    "java-common": ("/etc/.java/.systemPrefs/.system*",),
    "openjdk-8-jre-headless": ("/etc/.java/.systemPrefs/.system*",),
    "openjdk-*-jre-headless": ("/usr/lib/jvm/*/classes*.jsa",),
    "libc-bin": ("/etc/ld.so.cache", "/etc/nsswitch.conf", "/var/cache/ldconfig/aux-cache"),
    "libpam-modules": ("/etc/environment", "/etc/security/opasswd"),
    "libpam-runtime": ("/etc/pam.d/common-*", "/var/lib/pam/*"),
    "netbase": ("/etc/networks",),
    "r-base-core": ("/etc/R/Renviron",),
    "readline-common": ("/etc/inputrc",),
    "tzdata": ("/etc/localtime", "/etc/timezone"),
    "ucf": ("/var/lib/ucf/*",),
    "python3.*-minimal": ("/etc/python3/debian_config", "/var/lib/python/python3.*_installed"),
}  # fmt: skip

# Directories of symbolic links that update-alternatives, update-ca-certificates, update-rc.d and
# their like keep: such a link belongs to the package that its target belongs to.
_LINKS = (
    "/etc/alternatives/*", "/etc/ssl/certs/*", "/etc/rc?.d/*", "/etc/systemd/system/*.wants/*",
    "/etc/fonts/conf.d/*", "/var/lib/systemd/deb-systemd-helper-enabled/*",
)  # fmt: skip

# Files that are made as copies: theirs is the owner of the pattern, where the bytes are the same.
_COPIES = (
    ("/home/*/.bashrc", "/etc/skel/.bashrc"),
    ("/home/*/.profile", "/etc/skel/.profile"),
    ("/home/*/.bash_logout", "/etc/skel/.bash_logout"),
    ("/root/.bashrc", "/usr/share/base-files/dot.bashrc"),
    ("/root/.profile", "/usr/share/base-files/dot.profile"),
)


def claim_listed(owners: Owners) -> Packages:
    """Claim what dpkg's lists name; return what the database says of each package."""
    tree = owners.tree
    packages = of_debian(tree.root)
    for name in list_dir(f"{tree.root}{DPKG}/info"):
        stem, _, kind = name.rpartition(".")
        key = stem if stem in packages else stem.partition(":")[0]
        if key in packages and kind in ("list", "conffiles"):
            for line in (tree.read(f"{DPKG}/info/{name}") or "").splitlines():
                path = line.strip().split(" ")[0] if kind == "conffiles" else line
                if path.startswith("/"):
                    owners.claim(path, f"deb:{key}", "listed")
    lines = (tree.read(f"{DPKG}/diversions") or "").splitlines()
    for path, moved, by in zip(lines[0::3], lines[1::3], lines[2::3]):
        owner = owners.first(tree.place(path)) or f"deb:{by}"
        owners.claim(moved, owner, "listed")
    return {
        key: {
            "architecture": fields.get("Architecture", ""),
            "maintainer": fields.get("Maintainer", ""),
            "source": (fields.get("Source") or fields["Package"]).split()[0],
        }
        for key, fields in packages.items()
    }


def claim_links(owners: Owners) -> None:
    """Claim the links that Debian's tools keep, and those that lead through /etc/alternatives."""
    for path in owners.free():
        target = owners.tree.links.get(path)
        if target is None:
            continue
        kept = any(fnmatch.fnmatchcase(path, pattern) for pattern in _LINKS)
        if kept or target.startswith("/etc/alternatives/"):
            owner = owners.first(owners.tree.real(path))
            if owner is not None:
                owners.claim(path, owner, "link")


def claim_generated(owners: Owners, packages: Packages) -> None:
    """Claim what installed packages make, and copies of what they own."""
    rules = [
        (f"deb:{name}", pattern)
        for wanted, patterns in _GENERATED.items()
        for name in sorted(fnmatch.filter(packages, wanted))
        for pattern in patterns
    ]
    root = owners.tree.root
    for path in owners.free():
        makers = [owner for owner, pattern in rules if fnmatch.fnmatchcase(path, pattern)]
        for pattern, original in _COPIES:
            owner = owners.first(original) if fnmatch.fnmatchcase(path, pattern) else None
            if owner is not None and sha256(root + path) == sha256(root + original):
                makers.append(owner)
        if makers:
            owners.claim(path, makers[0], "generated")
