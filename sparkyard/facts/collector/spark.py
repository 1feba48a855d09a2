"""Which Spark is here, what do its jars say about it, and which are on its class path?"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

from sparkyard.facts.collector.configuration import Configuration
from sparkyard.facts.collector.inspection import Inspection
from sparkyard.facts.inside.files import list_dir, read_text
from sparkyard.facts.inside.properties import properties, without_shell

# Where Spark is looked for when nothing names it: apache/spark, docker-stacks, distributions.
_HOMES = ("/opt/spark", "/usr/local/spark", "/usr/lib/spark")


def find_spark_home(env: Mapping[str, str]) -> tuple[str | None, str]:
    """Return Spark's directory and how it was found, or None and what was tried."""
    if home := env.get("SPARK_HOME"):
        if _has_jars(home):
            return home, "SPARK_HOME"
        return None, f"SPARK_HOME is {home}, and that has no jars directory"
    for home in filter(_has_jars, _HOMES):
        return home, "a usual place"
    if submit := shutil.which("spark-submit", path=env.get("PATH")):
        home = os.path.dirname(os.path.dirname(os.path.realpath(submit)))
        if _has_jars(home):
            return home, "spark-submit on PATH"
    return None, f"SPARK_HOME is not set, and no Spark is in {', '.join(_HOMES)} or on PATH"


def pyspark_home(interpreters: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the directory of a pyspark package that brings its own jars: it is a whole Spark."""
    directories = (path for interpreter in interpreters for path in interpreter["directories"])
    packages = (os.path.join(directory, "pyspark") for directory in directories)
    return next(filter(_has_jars, packages), None)


def spark_facts(home: str, source: str) -> dict[str, Any]:
    """Return Spark, and what its jars say about Scala and Hadoop."""
    core, core_version = _jar(home, r"spark-core_[\d.]+")
    scala, scala_version = _jar(home, "scala-library")
    hadoop, hadoop_version = _jar(home, "hadoop-client-api")
    if hadoop is None:
        hadoop, hadoop_version = _jar(home, "hadoop-common")
    common, _ = _jar(home, r"spark-common-utils_[\d.]+")  # holds it since Spark 3.5
    version_info = "spark-version-info.properties"
    inside = _in_jar(core, version_info) or _in_jar(common, version_info)
    release = (read_text(os.path.join(home, "RELEASE")) or "").strip().splitlines()
    python = os.path.join(home, "python", "pyspark")
    if not os.path.isfile(os.path.join(python, "version.py")):
        python = home  # PyPI's pyspark: the package is Spark's home
    version_file = read_text(os.path.join(python, "version.py")) or ""
    pyspark = re.findall(r"__version__[^=]*=\s*['\"]([^'\"]+)", version_file)
    return {
        "home": home,
        "resolved": os.path.realpath(home),
        "source": source,
        "version": inside.get("version") or core_version,
        "version_of_jar_name": core_version,
        "revision": inside.get("revision"),
        "release": release[0] if release else None,
        "scala": _in_jar(scala, "library.properties").get("version.number") or scala_version,
        "hadoop": _in_jar(hadoop, "common-version-info.properties").get("version")
        or hadoop_version,
        "pyspark": pyspark[0] if pyspark else None,
        "pyspark_path": python,
    }


def jar_facts(
    inspection: Inspection, conf: Configuration, home: str | None, others: Iterable[str] = ()
) -> list[dict[str, Any]] | None:
    """Return every jar on Spark's class path and on others', each file once.

    Args:
        inspection: the look.
        conf: Spark's configuration.
        home: Spark's directory.
        others: jars that lie elsewhere: the group of each is its directory.
    """
    own = _in_directory(os.path.join(home, "jars")) if home is not None else []
    groups = [(path, "spark") for path in own]
    groups += [(path, "extra") for path in _beside_sparks_own(inspection, conf)]
    groups += [(path, os.path.dirname(path)) for path in others]
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
                "size": os.path.getsize(real) if os.path.exists(real) else 0,
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


def _has_jars(home: str) -> bool:
    return os.path.isdir(os.path.join(home, "jars"))


def _jar(home: str, pattern: str) -> tuple[str | None, str | None]:
    """Return the first of Spark's jars that is so named, and the version in its name."""
    directory = os.path.join(home, "jars")
    for name in list_dir(directory):
        if match := re.match(pattern + r"-(\d[^/]*)\.jar$", name):
            return os.path.join(directory, name), match[1]
    return None, None


def _in_jar(path: str | None, entry: str) -> dict[str, str]:
    """Return a properties file out of a jar; empty where there is none."""
    if path is None:
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            return properties(archive.read(entry).decode("utf-8", "replace"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return {}
