"""Where do Hadoop's clients find their configuration, and is it one?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers.expat import ErrorString

from kubernetes import in_cluster_mode
from refused import RefusedError, reading
from sources import Conf

HADOOP = "/etc/hadoop/conf"
SITE_FILES = ("core-site.xml", "hdfs-site.xml", "hive-site.xml", "yarn-site.xml")


def check_xml(file: Path) -> None:
    """Refuse a file of Hadoop's that its reader could not read."""
    with reading(file):
        content = file.read_bytes()
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - the user's own file
    except ElementTree.ParseError as error:
        # Not the error's own text: it may quote what an entity's name should be.
        why, (line, column) = ErrorString(error.code), error.position
        raise RefusedError(
            f"{file} is not XML: {why}: line {line}, column {column}.",
            "Correct it or take it away.",
        ) from None
    except (LookupError, ValueError):
        raise RefusedError(
            f"{file} names an encoding that its reader does not know.", "Save it as UTF-8."
        ) from None
    if root.tag != "configuration":
        raise RefusedError(
            f"{file} is no configuration of Hadoop's: its root is <{root.tag}>.",
            "Write <configuration><property><name>...</name><value>...</value></property> ...",
        )


def variables(conf: Mapping[str, str], environment: Mapping[str, str], place: Path) -> Conf:
    """Return the variables by which Hadoop's clients find core-site.xml.

    A file in the working directory comes after the mounted ones on the class path. Nothing mounted
    at the images' own place is named to a driver in the cluster: Spark would write its contents,
    credentials as well, into a ConfigMap.
    """
    found: Conf = {}
    named = environment.get("HADOOP_CONF_DIR", "")
    if named:
        with reading(Path(named)):
            mounted = [file for file in map(Path(named).joinpath, SITE_FILES) if file.exists()]
        for file in mounted:
            check_xml(file)
        if named == HADOOP and (not mounted or in_cluster_mode(conf)):
            found["HADOOP_CONF_DIR"] = ""
    own = Path("core-site.xml")
    if os.path.exists(own):  # False as well in a directory that this user may not enter
        own = own.absolute()
        check_xml(own)
        directory = place.parent / ("hadoop-" + hashlib.sha256(bytes(own)).hexdigest()[:16])
        directory.mkdir(mode=0o700, exist_ok=True)
        link = directory / own.name
        if not link.is_symlink():
            link.symlink_to(own)
        before = environment.get("SPARK_DIST_CLASSPATH", "")
        found["SPARK_DIST_CLASSPATH"] = f"{before}:{directory}" if before else str(directory)
    return found
