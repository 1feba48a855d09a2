"""What must a driver and its executors agree on, and why?

Three tables answer: `RULES` (single facts), `SETS` (named things, such as jars and packages) and
`CONF_MAY_DIFFER` (configuration keys). Above them stands how each fact is read from a document.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from sparkyard.facts import Facts, Interpreter, Java, Spark

DRIVER, EXECUTORS = "driver", "executors"
ABSENT = "not there"
UNSET = "unset"
EMPTY = "set to nothing"


class Policy(Enum):
    """Whether the two sides have to agree on a row."""

    MUST = "must be equal"
    MAY = "may differ"


@dataclass(frozen=True)
class Value:
    """A fact as one side has it: None is "not known", and `reason` says why."""

    text: str | None
    reason: str = ""


Read = Callable[[Facts, str], Value]
Paths = Callable[[Facts, str], tuple[str, ...]]


@dataclass(frozen=True)
class Rule:
    """One fact: how it is read from a side's document, and which paths of the image decide it."""

    name: str
    policy: Policy
    why: str
    read_from: str
    read: Read
    paths: Paths


@dataclass(frozen=True)
class SetRule:
    """Named things with a value each; what is on one side only has a policy of its own."""

    one: str
    many: str
    why: str
    read_from: str
    read: Callable[[Facts, str], Mapping[str, str] | None]
    missing: tuple[str, ...]
    paths: Paths
    policy: Policy = Policy.MUST
    only_driver: Policy = Policy.MUST
    only_driver_why: str = ""
    nothing_is: str | None = None
    """What it means that a side has no such document at all; None: that is not known, and fails."""


# --- how a fact is read ---------------------------------------------------------------------


def _interpreter(facts: Facts, side: str) -> Interpreter | None:
    """The code that must agree runs in the driver's interpreter, and in the executors' workers."""
    return facts.interpreter("driver" if side == DRIVER else "worker")


def reason(facts: Facts, *names: str) -> str:
    """Return why the first of these facts that is missing is missing."""
    return next((facts.missing[name] for name in names if name in facts.missing), "not collected")


def _python(read: Callable[[Interpreter], str | None]) -> Read:
    def value(facts: Facts, side: str) -> Value:
        found = _interpreter(facts, side)
        role = "python.driver" if side == DRIVER else "python.worker"
        return Value(None, reason(facts, role)) if found is None else Value(read(found))

    return value


def worker_path(facts: Facts, side: str) -> Value:
    """The driver sends its own PYSPARK_PYTHON: the executors must have that very interpreter."""
    found, role = facts.interpreter("worker"), facts.python.worker
    if found is None:
        return Value(None, f"{role.requested}: {reason(facts, 'python.worker')}")
    return Value(role.requested if side == DRIVER else found.executable)


def _java(read: Callable[[Java], str | None]) -> Read:
    return lambda facts, _: (
        Value(None, reason(facts, "java")) if facts.java is None else Value(read(facts.java))
    )


def _spark(read: Callable[[Spark], str | None]) -> Read:
    return lambda facts, _: (
        Value(None, reason(facts, "spark")) if facts.spark is None else Value(read(facts.spark))
    )


def _environment(name: str) -> Read:
    def value(facts: Facts, _: str) -> Value:
        if name not in facts.environment:
            return Value(None, "not collected")
        told = facts.environment[name]
        return Value(UNSET if told is None else told or EMPTY)

    return value


def _zone(facts: Facts, _: str) -> Value:
    offsets = "/".join(f"{offset / 3600:+.3g} h" for offset in facts.timezone.offsets)
    return Value(f"{facts.timezone.name} ({offsets})")


def _no_paths(_facts: Facts, _side: str) -> tuple[str, ...]:
    return ()


def _python_paths(facts: Facts, side: str) -> tuple[str, ...]:
    found = _interpreter(facts, side)
    if found is None:
        return ()
    library = f"{found.base_prefix}/lib/python{'.'.join(found.version.split('.')[:2])}"
    binary = found.resolved
    return (found.executable, binary, library, f"{found.prefix}/pyvenv.cfg")


def _package_paths(facts: Facts, side: str) -> tuple[str, ...]:
    found = _interpreter(facts, side)
    return found.directories if found is not None else ()


def _java_paths(facts: Facts, _: str) -> tuple[str, ...]:
    if facts.java is None:
        return ()
    return tuple(sorted({facts.java.home, facts.java.resolved or "", facts.java.executable} - {""}))


