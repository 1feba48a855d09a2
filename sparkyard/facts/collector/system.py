"""What system is this: machine, user, time zone, its packages, and the Java that Spark takes?"""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from collections.abc import Mapping
from typing import Any

from sparkyard.facts.collector.inspection import Inspection, hash_of_listing, run
from sparkyard.facts.inside.files import list_dir, read_text
from sparkyard.facts.inside.packages import of_debian, of_r
from sparkyard.facts.inside.properties import assignments

_R_LIBRARIES = (
    "/usr/lib/R/library", "/usr/lib/R/site-library", "/usr/local/lib/R/site-library",
    "/usr/local/lib/R/library", "/opt/conda/lib/R/library",
)  # fmt: skip
_UTC_NAMES = ("", "UTC", "UCT", "GMT", "Zulu", "Universal", "Etc/UTC", "Etc/UCT", "Etc/GMT")


def machine_facts() -> dict[str, Any]:
    """Return architecture, operating system and C library."""
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        libc = " ".join(platform.libc_ver()).strip() or None
    return {
        "architecture": platform.machine(),
        "system": platform.system(),
        "os": assignments(read_text("/etc/os-release") or "").get("PRETTY_NAME"),
        "libc": libc,
    }


def user_facts() -> dict[str, Any]:
    """Return who this process is."""
    uid = os.getuid()
    users = (line.split(":") for line in (read_text("/etc/passwd") or "").splitlines())
    names = (fields[0] for fields in users if len(fields) > 2 and fields[2] == str(uid))
    return {"uid": uid, "gid": os.getgid(), "name": next(names, None)}


def timezone_facts(env: Mapping[str, str]) -> dict[str, Any]:
    """Return the zone's name, where it was read, and the offsets that this system gives it."""
    name, source = env.get("TZ", "").lstrip(":"), "TZ"
    if not name:
        source = "/etc/localtime"
        link = os.path.realpath("/etc/localtime")
        if "zoneinfo/" in link:
            name = link.split("zoneinfo/", 1)[1]
        else:
            name = (read_text("/etc/timezone") or "").strip()
            source = "/etc/timezone" if name else "the system's default"
    offsets = {-time.timezone, -time.altzone if time.daylight else -time.timezone}
    return {
        "name": "UTC" if name in _UTC_NAMES else name,
        "source": source,
        "offsets": sorted(offsets),
    }


def dpkg_facts(inspection: Inspection) -> dict[str, str] | None:
    """Return the installed Debian packages and their versions."""
    packages = of_debian()
    if not packages:
        inspection.missing["dpkg"] = "no dpkg database: not a Debian or Ubuntu system"
        return None
    return {key: fields.get("Version", "") for key, fields in packages.items()}


def r_facts(inspection: Inspection) -> dict[str, str] | None:
    """Return the installed R packages and their versions: those of the first library with them."""
    packages: dict[str, str] = {}
    for library in _R_LIBRARIES:
        for name in list_dir(library):
            fields = of_r(read_text(os.path.join(library, name, "DESCRIPTION")) or "")
            if fields.get("Version"):
                packages.setdefault(name, fields["Version"])
    if not packages:
        inspection.missing["r"] = "no R library in " + ", ".join(_R_LIBRARIES)
        return None
    return packages


def java_facts(inspection: Inspection) -> dict[str, Any] | None:
    """Return the Java of JAVA_HOME, else the one on PATH; None, and why, where there is none."""
    home = inspection.env.get("JAVA_HOME")
    if home:
        java, source = os.path.join(home, "bin", "java"), "JAVA_HOME"
        if not os.access(java, os.X_OK):
            inspection.missing["java"] = f"JAVA_HOME is {home}, and {java} cannot be run"
            return None
    else:
        java, source = shutil.which("java", path=inspection.env.get("PATH")) or "", "PATH"
        if not java:
            inspection.missing["java"] = "JAVA_HOME is not set and no java is on PATH"
            return None
    out, err, words = run(java, "-XshowSettings:properties", "-version")
    properties = dict(re.findall(r"(?m)^\s+([a-z.]+) = (.*?)\s*$", out + err))
    if "java.version" not in properties:
        inspection.missing["java"] = f"{java} told no version {words}"
        return None
    real = properties.get("java.home", "")
    libraries = {
        f"{directory}/{name}": inspection.hashes.of(os.path.join(real, directory, name))
        for directory in ("lib", "lib/server", "lib/amd64/server", "lib/aarch64/server")
        for name in ("rt.jar", "modules", "libjvm.so")
        if os.path.isfile(os.path.join(real, directory, name))
    }
    return {
        "vendor": properties.get("java.vendor"),
        "version": properties["java.version"],
        "runtime": properties.get("java.runtime.version"),
        "vm": properties.get("java.vm.name"),
        "class_level": properties.get("java.class.version"),
        "home": real,
        "resolved": os.path.realpath(real) if real else None,
        "executable": java,
        "source": source,
        "sha256": hash_of_listing(libraries) if libraries else None,
    }
