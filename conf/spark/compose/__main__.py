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
import java_properties
import kubernetes
import named_files
import temporary
from refused import RefusedError, reading
from sources import (
    OF_A_DRIVER_HERE,
    Conf,
    check_properties,
    check_variables,
    of_command,
    of_environment,
    properties,
)

ETC = Path(os.environ.get("SPARK_SITE_CONF_DIR", "/etc/spark"))
FRAGMENTS = ETC / "conf.d"
SUBMIT = "org.apache.spark.deploy.SparkSubmit"


Files = Mapping[str, bytes]


def compose(words: Sequence[str], environment: Mapping[str, str]) -> tuple[Conf, Files]:
    """Return the properties to start with, and the other files of the configuration by name.

    Raises:
        RefusedError: it cannot work.
    """
    files = _files()
    read = [ETC / "spark-defaults.conf"]
    conf = properties(read[0])
    fragments: Conf = {}
    for file in _listed(FRAGMENTS):
        if file.name.endswith(".conf"):
            fragments |= properties(file)
            read.append(file)
    given = fragments | of_environment(environment)
    asked = of_command(words) if _submits(words) else {}
    known = conf | given | asked
    if not kubernetes.in_cluster_mode(known):
        for file in read:
            check_variables(file, environment)
        if _submits(words):
            named_files.check(known, words, environment)
    if kubernetes.is_master(known):
        if kubernetes.in_cluster_mode(known):
            given = {key: given[key] for key in given if key not in OF_A_DRIVER_HERE}
        conf |= properties(ETC / "kubernetes.conf") | given
        given |= kubernetes.complete(conf | asked, environment)
    return conf | given, files


def _submits(words: Sequence[str]) -> bool:
    """Tell whether these are words of spark-submit; `pyspark` has its options alone."""
    return not words or words[0] == SUBMIT or words[0].startswith("-")


def _listed(directory: Path) -> list[Path]:
    """Return what is in a directory, sorted by name; nothing where it is not there."""
    with reading(directory):
        return sorted(directory.iterdir()) if directory.exists() else []


def _files() -> Files:
    """Return the files that are taken over as they are, one of a name."""
    found: dict[str, bytes] = {}
    for file in _listed(FRAGMENTS) + _listed(ETC):
        if file.suffix not in (".xml", ".properties", ".json") or file.name.startswith("."):
            continue
        with reading(file):
            if file.name in found or not file.is_file():
                continue
            found[file.name] = file.read_bytes()
        if file.name in hadoop.SITE_FILES:
            hadoop.check_xml(file)
        elif file.suffix == ".properties":
            check_properties(file)
    return found


def write(conf: Conf, files: Files, above: Path) -> Path:
    """Write a configuration directory that only this user reads; equal ones are one directory."""
    content = {**files, "spark-defaults.conf": java_properties.write(conf).encode()}
    digest = hashlib.sha256()
    for name, each in sorted(content.items()):
        digest.update(name.encode() + b"\0" + each)
    place = above / digest.hexdigest()[:16]
    if not place.exists():
        making = Path(tempfile.mkdtemp(dir=above))
        for name, each in content.items():
            (making / name).write_bytes(each)
        try:
            making.rename(place)
        except OSError:
            shutil.rmtree(making)
            if not place.exists():  # no other session of the same configuration was quicker
                raise
    return place


def main(words: list[str]) -> int:
    """Compose, write, and print what spark-env.sh exports; return the exit code."""
    try:
        conf, files = compose(words, os.environ)
        with temporary.writing() as above:
            place = write(conf, files, above)
            exported = {"SPARK_CONF_DIR": str(place)}
            exported |= hadoop.variables(conf | of_command(words), os.environ, place)
    except RefusedError as error:
        print(f"Spark is not started: {error}", file=sys.stderr)
        return error.exit_code
    if _submits(words) and (doubt := temporary.cannot_execute(conf | of_command(words))):
        print(doubt, file=sys.stderr)
    print("\n".join(f"{name}={value}" for name, value in exported.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