def _spark_paths(facts: Facts, _: str) -> tuple[str, ...]:
    return () if facts.spark is None else tuple(sorted({facts.spark.home, facts.spark.resolved}))


def _system_paths(_facts: Facts, _side: str) -> tuple[str, ...]:
    return ("/lib", "/lib64", "/usr/lib")


def _jars(group: str) -> Callable[[Facts, str], Mapping[str, str] | None]:
    def read(facts: Facts, _: str) -> Mapping[str, str] | None:
        if facts.jars is None:
            return None
        found: dict[str, str] = {}
        for jar in facts.jars:
            if jar.group == group:
                # The same name twice: told apart by its directory, as a class path would.
                name = jar.path if jar.name in found else jar.name
                found[name] = jar.sha256 or f"not readable: {jar.path}"
        return found

    return read


def _jar_paths(facts: Facts, _: str) -> tuple[str, ...]:
    return tuple(sorted({jar.path.rpartition("/")[0] for jar in facts.jars or ()}))


def versions(facts: Facts, side: str) -> Mapping[str, str] | None:
    """Return the version of each package in a side's interpreter."""
    found = _interpreter(facts, side)
    return None if found is None else {each.name: each.version for each in found.packages}


def contents(facts: Facts, side: str) -> Mapping[str, str] | None:
    """Return each package's file hash, and what became of its files since it was installed."""
    found = _interpreter(facts, side)
    if found is None:
        return None
    return {
        each.name: (each.sha256 or f"not known: no RECORD ({each.directory})")
        + (f" (not as installed: {', '.join(each.altered[:2])})" if each.altered else "")
        + (f" (files gone: {', '.join(each.absent[:2])})" if each.absent else "")
        for each in found.packages
    }


def _unclaimed(facts: Facts, side: str) -> Mapping[str, str] | None:
    found = _interpreter(facts, side)
    if found is None:
        return None
    if found.unclaimed.count > len(found.unclaimed.files):
        return {f"{found.unclaimed.count} files": found.unclaimed.sha256}
    return {path: sha or "not readable" for path, sha in found.unclaimed.files.items()}


def defaults(facts: Facts, _: str) -> Mapping[str, str] | None:
    """Return the keys and values of spark-defaults.conf."""
    return facts.conf.defaults


def _conf_paths(facts: Facts, _: str) -> tuple[str, ...]:
    return (facts.conf.directory,) if facts.conf.directory else ()


def _conf_file(name: str) -> Read:
    def value(facts: Facts, _: str) -> Value:
        file = facts.conf.files.get(name)
        if file is None:
            return Value(ABSENT)
        return Value(file.sha256, f"{file.path} cannot be read")

    return value


def _dpkg(facts: Facts, _: str) -> Mapping[str, str] | None:
    return facts.dpkg


def _r(facts: Facts, _: str) -> Mapping[str, str] | None:
    return facts.r


# --- the rules ------------------------------------------------------------------------------

MUST, MAY = Policy.MUST, Policy.MAY

