"""What is in this machine? The whole document of facts."""

from __future__ import annotations

import locale
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sparkyard.facts.collector import SCHEMA, configuration, spark, system
from sparkyard.facts.collector.inspection import Inspection
from sparkyard.facts.collector.interpreters import python_facts
from sparkyard.facts.collector.redaction import without_secrets

ENVIRONMENT = (
    "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "JAVA_HOME", "SPARK_HOME", "SPARK_CONF_DIR",
    "HADOOP_CONF_DIR", "SPARK_DIST_CLASSPATH", "PYTHONHASHSEED", "PYTHONPATH", "PATH",
    "TZ", "LANG", "LC_ALL",
)  # fmt: skip
"""The only variables that are ever written down."""


def collect() -> dict[str, Any]:
    """Return the whole document. It raises nothing for what it does not find."""
    inspection = Inspection(dict(os.environ))
    env = inspection.env
    home, source = spark.find_spark_home(env)
    conf = configuration.read(inspection, home)
    with ThreadPoolExecutor(max_workers=1) as pool:
        # A JVM takes a while to start: files are hashed meanwhile.
        java = pool.submit(system.java_facts, inspection)
        roles, interpreters = python_facts(inspection, conf)
    if home is None and not env.get("SPARK_HOME"):
        home = spark.pyspark_home(interpreters)
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
        "machine": system.machine_facts(),
        "user": system.user_facts(),
        "python": roles,
        "interpreters": interpreters,
        "java": java.result(),
        "spark": spark.spark_facts(inspection, home, source) if home is not None else None,
        "jars": spark.jar_facts(inspection, conf, home),
        "conf": conf.shown(ENVIRONMENT),
        "environment": {
            name: without_secrets(name, env[name]) if name in env else None for name in ENVIRONMENT
        },
        "timezone": system.timezone_facts(env),
        "locale": {"name": worker["locale"], "encoding": worker["encoding"]},
        "dpkg": system.dpkg_facts(inspection),
        "r": system.r_facts(inspection),
        "missing": inspection.missing,
    }
