"""What do files, variables and a command line say of Spark's properties?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import java_properties
import references
from refused import RefusedError, shown

Conf = dict[str, str]

_A_PROPERTY = re.compile(r"spark\.[\w.-]+(\s*[=:]\s*|\s+)\S")
_TRIMMED = "".join(map(chr, range(33))).replace("\n", "").replace("\r", "")
"""What Spark takes off both ends of a value: Utils.trimExceptCRLF, of Spark 3.5."""


def _number(text: str) -> bool:
    return text.isdigit() and int(text) > 0


def _port(text: str) -> bool:
    return text.isdigit() and 1024 <= int(text) <= 65535


def _memory(text: str) -> bool:
    return bool(re.fullmatch(r"[1-9]\d*[kmgt]b?", text, re.IGNORECASE))


def _master(text: str) -> bool:
    return bool(re.match(r"local\b|yarn$|(spark|k8s)://[^/\s]", text))


def _word(text: str) -> bool:
    return not re.search(r"\s", text)


_ACCOUNT = (_word, "a service account's name")
_A_PORT = (_port, "a port from 1024 to 65535")
_COUNT = (_number, "a number from 1")
VARIABLES: Mapping[str, tuple[str, tuple[Callable[[str], bool], str]]] = {
    "SPARK_MASTER": (
        "spark.master",
        (_master, "k8s://https://host:port, spark://host:port or local[*]"),
    ),
    "SPARK_NAMESPACE": ("spark.kubernetes.namespace", (_word, "a namespace's name")),
    "SPARK_EXECUTOR_IMAGE": ("spark.kubernetes.container.image", (_word, "an image's name")),
    "SPARK_SERVICE_ACCOUNT": (
        "spark.kubernetes.authenticate.driver.serviceAccountName",
        _ACCOUNT,
    ),
    "SPARK_EXECUTOR_SERVICE_ACCOUNT": (
        "spark.kubernetes.authenticate.executor.serviceAccountName",
        _ACCOUNT,
    ),
    "SPARK_DRIVER_HOST": ("spark.driver.host", (_word, "an address that pods can reach")),
    "SPARK_DRIVER_POD_NAME": ("spark.kubernetes.driver.pod.name", (_word, "a pod's name")),
    "SPARK_DRIVER_PORT": ("spark.driver.port", _A_PORT),
    "SPARK_BLOCKMANAGER_PORT": ("spark.driver.blockManager.port", _A_PORT),
    "SPARK_EXECUTOR_INSTANCES": ("spark.executor.instances", _COUNT),
    "SPARK_EXECUTOR_CORES": ("spark.executor.cores", _COUNT),
    "SPARK_EXECUTOR_MEMORY": ("spark.executor.memory", (_memory, "a size such as 2g or 512m")),
    "SPARK_EVENT_LOG_DIR": ("spark.eventLog.dir", (_word, "a directory such as s3a://logs/spark")),
}
"""Variables, the property that each sets, and what its value looks like."""

OF_A_DRIVER_HERE = (
    "spark.driver.host",
    "spark.driver.port",
    "spark.driver.blockManager.port",
    "spark.kubernetes.driver.pod.name",
)
"""Properties that tell of the driver in this container or pod, and of none in a pod of its own:
a notebook's surroundings set them for its sessions, and it may submit applications as well."""


def properties(file: Path) -> Conf:
    """Return the properties of a file in the form of spark-defaults.conf, as Spark reads them.

    Raises:
        RefusedError: a line is no property of Spark's, or one that it would misread in silence;
            with the file and the line.
    """
    found: Conf = {}
    for given in java_properties.read(file):
        if not given.key.startswith("spark."):
            raise RefusedError(
                f"{file}, line {given.line} is no Spark property.",
                "Write lines of the form: spark.executor.memory  2g",
            )
        for number, line in given.continuations:
            if _A_PROPERTY.match(line):
                raise RefusedError(
                    f"{file}, line {number} would become a part of {given.key}: "
                    "the line before it ends with a backslash.",
                    "Take that backslash away, or write \\\\ where the value ends with one.",
                )
        value = given.value.strip(_TRIMMED)
        if wrong := references.wrong(given.key, value):
            raise RefusedError(f"{file}, line {given.line}: {wrong.what}", wrong.remedy)
        found[given.key] = value
    return found


LEVELS = ("off", "fatal", "error", "warn", "info", "debug", "trace", "all")
"""Log4j's own levels: https://logging.apache.org/log4j/2.x/manual/customloglevels.html."""


def check_variables(file: Path, environment: Mapping[str, str]) -> None:
    """Refuse a property that names a variable which is not set."""
    for given in java_properties.read(file):
        if wrong := references.unset(given.key, given.value, environment):
            raise RefusedError(f"{file}, line {given.line}: {wrong.what}", wrong.remedy)


def check_properties(file: Path) -> None:
    """Refuse a file in Java's form of properties that Log4j or Spark would misread in silence.

    Raises:
        RefusedError: a line has no value, or a level is none; with the file and the line.
    """
    for given in java_properties.read(file):
        if not given.separated or given.key.startswith("<"):
            raise RefusedError(
                f"{file}, line {given.line} is no property.",
                "Write lines of the form: rootLogger.level = warn",
            )
        level = given.value.strip().lower()
        if given.key.endswith(".level") and "$" not in level and level not in LEVELS:
            raise RefusedError(
                f"{file}, line {given.line} names a level that is none: {shown(given.key, level)}",
                f"Choose one of {', '.join(LEVELS)}.",
            )


def of_environment(environment: Mapping[str, str]) -> Conf:
    """Return the properties that variables set.

    Raises:
        RefusedError: a variable's value is not of its form.
    """
    found: Conf = {}
    for name, (key, (fits, form)) in VARIABLES.items():
        given = environment.get(name, "")
        if given and not fits(given):
            raise RefusedError(
                f"{name}={shown(key, given)} is not {form}.", f"Correct or unset {name}."
            )
        if given:
            found[key] = given
    if "spark.eventLog.dir" in found:
        found["spark.eventLog.enabled"] = "true"
    return found


def of_command(words: Sequence[str]) -> Conf:
    """Return the properties on the command line of spark-submit or one of its kind."""
    found: Conf = {}
    options = {
        "--master": "spark.master",
        "--deploy-mode": "spark.submit.deployMode",
        "--jars": "spark.jars",
        "--py-files": "spark.submit.pyFiles",
        "--driver-java-options": "spark.driver.extraJavaOptions",
    }
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option in ("--conf", "-c", *options):
            value = value if equals else next(rest, "")
            key = options.get(option, "")
            if not key:
                key, _, value = value.partition("=")
            found[key.strip()] = value.strip()
    return found
