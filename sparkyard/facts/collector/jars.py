"""Which jars are on Spark's class path?"""

from __future__ import annotations

import os
import re
from typing import Any

from sparkyard.facts.collector.configuration import Configuration
from sparkyard.facts.collector.inspection import Inspection
from sparkyard.facts.inside.files import list_dir, size_of
from sparkyard.facts.inside.properties import without_shell


def jar_facts(
    inspection: Inspection, conf: Configuration, home: str | None
) -> list[dict[str, Any]] | None:
    """Return every jar on Spark's class path, each file once."""
    own = _in_directory(os.path.join(home, "jars")) if home is not None else []
    groups = [(path, "spark") for path in own]
    groups += [(path, "extra") for path in _beside_sparks_own(inspection, conf)]
    if home is None and not groups:
        inspection.missing["jars"] = "no Spark, so no class path"
        return None
    inspection.hashes.add(path for path, _ in groups)
    jars: dict[str, dict[str, Any]] = {}
    for path, group in groups:
        real = os.path.realpath(path)
        if real not in jars:
            jars[real] = {
                "name": os.path.basename(path),
                "path": path,
                "group": group,
                "sha256": inspection.hashes.of(path),
                "size": size_of(real),
            }
    return sorted(jars.values(), key=lambda jar: (jar["group"], jar["name"], jar["path"]))


def _beside_sparks_own(inspection: Inspection, conf: Configuration) -> list[str]:
    entries: list[str] = []
    for value in (
        inspection.env.get("SPARK_DIST_CLASSPATH")
        or without_shell(conf.spark_env.get("SPARK_DIST_CLASSPATH")),
        conf.defaults.get("spark.driver.extraClassPath"),
        conf.defaults.get("spark.executor.extraClassPath"),
    ):
        entries += (value or "").split(":")
    for value in (conf.defaults.get("spark.jars") or "").split(","):
        path = re.sub(r"^(local|file):/*", "/", value.strip())
        entries += [path] if path.startswith("/") else []
    paths: list[str] = []
    for entry in entries:
        if entry.endswith("/*"):
            paths += _in_directory(entry[:-1])
        elif entry.endswith(".jar"):
            paths.append(entry)
    return paths


def _in_directory(directory: str) -> list[str]:
    return [os.path.join(directory, name) for name in list_dir(directory) if name.endswith(".jar")]
