"""Which Java would Spark's scripts take?"""

from __future__ import annotations

import os
import re
import shutil
from typing import Any

from sparkyard.facts.collector import hashes
from sparkyard.facts.collector.inspection import Inspection, run


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
    ended = run([java, "-XshowSettings:properties", "-version"])
    properties = dict(re.findall(r"(?m)^\s+([a-z.]+) = (.*?)\s*$", ended.out + ended.err))
    if "java.version" not in properties:
        inspection.missing["java"] = f"{java} told no version {ended.why}"
        return None
    real = properties.get("java.home", "")
    libraries: dict[str, str | None] = {}
    for directory in ("lib", "lib/server", "lib/amd64/server", "lib/aarch64/server"):
        for name in ("rt.jar", "modules", "libjvm.so"):
            path = os.path.join(real, directory, name)
            if os.path.isfile(path):
                libraries[f"{directory}/{name}"] = inspection.hashes.of(path)
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
        "sha256": hashes.of_listing(libraries) if libraries else None,
    }
