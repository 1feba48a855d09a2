"""What configuration does Spark start with? Composed anew each time that something of Spark starts.

From these, a later one winning over an earlier: /etc/spark/spark-defaults.conf;
/etc/spark/kubernetes.conf, where the master is a Kubernetes; the fragments /etc/spark/conf.d/*.conf
in the order of their names; the variables of VARIABLES. What a session or a command line sets wins
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
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

ETC = Path(os.environ.get("SPARK_SITE_CONF_DIR", "/etc/spark"))
FRAGMENTS = ETC / "conf.d"
HADOOP = "/etc/hadoop/conf"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts a pod's own namespace and token."""

SITE_FILES = ("core-site.xml", "hdfs-site.xml", "hive-site.xml", "yarn-site.xml")
WRONG, UNAVAILABLE = 78, 69
"""Exit codes after sysexits.h: EX_CONFIG and EX_UNAVAILABLE."""
PATIENCE = 5.0
"""Seconds in which the API server has to take a connection."""

Conf = dict[str, str]


class RefusedError(Exception):
    """What is wrong and where; what to do about it; the exit code."""

    def __init__(self, what: str, remedy: str, exit_code: int = WRONG):
        super().__init__(f"{what}\n  {remedy}")
        self.exit_code = exit_code


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


def properties(file: Path) -> Conf:
    """Return the properties of a file in the form of spark-defaults.conf.

    Raises:
        RefusedError: a line is no property; with the file and the line.
    """
    found: Conf = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"{file} cannot be read: {error}.", "Mount a text file there.") from None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        parts = re.split(r"\s*[=\s]\s*", text, maxsplit=1)
        if len(parts) < 2 or not parts[1] or not parts[0].startswith("spark."):
            raise RefusedError(
                f"{file}, line {number} is no Spark property: {parts[0]}",
                "Write lines of the form: spark.executor.memory  2g",
            )
        found[parts[0]] = parts[1]
    return found


def of_environment(environment: Mapping[str, str]) -> Conf:
    """Return the properties that variables set.

    Raises:
        RefusedError: a variable's value is not of its form.
    """
    found: Conf = {}
    for name, (key, (fits, form)) in VARIABLES.items():
        given = environment.get(name, "")
        if given and not fits(given):
            raise RefusedError(f"{name}={given} is not {form}.", f"Correct or unset {name}.")
        if given:
            found[key] = given
    if "spark.eventLog.dir" in found:
        found["spark.eventLog.enabled"] = "true"
    return found


def of_command(words: Sequence[str]) -> Conf:
    """Return the properties on the command line of spark-submit or one of its kind."""
    found: Conf = {}
    options = {"--master": "spark.master", "--deploy-mode": "spark.submit.deployMode"}
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


def on_kubernetes(conf: Mapping[str, str]) -> bool:
    """Tell whether the master is a Kubernetes."""
    return conf.get("spark.master", "").startswith("k8s://")


def in_cluster_mode(conf: Mapping[str, str]) -> bool:
    """Tell whether the driver runs in a pod of its own, and not here."""
    return conf.get("spark.submit.deployMode") == "cluster"


def check_xml(file: Path) -> None:
    """Refuse a file of Hadoop's that its reader could not read."""
    try:
        root = ElementTree.parse(file).getroot()  # noqa: S314 - the user's own file
    except OSError as error:
        raise RefusedError(
            f"{file} cannot be read: {error.strerror}.", "Give it to this user."
        ) from None
    except ElementTree.ParseError as error:
        raise RefusedError(f"{file} is not XML: {error}.", "Correct it or take it away.") from None
    if root.tag != "configuration":
        raise RefusedError(
            f"{file} is no configuration of Hadoop's: its root is <{root.tag}>.",
            "Write <configuration><property><name>...</name><value>...</value></property> ...",
        )


def api_server(conf: Mapping[str, str]) -> tuple[str, int, bool]:
    """Return host and port of the API server, and whether it is spoken to by TLS."""
    text = conf["spark.master"].removeprefix("k8s://")
    url = urlsplit(text if "://" in text else f"https://{text}")
    tls = url.scheme != "http"
    try:
        port = url.port or (443 if tls else 80)
    except ValueError:
        port = 0
    if not url.hostname or not port:
        raise RefusedError(
            f"The master {conf['spark.master']} names no API server.",
            "Set SPARK_MASTER=k8s://https://host:port (kubectl cluster-info tells it).",
        )
    return url.hostname, port, tls


