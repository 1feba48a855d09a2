"""Who shows the applications that are over? Spark's History Server, on this machine's loopback.

It runs in a container of the executors' image, which has the same Spark and the same jars for S3 as
the applications had. It reads their event logs and writes nothing.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from typing import Any

import urllib3

from sparkyard import console
from sparkyard.engine import engine
from sparkyard.errors import (
    CertificateError,
    EventLogsAbsentError,
    EventLogsRefusedError,
    HistoryServerError,
    ImageMissingError,
    NetworkError,
    SettingsError,
    SparkyardError,
)
from sparkyard.plan.plan import LABEL, Site
from sparkyard.services import event_logs, local_container
from sparkyard.services.event_logs import HadoopConf, LogPlace, User
from sparkyard.services.local_container import LocalContainer
from sparkyard.settings import Settings

NAME = "sparkyard-history"
"""Of the container."""

PATIENCE = 300.0
"""Seconds until it must have listed the logs once: 5 to 10 on an idle machine, 90 where ten others
want each core. One that cannot is known earlier, by its log."""

_LABEL = f"{LABEL}.history"
_LOGS = "/event-logs"
_HADOOP = "/etc/hadoop/conf"
_INSIDE = 18080
_COMMAND = ("spark-class", "org.apache.spark.deploy.history.HistoryServer")
_IMPATIENT = {"fs.s3a.attempts.maximum": "3", "fs.s3a.retry.limit": "3"}
"""Where core-site.xml says nothing else: with Hadoop's own 20 and 7, an endpoint that cannot be
reached is told after minutes. The server lists the logs every 10 s anyway."""

# Compressed logs are read by native libraries, which are unpacked into /tmp and run there.
_TMP = "/tmp:exec,mode=1777,size=256m"  # noqa: S108 - in the container

_FAILED_SCAN = "Exception in checking for event log updates"
_BUSY = re.compile(r"being\s+processed")
_UNTRUSTED = re.compile(r"PKIX path|SSLHandshakeException|SSLPeerUnverified")
_UNREACHABLE = re.compile(
    r"UnknownHostException|Connection refused|ConnectTimeout|connect timed out|NoRouteToHost"
)
_NO_BUCKET = re.compile(r"NoSuchBucket|UnknownStoreException")
_ABSENT = re.compile(r"Log directory specified does not exist")
_REFUSED = re.compile(
    r"AccessDenied|NoAuthWithAWSException|InvalidAccessKeyId|SignatureDoesNotMatch|Status Code: 403"
)


@dataclass(frozen=True)
class Wanted:
    """What a history server is to show, and where.

    Attributes:
        logs: where the event logs are.
        conf: how to reach S3; None where the logs are in a directory.
        port: of loopback.
        network: of the engine, which its container joins; its default one without.
    """

    logs: LogPlace
    conf: HadoopConf | None
    port: str
    network: str = ""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Shown:
    """A history server, as it is now; texts are empty without one."""

    url: str
    container: str
    running: bool
    logs: str
    image: str


def wanted(settings: Settings, network: str = "") -> Wanted:
    """Return what the settings ask for.

    Raises:
        SettingsError: they name no place of event logs, or one that cannot be used.
        MalformedFileError: core-site.xml is not XML.
    """
    if network in ("host", "none") or network.startswith("container:"):
        raise SettingsError(
            f'The history server cannot join the network "{network}": it answers on loopback.',
            "Name a network of `docker network ls` that has the driver bridge.",
        )
    logs = event_logs.place(settings.event_log_dir)
    conf = None if logs.directory else event_logs.hadoop_conf(settings.hadoop_conf_dir)
    return Wanted(logs, conf, settings.history_port, network)


def state(name: str = NAME) -> Shown:
    """Return how it is now. Raises EngineMissingError: no engine answers."""
    now = _container(name).state()
    made_of: dict[str, Any] = json.loads(now.made_of or "{}")
    url = f"http://127.0.0.1:{now.port}" if now.port else ""
    return Shown(url, name, now.running, made_of.get("logs", ""), made_of.get("image", ""))


def ensure(site: Site, asked: Wanted, name: str = NAME) -> int:
    """Start it unless it runs as asked, wait until it lists, and return how many it lists.

    Raises:
        ImageMissingError: the executors' image is not built.
        EventLogsAbsentError: there are no such logs.
        EventLogsRefusedError, FileAccessError: logs or core-site.xml may not be read.
        SettingsError: something else has its port; there is no such network.
        NetworkError, CertificateError: S3 cannot be reached.
        HistoryServerError: it does not start or list.
        EngineMissingError: no engine answers.
    """
    image, who = _image(site)
    who = _reader(asked, who)
    container = _container(name)
    now, made_of = container.state(), _made_of(asked, image, who)
    if now.running and (now.port, now.made_of) == (asked.port, made_of):
        listed = _wait(container, asked)
        console.note(f"the history server was running with the same settings ({name})")
        return listed
    had = container.remove()
    said = container.start(asked.port, made_of, *_words(asked, image, who))
    if said:
        raise _not_started(asked, said)
    try:
        listed = _wait(container, asked)
    except (SparkyardError, KeyboardInterrupt):
        container.remove()
        raise
    # Not earlier: the engine would start one that cannot work again and again.
    engine.client("update", "--restart", local_container.RESTART, name)
    console.note(f"{'replaced' if had else 'started'} the history server ({name})")
    return listed


def stop(name: str = NAME) -> bool:
    """Take its container away, not the logs; return whether there was one."""
    return _container(name).remove()


def explain(log: str, place: LogPlace) -> SparkyardError:
    """Return the error that the server's log tells of, with the lines that matter."""
    lines = [line for line in log.splitlines() if not re.match(r"\s+(at |\.\.\. )", line)]
    lines = [line for line in lines if " INFO " not in line] or lines
    detail = "\n".join(line[:400] for line in lines[-12:])
    hadoop = f"Correct {event_logs.CORE_SITE}"
    if _UNTRUSTED.search(log):
        return CertificateError(
            f"The certificate of the S3 server that has {place} is not trusted.",
            "Let S3 have one of an authority that Java trusts, or put yours into the image.",
            detail=detail,
        )
    if _UNREACHABLE.search(log):
        return NetworkError(
            f"The S3 server that is to have {place} cannot be reached from a container.",
            f"{hadoop}: fs.s3a.endpoint. There, localhost is the container itself; a server that "
            "only other containers reach needs --network.",
            detail=detail,
        )
    if _NO_BUCKET.search(log):
        return EventLogsAbsentError(
            f"There is no bucket of {place}.", "Check its name, or make it.", detail=detail
        )
    if _ABSENT.search(log):
        return EventLogsAbsentError(
            f"There is nothing at {place}, and S3 has no empty directories.",
            f"Put an empty object {str(place).rstrip('/')}/ there (its name ends in the slash): "
            "applications want to find it, too.",
            detail=detail,
        )
    if _REFUSED.search(log):
        remedy = f"{hadoop}: fs.s3a.access.key, fs.s3a.secret.key; or ask for the right to read."
        if place.directory:
            remedy = f"Give the logs to a group and let it read: chmod -R g+rX {place}"
        return EventLogsRefusedError(f"{place} may not be read.", remedy, detail=detail)
    return HistoryServerError(
        f"The history server does not list {place}.",
        "The lines above are the last that it wrote.",
        detail=detail,
    )


