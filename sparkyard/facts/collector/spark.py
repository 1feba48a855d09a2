"""Which Spark is here, and what do its jars say about it?"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

from sparkyard.facts.collector import hashes
from sparkyard.facts.collector.inspection import Inspection, walk
from sparkyard.facts.inside.files import list_dir, read_text
from sparkyard.facts.inside.properties import properties

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


def spark_facts(inspection: Inspection, home: str, source: str) -> dict[str, Any]:
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
    library = os.path.join(home, "python", "lib")
    sources = [path for path in walk(python) if path.endswith(".py")]
    sources += [os.path.join(library, name) for name in list_dir(library) if name.endswith(".zip")]
    inspection.hashes.add(sources)
    listing = {os.path.relpath(path, home): inspection.hashes.of(path) for path in sources}
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
        "pyspark_sha256": hashes.of_listing(listing) if listing else None,
    }


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
