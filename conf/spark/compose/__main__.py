"""What configuration does Spark start with? Composed anew each time that something of Spark starts.

From these, a later one winning over an earlier: /etc/spark/spark-defaults.conf;
/etc/spark/kubernetes.conf, where the master is a Kubernetes; the fragments /etc/spark/conf.d/*.conf
in the order of their names; the variables of sources.py. What a session or a command line sets wins
over all. Other files of the two directories (log4j2.properties, hive-site.xml, ...) are taken over
as they are, those of conf.d first.

The result is a private SPARK_CONF_DIR. What cannot work is refused before a JVM starts, in one
message that names the file, the variable or the address: exit code 78 for a wrong configuration,
69 for an API server that does not answer. Prints NAME=value lines for spark-env.sh to export.

Runs in the image, by the standard library alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import hadoop
import kubernetes
from refused import WRONG, RefusedError
from sources import (
    OF_A_DRIVER_HERE,
    Conf,
    check_properties,
    of_command,
    of_environment,
    properties,
)

ETC = Path(os.environ.get("SPARK_SITE_CONF_DIR", "/etc/spark"))
FRAGMENTS = ETC / "conf.d"
SUBMIT = "org.apache.spark.deploy.SparkSubmit"


def compose(words: Sequence[str], environment: Mapping[str, str]) -> tuple[Conf, list[Path]]:
    """Return the properties to start with, and the other files of the configuration.

    Raises:
        RefusedError: it cannot work.
    """
    files = _files()
    for file in files:
        if file.name in hadoop.SITE_FILES:
            hadoop.check_xml(file)
        elif file.suffix == ".properties":
            check_properties(file)
    conf = properties(ETC / "spark-defaults.conf")
    fragments: Conf = {}
    for file in sorted(FRAGMENTS.glob("*.conf")):
        fragments |= properties(file)
    given = fragments | of_environment(environment)
    asked = of_command(words) if _submits(words) else {}
    known = conf | given | asked
    if kubernetes.is_master(known):
        if kubernetes.in_cluster_mode(known):
            given = {key: given[key] for key in given if key not in OF_A_DRIVER_HERE}
        conf |= properties(ETC / "kubernetes.conf") | given
        conf |= kubernetes.complete(conf | asked, environment)
    return conf | given, files


def _submits(words: Sequence[str]) -> bool:
    """Tell whether these are words of spark-submit; `pyspark` has its options alone."""
    return not words or words[0] == SUBMIT or words[0].startswith("-")


def _files() -> list[Path]:
    """Return the files that are taken over as they are, one of a name."""
    found: dict[str, Path] = {}
    for directory in (FRAGMENTS, ETC):
        for file in sorted(directory.glob("*")):
            taken = file.suffix in (".xml", ".properties", ".json")
            if taken and file.is_file() and not file.name.startswith("."):
                found.setdefault(file.name, file)
    return list(found.values())


def write(conf: Conf, files: Sequence[Path]) -> Path:
    """Write a configuration directory that only this user reads; equal ones are one directory."""
    text = "".join(f"{key}  {value}\n" for key, value in sorted(conf.items()))
    digest = hashlib.sha256(text.encode())
    for file in files:
        digest.update(file.name.encode() + file.read_bytes())
    above = Path(tempfile.gettempdir()) / f"spark-conf-{os.getuid()}"
    above.mkdir(mode=0o700, exist_ok=True)
    if above.stat().st_uid != os.getuid() or above.is_symlink():
        raise RefusedError(f"{above} belongs to somebody else.", "Set TMPDIR to another directory.")
    place = above / digest.hexdigest()[:16]
    if not place.exists():
        making = Path(tempfile.mkdtemp(dir=above))
        (making / "spark-defaults.conf").write_text(text, encoding="utf-8")
        for file in files:
            shutil.copyfile(file, making / file.name)
        try:
            making.rename(place)
        except OSError:  # another session of the same configuration was quicker
            shutil.rmtree(making)
    return place


def main(words: list[str]) -> int:
    """Compose, write, and print what spark-env.sh exports; return the exit code."""
    try:
        conf, files = compose(words, os.environ)
        place = write(conf, files)
        exported = {"SPARK_CONF_DIR": str(place)}
        exported |= hadoop.variables(conf | of_command(words), os.environ, place)
    except RefusedError as error:
        print(f"Spark is not started: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(
            f"Spark is not started: {error}.\n  It needs a directory to write to: set TMPDIR.",
            file=sys.stderr,
        )
        return WRONG
    print("\n".join(f"{name}={value}" for name, value in exported.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