def _image(site: Site) -> tuple[str, User]:
    """Return the image's digest, and who is to run in it: never root."""
    reference = site.name(site.family.pair.executors)
    image = engine.inspect([reference]).get(reference)
    if not image:
        raise ImageMissingError(f"The image {reference} is not built.", "Run `nox -s executors`.")
    if os.getuid():
        return str(image["Id"]), User(os.getuid(), os.getgid())
    uid, _, gid = str(image["Config"]["User"]).partition(":")
    return str(image["Id"]), User(int(uid), int(gid or 0))


def _reader(asked: Wanted, who: User) -> User:
    if asked.logs.directory:
        return event_logs.reader(who, asked.logs.directory)
    return event_logs.conf_reader(who, asked.conf) if asked.conf else who


def _made_of(asked: Wanted, image: str, who: User) -> str:
    """Return all that would make another server of it, as a label's text."""
    document = {"image": image, "logs": str(asked.logs), "network": asked.network}
    document["user"] = ":".join(map(str, (who.uid, who.gid, *who.groups)))
    if asked.conf:
        document |= {"hadoop_conf": str(asked.conf.directory), "content": asked.conf.digest}
    return json.dumps(document, sort_keys=True)


def _words(asked: Wanted, image: str, who: User) -> list[str]:
    """Return the words for `docker run` that say what it reads, and as whom."""
    words = ["--tmpfs", _TMP, "--user", f"{who.uid}:{who.gid}"]
    words += [word for gid in who.groups for word in ("--group-add", str(gid))]
    words += ["--network", asked.network] if asked.network else []
    properties = {"spark.history.fs.logDirectory": asked.logs.url or f"file://{_LOGS}"}
    if asked.logs.directory:
        words += ["--mount", _mount(str(asked.logs.directory), _LOGS)]
    if asked.conf:
        words += ["--mount", _mount(str(asked.conf.directory), _HADOOP)]
        words += ["--env", f"HADOOP_CONF_DIR={_HADOOP}"]
        fill = event_logs.defaults(asked.conf, _IMPATIENT)
        properties |= {f"spark.hadoop.{key}": value for key, value in fill.items()}
    options = " ".join(f"-D{key}={value}" for key, value in properties.items())
    return [*words, "--env", f"SPARK_HISTORY_OPTS={options}", image, *_COMMAND]


