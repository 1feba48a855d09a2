"""Where do applications write their event logs, and may somebody else read them there?

A place is a directory of this machine or s3a://bucket/prefix. How to reach S3, and as whom, stands
in core-site.xml, which is only ever mounted: none of it is read into a command line.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from sparkyard.command import mask
from sparkyard.errors import (
    EventLogsRefusedError,
    FileAccessError,
    MalformedFileError,
    SettingsError,
)

CORE_SITE = "core-site.xml"
_FILES = (CORE_SITE, "hdfs-site.xml")
"""What Hadoop's clients read of HADOOP_CONF_DIR, as far as it is there."""

_NAME_ONE = (
    "Name a place: `nox -s history -- --logs s3a://bucket/prefix`, or a directory; "
    "SPARKYARD_EVENT_LOG_DIR names it once and for all."
)


@dataclass(frozen=True)
class LogPlace:
    """Where event logs are: on S3 at `url`, or else in `directory` of this machine."""

    url: str = ""
    directory: Path | None = None

    def __str__(self) -> str:
        """Return it as a person named it."""
        return str(self.directory) if self.directory else self.url


@dataclass(frozen=True)
class HadoopConf:
    """A directory with core-site.xml.

    Attributes:
        digest: of its files' contents, so that a change can be told.
        properties: the names that they set; values are not kept.
    """

    directory: Path
    digest: str
    properties: frozenset[str] = frozenset()


@dataclass(frozen=True)
class User:
    """Who reads: a uid, and all gids."""

    uid: int
    gid: int
    groups: tuple[int, ...] = field(default=())


def place(named: str) -> LogPlace:
    """Return the place that a text names.

    Raises:
        SettingsError: it names none, or one that is neither s3a:// nor a directory.
    """
    if not named:
        raise SettingsError("No place of event logs is named.", _NAME_ONE)
    try:
        url = urlsplit(named)
    except ValueError:
        raise SettingsError(f"{mask(named)} is no place of event logs.", _NAME_ONE) from None
    if url.scheme == "s3a":
        return _on_s3(named)
    if url.scheme in ("s3", "s3n"):
        raise SettingsError(
            f"{mask(named)} is not how Spark's Hadoop names S3.", "Write s3a:// instead."
        )
    if url.scheme == "file" and url.netloc in ("", "localhost"):
        return _here(Path(unquote(url.path)))
    if url.scheme:
        raise SettingsError(f"{mask(named)} is neither s3a:// nor a directory.", _NAME_ONE)
    return _here(Path(named).expanduser())


def hadoop_conf(named: str) -> HadoopConf:
    """Return the directory of Hadoop's configuration that a text names.

    Raises:
        SettingsError: it names none, or one without core-site.xml.
        MalformedFileError: a file there is no configuration of Hadoop's.
        OSError: a file there cannot be read.
    """
    fix = (
        "Name a directory with core-site.xml (fs.s3a.endpoint, fs.s3a.access.key, ...): "
        "--hadoop-conf DIRECTORY, or SPARKYARD_HADOOP_CONF_DIR."
    )
    if not named:
        raise SettingsError("Nothing says how to reach S3, and as whom.", fix)
    directory = Path(named).expanduser().absolute()
    if not directory.is_dir():
        raise SettingsError(f"The directory {directory} of core-site.xml does not exist.", fix)
    if not (directory / CORE_SITE).is_file():
        raise SettingsError(f"The directory {directory} has no {CORE_SITE}.", fix)
    digest = hashlib.sha256()
    properties: set[str] = set()
    for file in (directory / name for name in _FILES):
        if not file.is_file():
            continue
        if file.is_symlink() and not _within(file, directory):
            raise SettingsError(
                f"{file} is a link that leads out of its directory, the only one to be mounted.",
                "Put the file itself there, or name the directory that it leads to.",
            )
        content = file.read_bytes()
        digest.update(content)
        properties |= _properties(file, content)
    return HadoopConf(directory.resolve(), digest.hexdigest(), frozenset(properties))


