"""What is in this machine? The whole document of facts."""

from __future__ import annotations

import json
import locale
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sparkyard.facts.collector import SCHEMA, configuration
from sparkyard.facts.collector.inspection import Inspection
from sparkyard.facts.collector.interpreters import python_facts
from sparkyard.facts.collector.jars import jar_facts
from sparkyard.facts.collector.java import java_facts
from sparkyard.facts.collector.redaction import without_secrets
from sparkyard.facts.collector.spark import find_spark_home, pyspark_home, spark_facts
from sparkyard.facts.collector.system import (
    dpkg_facts,
    machine_facts,
    r_facts,
    timezone_facts,
    user_facts,
)

ENVIRONMENT = (
    "PYSPARK_PYTHON",
    "PYSPARK_DRIVER_PYTHON",
    "JAVA_HOME",
    "SPARK_HOME",
    "PYTHONHASHSEED",
    "PYTHONPATH",
    "TZ",
    "LANG",
    "LC_ALL",
    "PATH",
    "SPARK_CONF_DIR",
    "HADOOP_CONF_DIR",
    "SPARK_DIST_CLASSPATH",
)
"""The only variables that are ever written down."""


def collect() -> dict[str, Any]:
    """Return the whole document. It raises nothing for what it does not find."""
    inspection = Inspection(dict(os.environ))
    env = inspection.env
    home, source = find_spark_home(env)
    conf = configuration.read(inspection, home)
    with ThreadPoolExecutor(max_workers=1) as pool:
        java = pool.submit(java_facts, inspection)  # a JVM takes a while to start: meanwhile, hash
        roles, interpreters = python_facts(inspection, conf)
    if home is None and not env.get("SPARK_HOME"):
        home = pyspark_home(interpreters)
        if home is not None:
            source = "the pyspark package"
            inspection.missing.pop("conf.defaults", None)
            conf = configuration.read(inspection, home)
    if home is None:
        inspection.missing["spark"] = source
    executable = roles["worker"]["interpreter"]
    used = (python for python in interpreters if python["executable"] == executable)
    worker = next(used, {"locale": locale.setlocale(locale.LC_CTYPE), "encoding": None})
    return {
        "schema": SCHEMA,
        "machine": machine_facts(),
        "user": user_facts(),
        "python": roles,
        "interpreters": interpreters,
        "java": java.result(),
        "spark": spark_facts(inspection, home, source) if home is not None else None,
        "jars": jar_facts(inspection, conf, home),
        "conf": conf.shown(ENVIRONMENT),
        "environment": {
            name: without_secrets(name, env[name]) if name in env else None for name in ENVIRONMENT
        },
        "timezone": timezone_facts(env),
        "locale": {"name": worker["locale"], "encoding": worker["encoding"]},
        "dpkg": dpkg_facts(inspection),
        "r": r_facts(inspection),
        "missing": inspection.missing,
    }


def main() -> None:
    """Write the document to standard output."""
    json.dump(collect(), sys.stdout, sort_keys=True)
    sys.stdout.write("\n")
