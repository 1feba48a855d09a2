"""Is a place of event logs that cannot be shown refused in plain words, and nothing secret told?"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sparkyard.commands.history import main
from sparkyard.errors import (
    CertificateError,
    EventLogsAbsentError,
    EventLogsRefusedError,
    FileAccessError,
    HistoryServerError,
    MalformedFileError,
    NetworkError,
    SettingsError,
    SparkyardError,
)
from sparkyard.services import event_logs, history
from sparkyard.services.event_logs import HadoopConf, LogPlace, User
from sparkyard.settings import Settings

SITE = """<?xml version="1.0"?>
<configuration>
<property><name>fs.s3a.endpoint</name><value>http://s3:9000</value></property>
<property><name> fs.s3a.secret.key </name><value>s3cret</value></property>
</configuration>
"""
ON_S3 = LogPlace(url="s3a://logs/spark")


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    directory = tmp_path / "conf"
    directory.mkdir()
    (directory / "core-site.xml").write_text(SITE)
    return directory


@pytest.mark.parametrize("named", ["s3a://logs", "s3a://logs/", "s3a://my.logs-1/a/b%20c/"])
def test_a_place_on_s3(named: str) -> None:
    assert event_logs.place(named) == LogPlace(url=named)
    assert str(event_logs.place(named)) == named


def test_a_directory_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "event logs"
    directory.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    names = (str(directory), f"file://{directory}", f"file://{tmp_path}/event%20logs",
             f"file://localhost{directory}", "event logs", "~/event logs")  # fmt: skip
    assert {event_logs.place(name) for name in names} == {LogPlace(directory=directory)}


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("", "No place of event logs is named"),
        ("/no/such/place", "/no/such/place of event logs does not exist"),
        (__file__, "is no directory"),
        ("s3://logs/spark", "is not how"),
        ("s3n://logs/spark", "is not how"),
        ("hdfs://name/logs", "neither s3a:// nor a directory"),
        ("file://other-host/logs", "neither s3a:// nor a directory"),
        ("https://s3/logs", "neither s3a:// nor a directory"),
        ("s3a://", "names no bucket"),
        ("s3a:///spark", "names no bucket"),
        ("s3a://logs/a b", "names no bucket"),
        ('s3a://logs/" -Dx=y', "names no bucket"),
        ("s3a://logs/x?y", "names no bucket"),
        ("s3a://[logs", "is no place"),
    ],
)
def test_what_is_no_place_is_refused(named: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refusal:
        event_logs.place(named)
    assert refusal.value.remedy


def test_credentials_in_a_place_are_refused_and_not_told() -> None:
    with pytest.raises(SettingsError, match="has credentials") as refusal:
        event_logs.place("s3a://AKIA:s3cret@logs/spark")
    assert "core-site.xml" in refusal.value.remedy
    assert "s3cret" not in refusal.value.what + refusal.value.remedy


def test_s3_needs_a_directory_with_core_site_and_a_directory_of_logs_does_not(
    conf: Path, tmp_path: Path
) -> None:
    found = history.wanted(Settings(event_log_dir="s3a://logs", hadoop_conf_dir=str(conf)))
    assert found.conf
    assert found.conf.directory == conf
    assert found.conf.properties == {"fs.s3a.endpoint", "fs.s3a.secret.key"}
    assert "s3cret" not in repr(found)
    assert history.wanted(Settings(event_log_dir=str(tmp_path))).conf is None
    with pytest.raises(SettingsError, match="Nothing says how to reach S3") as refusal:
        history.wanted(Settings(event_log_dir="s3a://logs"))
    assert "SPARKYARD_HADOOP_CONF_DIR" in refusal.value.remedy


def test_a_directory_without_core_site_is_refused(conf: Path) -> None:
    with pytest.raises(SettingsError, match="/nowhere of core-site"):
        event_logs.hadoop_conf("/nowhere")
    (conf / "core-site.xml").rename(conf / "coresite.xml")
    with pytest.raises(SettingsError, match=f"{conf} has no core-site.xml"):
        event_logs.hadoop_conf(str(conf))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fs.s3a.secret.key=s3cret\n", "not XML: line 1, column 1"),
        (SITE.replace("</configuration>", ""), "not XML: line 6"),
        ("", "not XML"),
        ("<html><body>s3cret</body></html>", "its root is <html>"),
    ],
)
@pytest.mark.parametrize("name", ["core-site.xml", "hdfs-site.xml"])
def test_what_is_no_configuration_is_refused_by_its_line(
    conf: Path, name: str, text: str, told: str
) -> None:
    (conf / name).write_text(text)
    with pytest.raises(MalformedFileError, match=told) as refusal:
        event_logs.hadoop_conf(str(conf))
    assert str(conf / name) in refusal.value.what
    assert "s3cret" not in refusal.value.what


def test_a_link_that_would_lead_nowhere_in_the_container_is_refused(
    conf: Path, tmp_path: Path
) -> None:
    file = conf / "core-site.xml"
    file.rename(conf / "real.xml")
    file.symlink_to("real.xml")
    assert event_logs.hadoop_conf(str(conf)).properties
    (conf / "real.xml").rename(tmp_path / "real.xml")
    for target in ("../real.xml", str(tmp_path / "real.xml")):
        file.unlink()
        file.symlink_to(target)
        with pytest.raises(SettingsError, match="leads out of its directory"):
            event_logs.hadoop_conf(str(conf))


def test_a_change_of_the_configuration_can_be_told(conf: Path) -> None:
    before = event_logs.hadoop_conf(str(conf))
    assert event_logs.hadoop_conf(str(conf)) == before
    (conf / "core-site.xml").write_text(SITE.replace("s3cret", "another"))
    assert event_logs.hadoop_conf(str(conf)).digest != before.digest


def test_what_core_site_says_is_left_alone() -> None:
    conf = HadoopConf(Path("/c"), "d", frozenset({"one"}))
    assert event_logs.defaults(conf, {"one": "1", "two": "2"}) == {"two": "2"}


def status(mode: int, uid: int, gid: int) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


FILE, DIRECTORY = stat.S_IFREG, stat.S_IFDIR


@pytest.mark.parametrize(
    ("found", "may", "groups"),
    [
        (status(FILE | 0o600, 7, 70), True, ()),
        (status(FILE | 0o044, 7, 70), False, ()),  # an owner is nothing else
        (status(FILE | 0o660, 8, 70), True, ()),
        (status(FILE | 0o660, 8, 80), False, (80,)),
        (status(FILE | 0o604, 8, 80), True, ()),
        (status(FILE | 0o600, 8, 80), False, ()),
        (status(DIRECTORY | 0o770, 8, 80), False, (80,)),
        (status(DIRECTORY | 0o744, 8, 80), False, ()),
        (status(DIRECTORY | 0o705, 8, 80), True, ()),
    ],
)
def test_who_may_read_and_by_which_group(
    found: os.stat_result, may: bool, groups: tuple[int, ...]
) -> None:
    who = User(7, 70)
    assert event_logs.may_read(who, found) is may
    assert event_logs.needed_groups(who, [found]) == groups
    if groups:
        assert event_logs.may_read(User(7, 70, groups), found)


def test_logs_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    log = tmp_path / "eventlog_v2_app-1"
    log.mkdir()
    tmp_path.chmod(0o755)
    log.chmod(0o770)
    (tmp_path / ".hidden").touch(mode=0o600)
    other = User(os.getuid() + 1, log.stat().st_gid + 1)
    assert event_logs.reader(other, tmp_path).groups == (log.stat().st_gid,)
    log.chmod(0o700)
    with pytest.raises(EventLogsRefusedError, match=f"uid {other.uid} cannot read {log}") as told:
        event_logs.reader(other, tmp_path)
    assert f"chmod -R g+rX {tmp_path}" in told.value.remedy


def test_a_core_site_of_somebody_else_is_told(conf: Path) -> None:
    found = event_logs.hadoop_conf(str(conf))
    file = conf / "core-site.xml"
    other = User(os.getuid() + 1, file.stat().st_gid + 1)
    conf.chmod(0o755)
    file.chmod(0o640)
    assert event_logs.conf_reader(other, found).groups == (file.stat().st_gid,)
    file.chmod(0o600)
    with pytest.raises(FileAccessError, match=f"{file} cannot be read by uid {other.uid}"):
        event_logs.conf_reader(other, found)


@pytest.mark.parametrize("network", ["host", "none", "container:other"])
def test_a_network_without_loopback_of_its_own_is_refused(tmp_path: Path, network: str) -> None:
    with pytest.raises(SettingsError, match=f'"{network}"'):
        history.wanted(Settings(event_log_dir=str(tmp_path)), network)


@pytest.mark.parametrize(
    ("line", "error", "told"),
    [
        ("Caused by: java.net.UnknownHostException: s3: Name or service not known", NetworkError,
         "cannot be reached"),
        ("Connect to s3:9000 failed: Connection refused (Connection refused)", NetworkError,
         "cannot be reached"),
        ("AmazonS3Exception: (Status Code: 404; Error Code: NoSuchBucket)", EventLogsAbsentError,
         "no bucket of s3a://logs/spark"),
        ("FileNotFoundException: Log directory specified does not exist: s3a://logs/spark",
         EventLogsAbsentError, "nothing at s3a://logs/spark"),
        ("AccessDeniedException: s3a://logs (Status Code: 403; SignatureDoesNotMatch)",
         EventLogsRefusedError, "may not be read"),
        ("NoAuthWithAWSException: No AWS Credentials provided", EventLogsRefusedError,
         "may not be read"),
        ("SSLHandshakeException: PKIX path building failed", CertificateError, "not trusted"),
        ("java.lang.OutOfMemoryError", HistoryServerError, "does not list"),
        ("", HistoryServerError, "does not list"),
    ],
)  # fmt: skip
def test_what_the_servers_log_tells(line: str, error: type[SparkyardError], told: str) -> None:
    log = (
        f"26/01/01 INFO HistoryServer: Started\nException in thread: {line}\n\tat a.b.c(D.java:1)\n"
    )
    found = history.explain(log, ON_S3)
    assert type(found) is error
    assert told in found.what
    assert found.detail == f"Exception in thread: {line}"


def test_a_log_of_nothing_but_good_news_is_shown_to_its_end() -> None:
    log = "".join(f"26/01/01 INFO line {number}\n" for number in range(30))
    assert history.explain(log, ON_S3).detail.splitlines()[-1] == "26/01/01 INFO line 29"


def test_refused_logs_of_a_directory_ask_for_modes_and_not_for_keys() -> None:
    log = "ERROR x\njava.nio.file.AccessDeniedException: /event-logs/app: Permission denied\n"
    found = history.explain(log, LogPlace(directory=Path("/logs")))
    assert found.remedy.endswith("chmod -R g+rX /logs")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "/no/such/place of event logs"),
        (["--logs", "/nor/this"], "/nor/this of event logs"),
        (["--logs", ""], "No place of event logs is named"),
        (["--logs", "s3a://logs", "--hadoop-conf", "/nowhere"], "/nowhere of core-site"),
        (["--port", "http"], 'history_port is "http"'),
        (["--logs", "/", "--network", "host"], '"host"'),
    ],
)
def test_an_option_stands_for_its_variable(
    monkeypatch: pytest.MonkeyPatch, options: list[str], told: str
) -> None:
    monkeypatch.setenv("SPARKYARD_EVENT_LOG_DIR", "/no/such/place")
    with pytest.raises(SettingsError, match=told):
        main(options)
