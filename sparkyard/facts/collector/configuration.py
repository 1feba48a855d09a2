"""How is Spark configured here?"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from sparkyard.facts.collector.environment import of_families
from sparkyard.facts.collector.inspection import Inspection
from sparkyard.facts.collector.redaction import without_secrets
from sparkyard.facts.inside.files import read_text
from sparkyard.facts.inside.properties import assignments, properties


@dataclass
class Configuration:
    """Spark's configuration with its secrets: it leads to interpreters and jars.

    Places are empty where there is nothing; `spark_env` are the plain assignments of spark-env.sh.
    Files of configuration are files like others.
    """

    directory: str = ""
    defaults_path: str = ""
    defaults: dict[str, str] = field(default_factory=dict)
    spark_env: dict[str, str] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """Return what is written about it: of spark-env.sh, the variables of a family."""
        defaults = {key: without_secrets(key, value) for key, value in self.defaults.items()}
        return {
            "directory": self.directory or None,
            "defaults_path": self.defaults_path or None,
            "defaults": defaults if self.defaults_path else None,
            "spark_env": of_families(self.spark_env),
        }


def read(inspection: Inspection, home: str | None) -> Configuration:
    """Return the configuration of the Spark at `home`."""
    env = inspection.env
    conf = Configuration(env.get("SPARK_CONF_DIR") or (os.path.join(home, "conf") if home else ""))
    if not conf.directory:
        inspection.missing["conf.defaults"] = "no Spark, so no configuration directory"
        return conf
    conf.spark_env = assignments(read_text(os.path.join(conf.directory, "spark-env.sh")) or "")
    path = os.path.join(conf.directory, "spark-defaults.conf")
    text = read_text(path)
    if text is None:
        inspection.missing["conf.defaults"] = f"{path} is not there or cannot be read"
        return conf
    try:
        conf.defaults, conf.defaults_path = properties(text), path
    except ValueError as error:
        inspection.missing["conf.defaults"] = f"Java cannot read {path}, {error}"
    return conf