def _mount(source: str, target: str) -> str:
    """Return a mount as the engine's client reads it: a line of CSV."""
    quoted = '"source=' + source.replace('"', '""') + '"'
    return f"type=bind,{quoted},target={target},readonly"


def _not_started(asked: Wanted, said: str) -> SparkyardError:
    if local_container.port_taken(said):
        return SettingsError(
            f"The history server cannot have port {asked.port}: something else listens there.",
            "Name a free one: --port PORT, or SPARKYARD_HISTORY_PORT.",
        )
    if asked.network and re.search(r"network \S+ not found", said):
        return SettingsError(
            f'The engine has no network "{asked.network}".', "See `docker network ls`."
        )
    return HistoryServerError(
        "The history server could not be started.", "See what the engine says above.", detail=said
    )


def _wait(container: LocalContainer, asked: Wanted) -> int:
    """Wait until the server has listed the logs once, and return how many applications it shows."""
    deadline = time.monotonic() + PATIENCE
    looked = False
    with urllib3.PoolManager(retries=False, timeout=30) as client:
        while True:
            # The API has no word for it. A page's count of logs that are being read is older than
            # its time of the last look: so the page after the first one with a time counts.
            page = _get(client, asked.url)
            if looked and page and not _BUSY.search(page):
                # Its first answer takes long; none is not the same as an empty list.
                listed = _get(client, f"{asked.url}/api/v1/applications")
                if listed:
                    return len(json.loads(listed))
            if not looked and "last-updated" in page:
                looked = True
                continue
            late = time.monotonic() > deadline
            if late or not container.state().running or _FAILED_SCAN in container.log(200):
                raise explain(container.log(200), asked.logs)
            time.sleep(0.3)


def _get(client: urllib3.PoolManager, url: str) -> str:
    """Return what is at a URL, or nothing while nobody answers."""
    try:
        answer = client.request("GET", url)
    except urllib3.exceptions.HTTPError:
        return ""
    return answer.data.decode(errors="replace") if answer.status == 200 else ""


def _container(name: str) -> LocalContainer:
    return LocalContainer(name, _LABEL, _INSIDE)