RULES: tuple[Rule, ...] = (
    Rule(
        "Python version",
        MUST,
        "pickled functions are byte code of one release",
        "the interpreter itself",
        _python(lambda python: f"{python.implementation} {python.version}"),
        _python_paths,
    ),
    Rule(
        "Python build",
        MUST,
        "a distribution patches within a version",
        "the interpreter itself",
        _python(lambda python: f"{python.build} {python.compiler}"),
        _python_paths,
    ),
    Rule(
        "Python binary",
        MUST,
        "a version string can lie, its bytes cannot",
        "sha256 of the binary",
        _python(lambda python: python.sha256),
        _python_paths,
    ),
    Rule(
        "Python path of the workers",
        MUST,
        "the driver's path is started on executors",
        "PYSPARK_PYTHON and what overrides it",
        worker_path,
        _no_paths,
    ),
    Rule(
        "Java vendor",
        MUST,
        "builds of one version differ by vendor",
        "java -XshowSettings",
        _java(lambda java: java.vendor),
        _java_paths,
    ),
    Rule(
        "Java version",
        MUST,
        "serialized objects and JIT fixes change",
        "java -XshowSettings",
        _java(lambda java: java.runtime or java.version),
        _java_paths,
    ),
    Rule(
        "Java class level",
        MUST,
        "a lambda compiled on one must load on the other",
        "java.class.version",
        _java(lambda java: java.class_level),
        _java_paths,
    ),
    Rule(
        "Java libraries",
        MUST,
        "a version string can lie, its bytes cannot",
        "sha256 of libjvm and classes",
        _java(lambda java: java.sha256),
        _java_paths,
    ),
    Rule(
        "Spark version",
        MUST,
        "InvalidClassException across patch versions",
        "inside Spark's jars",
        _spark(lambda spark: spark.version),
        _spark_paths,
    ),
    Rule(
        "Spark revision",
        MUST,
        "a vendor's build of the same version",
        "inside Spark's jars",
        _spark(lambda spark: spark.revision or "not told"),
        _spark_paths,
    ),
    Rule(
        "PySpark version",
        MUST,
        "it and the JVM's side speak one protocol",
        "pyspark/version.py",
        _spark(lambda spark: spark.pyspark),
        _spark_paths,
    ),
    Rule(
        "PySpark files",
        MUST,
        "the worker's protocol is in these files",
        "sha256 of *.py and zips",
        _spark(lambda spark: spark.pyspark_sha256),
        _spark_paths,
    ),
    Rule(
        "Scala version",
        MUST,
        "closures are serialized Scala classes",
        "inside scala-library.jar",
        _spark(lambda spark: spark.scala),
        _spark_paths,
    ),
    Rule(
        "Hadoop version",
        MUST,
        "file system classes are sent by name",
        "inside hadoop-client-api.jar",
        _spark(lambda spark: spark.hadoop),
        _spark_paths,
    ),
    Rule(
        "core-site.xml",
        MUST,
        "both sides open the same paths",
        "sha256 in the conf directory",
        _conf_file("core-site.xml"),
        _conf_paths,
    ),
    Rule(
        "hdfs-site.xml",
        MUST,
        "both sides open the same paths",
        "sha256 in the conf directory",
        _conf_file("hdfs-site.xml"),
        _conf_paths,
    ),
    Rule(
        "hive-site.xml",
        MAY,
        "only the driver asks the metastore",
        "sha256 in the conf directory",
        _conf_file("hive-site.xml"),
        _conf_paths,
    ),
    Rule(
        "spark-env.sh",
        MAY,
        "what matters of it is compared by itself",
        "sha256 in the conf directory",
        _conf_file("spark-env.sh"),
        _conf_paths,
    ),
    Rule(
        "log4j2.properties",
        MAY,
        "each side logs as it likes",
        "sha256 in the conf directory",
        _conf_file("log4j2.properties"),
        _conf_paths,
    ),
    Rule(
        "PYSPARK_PYTHON",
        MUST,
        "it selects the workers' interpreter",
        "environment",
        _environment("PYSPARK_PYTHON"),
        _no_paths,
    ),
    Rule(
        "PYSPARK_DRIVER_PYTHON",
        MAY,
        "executors do not read it",
        "environment",
        _environment("PYSPARK_DRIVER_PYTHON"),
        _no_paths,
    ),
    Rule(
        "JAVA_HOME",
        MUST,
        "it selects the Java of every JVM",
        "environment",
        _environment("JAVA_HOME"),
        _no_paths,
    ),
    Rule(
        "SPARK_HOME",
        MUST,
        "paths in jobs and conf begin with it",
        "environment",
        _environment("SPARK_HOME"),
        _no_paths,
    ),
    Rule(
        "PYTHONHASHSEED",
        MUST,
        "strings hash to partitions with it",
        "environment",
        _environment("PYTHONHASHSEED"),
        _no_paths,
    ),
    Rule(
        "PYTHONPATH",
        MUST,
        "it shadows the installed packages",
        "environment",
        _environment("PYTHONPATH"),
        _no_paths,
    ),
    Rule(
        "SPARK_DIST_CLASSPATH",
        MUST,
        "it adds classes to every JVM",
        "environment",
        _environment("SPARK_DIST_CLASSPATH"),
        _no_paths,
    ),
    Rule(
        "Time zone",
        MUST,
        "naive timestamps shift between the sides",
        "TZ, else /etc/localtime",
        _zone,
        _no_paths,
    ),
    Rule(
        "Locale",
        MUST,
        "default encodings and sort order follow it",
        "the interpreter's LC_CTYPE",
        lambda facts, _: Value(
            f"{facts.locale.name} {facts.locale.encoding}" if facts.locale.encoding else None,
            reason(facts, "python.worker"),
        ),
        _no_paths,
    ),
    Rule(
        "C library",
        MUST,
        "math functions and native wheels stand on it",
        "confstr",
        lambda facts, _: Value(facts.machine.libc, "this system does not tell it"),
        _system_paths,
    ),
    Rule(
        "Architecture",
        MUST,
        "native files are of one architecture",
        "uname",
        lambda facts, _: Value(facts.machine.architecture),
        _no_paths,
    ),
    Rule(
        "Operating system",
        MAY,
        "what matters of it is compared by itself",
        "/etc/os-release",
        lambda facts, _: Value(facts.machine.os or "not told"),
        _no_paths,
    ),
    Rule(
        "uid:gid",
        MAY,
        "a cluster sets its own; Spark sends the user name",
        "the running process",
        lambda facts, _: Value(f"{facts.user.uid}:{facts.user.gid}"),
        _no_paths,
    ),
)

