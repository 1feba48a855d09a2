"""What is in this machine? The whole document of facts."""

from __future__ import annotations

import locale
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sparkyard.facts.collector import SCHEMA, configuration, environment, spark, system
from sparkyard.facts.collector.configuration import Configuration
from sparkyard.facts.collector.debian import debian_facts
from sparkyard.facts.collector.files import as_built, file_facts
from sparkyard.facts.collector.inspection import Inspection
from sparkyard.facts.collector.interpreters import python_facts
from sparkyard.facts.collector.java import java_facts
from sparkyard.facts.collector.packages import package_facts
from sparkyard.facts.collector.process import process_facts
from sparkyard.facts.collector.tree import ROOTS, Tree, tree
from sparkyard.facts.inside.files import mount_points

_SITES = ("site-packages", "dist-packages")


def collect(label: str = "{}", roots: str = ":".join(ROOTS)) -> dict[str, Any]:
    """Return the whole document. It raises nothing for what it does not find.

    Args:
        label: what an image of ours says of its build, as JSON: the digests of what went in.
        roots: directories that are looked through, whatever leads to them.
    """
    environment.undo_coercion()
    inspection = Inspection(dict(os.environ))
    env = inspection.env
    process = process_facts(env)
    home, source = spark.find_spark_home(env)
    conf = configuration.read(inspection, home)
    with ThreadPoolExecutor(max_workers=1) as pool:
        # A JVM takes a while to start: files are hashed meanwhile.
        java = pool.submit(java_facts, inspection, home)
        roles, interpreters = python_facts(inspection, conf)
        if home is None and not env.get("SPARK_HOME"):
            home = spark.pyspark_home(interpreters)
            if home is not None:
                source = "the pyspark package"
                inspection.missing.pop("conf.defaults", None)
                conf = configuration.read(inspection, home)
        if home is None:
            inspection.missing["spark"] = source
        written = _written(inspection, conf, interpreters, home, roots.split(":"))
        written |= {"files": as_built(written["files"], label)}
    executable = roles["worker"]["interpreter"]
    used = (python for python in interpreters if python["executable"] == executable)
    worker = next(used, {"locale": locale.setlocale(locale.LC_CTYPE), "encoding": None})
    return {
        "schema": SCHEMA,
        "machine": system.machine_facts(),
        "user": system.user_facts(),
        "process": process,
        "python": roles,
        "interpreters": interpreters,
        "java": java.result(),
        "spark": spark.spark_facts(home, source) if home is not None else None,
        **written,
        "conf": conf.shown(),
        "environment": environment.of_families(env),
        "other_variables": environment.of_no_family(env),
        "timezone": system.timezone_facts(env),
        "locale": {"name": worker["locale"], "encoding": worker["encoding"]},
        "r": system.r_facts(inspection),
        "missing": inspection.missing,
    }


def _written(
    inspection: Inspection,
    conf: Configuration,
    interpreters: Iterable[Mapping[str, Any]],
    spark_home: str | None,
    roots: Iterable[str],
) -> dict[str, Any]:
    """Return what is written about files: of packages, class paths, and of none of these."""
    env, hashes, claimed = inspection.env, inspection.hashes, inspection.claimed
    known = [place for python in interpreters for place in python["directories"]]
    led_to = [*known, *environment.places(env), conf.directory]
    for python in interpreters:
        led_to += [python["resolved"], python["prefix"], *python["stdlib"]]
    seen = tree(env.get("HOME", ""), [*roots, *filter(None, led_to)], mount_points())
    debian, owners = debian_facts(seen, hashes)
    if not debian:
        inspection.missing["dpkg"] = "no dpkg database: not a Debian or Ubuntu system"
    packages, more = package_facts(hashes, _sites(seen, known))
    claimed |= more
    jars = [path for path in seen.files if path.endswith(".jar")]
    java = os.path.realpath(env.get("JAVA_HOME") or "/usr/lib/jvm")
    others = [
        path
        for path in jars
        if path not in owners and path not in claimed and not path.startswith(f"{java}/")
    ]
    class_path = spark.jar_facts(inspection, conf, spark_home, others)
    claimed |= {os.path.realpath(jar["path"]) for jar in class_path or ()}
    if conf.defaults_path:
        claimed.add(os.path.realpath(conf.defaults_path))
    return {
        "jars": class_path,
        "debian": debian or None,
        "other_packages": packages,
        **file_facts(seen, hashes, owners, claimed.__contains__),
    }


def _sites(seen: Tree, known: Iterable[str]) -> list[str]:
    """Return the directories of Python packages that no interpreter of Spark's reads."""
    directories = {
        directory
        for path in seen.files
        if path.endswith(("/METADATA", "/PKG-INFO"))
        for directory in [os.path.dirname(os.path.dirname(path))]
        if os.path.basename(directory) in _SITES
    }
    return sorted(directories - set(known))