def reader(who: User, directory: Path) -> User:
    """Return `who` with the groups by which Spark lets others read the logs in a directory.

    Spark gives logs the mode 0660, or 0770 where a log is a directory. A single one of those that
    cannot be listed keeps the history server from seeing any.

    Raises:
        EventLogsRefusedError: there are logs that `who` cannot read even so.
        OSError: the directory cannot be listed.
    """
    statuses = {".": directory.stat()}
    with os.scandir(directory) as entries:
        statuses |= {
            entry.name: entry.stat() for entry in entries if not entry.name.startswith(".")
        }
    groups = needed_groups(who, statuses.values())
    able = User(who.uid, who.gid, groups)
    refused = sorted(name for name, status in statuses.items() if not may_read(able, status))
    if refused:
        raise EventLogsRefusedError(
            f"uid {who.uid} cannot read {directory / refused[0]}"
            + (f", nor {len(refused) - 1} more there." if len(refused) > 1 else "."),
            f"Give them to a group and let it read: chmod -R g+rX {directory}",
        )
    return able


def conf_reader(who: User, conf: HadoopConf) -> User:
    """Return `who` with the groups by which others read Hadoop's configuration.

    Raises:
        FileAccessError: `who` cannot read it even so.
    """
    files = [conf.directory, *(conf.directory / name for name in _FILES)]
    statuses = {file: file.stat() for file in files if file.exists()}
    able = User(who.uid, who.gid, needed_groups(who, statuses.values()))
    for file, status in statuses.items():
        if not may_read(able, status):
            raise FileAccessError(
                f"{file} cannot be read by uid {who.uid}, as which the history server runs.",
                f"Let its group read it: chmod g+rX {file}",
            )
    return able


def needed_groups(who: User, statuses: Iterable[os.stat_result]) -> tuple[int, ...]:
    """Return the gids that `who` must have besides their own to read as much as can be read."""
    return tuple(
        sorted(
            {
                status.st_gid
                for status in statuses
                if not may_read(who, status)
                and may_read(User(who.uid, who.gid, (status.st_gid,)), status)
            }
        )
    )


def may_read(who: User, status: os.stat_result) -> bool:
    """Tell whether `who`, with no capability, may read a file, or list and enter a directory."""
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(status.st_mode) else 0)
    if status.st_uid == who.uid:
        wanted <<= 6
    elif status.st_gid in (who.gid, *who.groups):
        wanted <<= 3
    return status.st_mode & wanted == wanted


def defaults(conf: HadoopConf, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return those of the wanted properties that the configuration leaves open."""
    return {key: value for key, value in wanted.items() if key not in conf.properties}


def _on_s3(named: str) -> LogPlace:
    url = urlsplit(named)
    if "@" in url.netloc:
        raise SettingsError(
            f"{mask(named)} has credentials in it.",
            f"Put them into {CORE_SITE} (fs.s3a.access.key, fs.s3a.secret.key).",
        )
    if not re.fullmatch(r"[A-Za-z0-9._-]+", url.netloc) or re.search(r"[\s\"'\\?#]", named):
        raise SettingsError(f"{named} names no bucket and prefix.", _NAME_ONE)
    return LogPlace(url=named)


def _here(directory: Path) -> LogPlace:
    directory = directory.absolute()
    if not directory.exists():
        raise SettingsError(
            f"The directory {directory} of event logs does not exist.",
            "Make it, and let applications write there (spark.eventLog.dir), or name another.",
        )
    if not directory.is_dir():
        raise SettingsError(f"{directory} is no directory.", _NAME_ONE)
    return LogPlace(directory=directory.resolve())


def _within(file: Path, directory: Path) -> bool:
    return not file.readlink().is_absolute() and file.resolve().is_relative_to(directory.resolve())


def _properties(file: Path, content: bytes) -> set[str]:
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - the user's own file
    except ElementTree.ParseError as error:
        line, column = error.position
        raise MalformedFileError(
            f"{file} is not XML: line {line}, column {column + 1}.", "Correct it there."
        ) from None
    if root.tag != "configuration":
        raise MalformedFileError(
            f"{file} is no configuration of Hadoop's: its root is <{root.tag}>.",
            "Write <configuration><property><name>...</name><value>...</value></property> ...",
        )
    return {(element.findtext("name") or "").strip() for element in root.iter("property")}