NOTEBOOK_ONLY = "executors never import it"

SETS: tuple[SetRule, ...] = (
    SetRule(
        "Spark jar",
        "Spark jars",
        "a class of another build fails to load",
        "sha256 in SPARK_HOME/jars",
        _jars("spark"),
        ("jars", "spark"),
        _jar_paths,
    ),
    SetRule(
        "extra jar",
        "extra jars",
        "a class of another build fails to load",
        "sha256 on the class path",
        _jars("extra"),
        ("jars", "spark"),
        _jar_paths,
    ),
    SetRule(
        "package",
        "Python packages, versions",
        "objects are unpickled by the other side's code",
        "METADATA",
        versions,
        ("python.driver", "python.worker"),
        _package_paths,
        only_driver=MAY,
        only_driver_why=NOTEBOOK_ONLY,
    ),
    SetRule(
        "files of package",
        "Python packages, files",
        "an edit or rebuild keeps the version",
        "contents of RECORD's files",
        contents,
        ("python.driver", "python.worker"),
        _package_paths,
        only_driver=MAY,
        only_driver_why=NOTEBOOK_ONLY,
    ),
    SetRule(
        "file of no package",
        "Python files of no package",
        "a loose module or .pth shadows a package",
        "site-packages",
        _unclaimed,
        ("python.driver", "python.worker"),
        _package_paths,
        only_driver=MAY,
        only_driver_why=NOTEBOOK_ONLY,
    ),
    SetRule(
        "conf",
        "Spark configuration",
        "in cluster mode the executors image drives",
        "spark-defaults.conf",
        defaults,
        ("conf.defaults",),
        _conf_paths,
        nothing_is=ABSENT,
    ),
    SetRule(
        "Debian package",
        "Debian packages",
        "what matters of them is compared by itself",
        "dpkg's database",
        _dpkg,
        ("dpkg",),
        _no_paths,
        policy=MAY,
        only_driver=MAY,
        only_driver_why="what matters of them is compared by itself",
        nothing_is="no dpkg",
    ),
    SetRule(
        "R package",
        "R packages",
        "R runs on the driver only",
        "DESCRIPTION files",
        _r,
        ("r",),
        _no_paths,
        policy=MAY,
        only_driver=MAY,
        only_driver_why="R runs on the driver only",
        nothing_is="no R",
    ),
)

CONF_MAY_DIFFER: tuple[tuple[str, str], ...] = (
    ("spark.driver.*", "executors do not read it"),
    ("spark.pyspark.driver.*", "executors do not read it"),
    ("spark.master", "the driver alone connects"),
    ("spark.submit.*", "the driver alone submits"),
    ("spark.app.*", "an application's own name"),
    ("spark.ui.*", "the driver serves the page"),
    ("spark.kubernetes.*", "the driver asks for the pods"),
    ("spark.yarn.*", "the driver asks for the containers"),
    ("spark.dynamicAllocation.*", "the driver decides"),
    ("spark.eventLog.*", "the driver writes the log"),
    ("spark.history.*", "the history server's own"),
    ("spark.sql.warehouse.dir", "the driver's catalog"),
    ("spark.jars.ivy", "the driver resolves"),
)
"""Configuration keys (patterns) that only one side reads; all others must be equal."""


def conf_policy(key: str, why: str) -> tuple[Policy, str]:
    """Return whether a configuration key must be equal, and why."""
    for pattern, reason in CONF_MAY_DIFFER:
        if fnmatch.fnmatchcase(key, pattern):
            return MAY, reason
    return MUST, why
