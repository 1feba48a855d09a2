"""What system is this: machine, user, time zone, R's packages?"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from typing import Any

from sparkyard.facts.collector.inspection import Inspection
from sparkyard.facts.inside.files import list_dir, read_text
from sparkyard.facts.inside.packages import of_r
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