def check_credentials(conf: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Refuse to talk to an API server with nothing to show it."""
    in_pod = (SERVICE_ACCOUNT / "token").exists()
    given = any(
        key.startswith("spark.kubernetes.authenticate.") and "Name" not in key for key in conf
    )
    named = environment.get("KUBECONFIG", "")
    files = [Path(each) for each in named.split(os.pathsep) if each]
    files = files or [Path(environment.get("HOME", "/")) / ".kube/config"]
    if (in_pod and not named) or given or any(os.access(file, os.R_OK) for file in files):
        return
    what = (
        f"KUBECONFIG={named} names no file that can be read"
        if named
        else "There is no KUBECONFIG, and this is no pod with a service account"
    )
    raise RefusedError(
        f"{what}: nothing to show to {conf['spark.master']}.",
        "Mount a kubeconfig and set KUBECONFIG, or set SPARK_MASTER to a `kubectl proxy`.",
    )


def reach(host: str, port: int) -> str:
    """Return the address with which this machine reaches the API server.

    Raises:
        RefusedError: the API server's name does not resolve, or it takes no connection.
    """
    try:
        with socket.create_connection((host, port), PATIENCE) as connection:
            return str(connection.getsockname()[0])
    except OSError as error:
        raise RefusedError(
            f"The API server {host}:{port} does not answer: {error.strerror or error}.",
            "Check SPARK_MASTER, and whether this machine or pod may reach it.",
            UNAVAILABLE,
        ) from None


def driver_address(conf: Conf, here: str) -> Conf:
    """Return where executors find the driver, and what it binds to.

    Raises:
        RefusedError: pods cannot reach that address, whatever it is.
    """
    host = conf.get("spark.driver.host", here)
    if host == "localhost" or host.startswith("127.") or host == "::1":
        raise RefusedError(
            f"The driver's address would be {host}, which pods cannot reach.",
            "Set SPARK_DRIVER_HOST to an address of this machine that the cluster's pods reach.",
        )
    found = {"spark.driver.host": host}
    if "spark.driver.bindAddress" not in conf:
        found["spark.driver.bindAddress"] = host if _binds(host, 0) else "0.0.0.0"  # noqa: S104
    return found


def check_ports(conf: Mapping[str, str]) -> None:
    """Refuse ports of the driver's that another session has."""
    for key in ("spark.driver.port", "spark.driver.blockManager.port"):
        port = conf.get(key, "0")
        if port.isdigit() and int(port) and not _binds(conf["spark.driver.bindAddress"], int(port)):
            raise RefusedError(
                f"Port {port} ({key}) is taken on this machine, by another session maybe.",
                "Stop that session (its kernel), or give this one another port: "
                "SPARK_DRIVER_PORT, SPARK_BLOCKMANAGER_PORT.",
            )


def _binds(host: str, port: int) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host, port))
    except OSError:
        return False
    return True


def of_pod(conf: Mapping[str, str], environment: Mapping[str, str]) -> Conf:
    """Return what a driver in a pod takes from there: executors go when that pod goes."""
    try:
        namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError:
        return {}
    found = {"spark.kubernetes.namespace": namespace}
    beside = conf.get("spark.kubernetes.namespace", namespace) == namespace
    if beside and not in_cluster_mode(conf):
        found["spark.kubernetes.driver.pod.name"] = environment.get("HOSTNAME", "")
    return found


def compose(words: Sequence[str], environment: Mapping[str, str]) -> tuple[Conf, list[Path]]:
    """Return the properties to start with, and the other files of the configuration.

    Raises:
        RefusedError: it cannot work.
    """
    files = _files()
    for file in files:
        if file.name in SITE_FILES:
            check_xml(file)
    conf = properties(ETC / "spark-defaults.conf")
    fragments: Conf = {}
    for file in sorted(FRAGMENTS.glob("*.conf")):
        fragments |= properties(file)
    given = fragments | of_environment(environment)
    submits = words[:1] == ["org.apache.spark.deploy.SparkSubmit"] or not words[:1]
    asked = of_command(words) if submits else {}
    if on_kubernetes(given | asked):
        conf |= properties(ETC / "kubernetes.conf") | given
        conf |= _on_kubernetes(conf, asked, environment)
    return conf | given, files


def _on_kubernetes(conf: Conf, asked: Conf, environment: Mapping[str, str]) -> Conf:
    known = conf | asked
    host, port, tls = api_server(known)
    if tls:  # through `kubectl proxy`, without TLS, it is the proxy that shows credentials
        check_credentials(known, environment)
    here = reach(host, port)
    found = {key: value for key, value in of_pod(known, environment).items() if key not in known}
    if in_cluster_mode(known):
        return found
    found |= driver_address(known, here)
    check_ports(known | found)
    return found


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


def hadoop(conf: Mapping[str, str], environment: Mapping[str, str], place: Path) -> Conf:
    """Return the variables by which Hadoop's clients find core-site.xml.

    A file in the working directory comes after the mounted ones on the class path. Nothing mounted
    at the images' own place is named to a driver in the cluster: Spark would write its contents,
    credentials as well, into a ConfigMap.
    """
    found: Conf = {}
    named = environment.get("HADOOP_CONF_DIR", "")
    if named:
        mounted = [file for file in map(Path(named).joinpath, SITE_FILES) if file.exists()]
        for file in mounted:
            check_xml(file)
        if named == HADOOP and (not mounted or in_cluster_mode(conf)):
            found["HADOOP_CONF_DIR"] = ""
    own = Path.cwd() / "core-site.xml"
    if own.exists():
        check_xml(own)
        directory = place.parent / ("hadoop-" + hashlib.sha256(bytes(own)).hexdigest()[:16])
        directory.mkdir(mode=0o700, exist_ok=True)
        link = directory / own.name
        if not link.is_symlink():
            link.symlink_to(own)
        before = environment.get("SPARK_DIST_CLASSPATH", "")
        found["SPARK_DIST_CLASSPATH"] = f"{before}:{directory}" if before else str(directory)
    return found


def main(words: list[str]) -> int:
    """Compose, write, and print what spark-env.sh exports; return the exit code."""
    try:
        conf, files = compose(words, os.environ)
        place = write(conf, files)
        exported = {"SPARK_CONF_DIR": str(place)}
        exported |= hadoop(conf | of_command(words), os.environ, place)
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
