"""Does the history server show what real applications wrote, on S3 and in a directory?"""

from __future__ import annotations

import io
import json
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
import urllib3

from sparkyard.engine import engine
from sparkyard.errors import (
    EventLogsAbsentError,
    EventLogsRefusedError,
    ImageMissingError,
    SettingsError,
    SparkyardError,
)
from sparkyard.plan.plan import Site
from sparkyard.services import history
from sparkyard.services.history import Wanted
from tests.e2e import object_store
from tests.e2e.cluster import S3
from tests.support import Lab, must

BUCKET = "event-logs"
PLACE = f"s3a://{BUCKET}/spark"
"""In another bucket than the one that other tests list."""


@dataclass(frozen=True)
class Store:
    """An S3 server with a bucket of event logs.

    Attributes:
        network: on which it is.
        conf: a directory with the core-site.xml that says how to reach it, as a site has one.
    """

    s3: S3
    network: str
    conf: Path


# Both applications in one JVM, which is most of what an application costs.
APPLICATIONS = """
import sys
from pyspark.sql import SparkSession
for place in sys.argv[2:]:
    spark = (
        SparkSession.builder.master("local[1]").appName(f"{place} {sys.argv[1]}")
        .config("spark.eventLog.enabled", "true").config("spark.eventLog.dir", place)
        .config("spark.eventLog.compress", "true").config("spark.eventLog.rolling.enabled", "true")
        .config("spark.ui.enabled", "false").getOrCreate()
    )
    spark.range(100).selectExpr("sum(id)").collect()
    spark.stop()
"""


@pytest.fixture(scope="module")
def store(s3: S3, network: str, tmp_path_factory: pytest.TempPathFactory) -> Store:
    conf = write(
        tmp_path_factory.mktemp("conf"),
        object_store.core_site(s3, object_store.s3_settings(s3, "fs.s3a.")),
    )
    make_bucket(s3)
    return Store(s3, network, conf)


@pytest.fixture(scope="module")
def logs(
    lab: Lab,
    driver_image: str,
    store: Store,
    number: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A directory with the event log of one application, whose twin wrote its own to S3."""
    directory = tmp_path_factory.mktemp("logs")
    directory.chmod(0o777)
    mounted = ["--volume", f"{store.conf}:/etc/hadoop/conf:ro", "--volume", f"{directory}:/events"]
    options = [*mounted, "--network", store.network, "--env", "HADOOP_CONF_DIR=/etc/hadoop/conf"]
    argv = ["python", "-", str(number), "file:///events", PLACE]
    must(lab.once(driver_image, *argv, options=options, stdin=APPLICATIONS, timeout=300))
    return directory


@pytest.fixture
def name(lab: Lab) -> Iterator[str]:
    name = lab.name("history")
    yield name
    history.stop(name)


@pytest.fixture
def here(site: Site) -> Site:
    return replace(site, settings=replace(site.settings, history_port=str(free_port())))


def asked(site: Site, logs: str | Path, conf: str | Path = "", network: str = "") -> Wanted:
    given = replace(site.settings, event_log_dir=str(logs), hadoop_conf_dir=str(conf))
    return history.wanted(given, network)


def test_it_shows_the_logs_of_a_directory_and_those_on_s3_and_tells_no_secret(
    here: Site, name: str, store: Store, logs: Path, number: int
) -> None:
    wanted = asked(here, logs)
    assert history.ensure(here, wanted, name) == 1
    assert shown(wanted) == {f"file:///events {number}": True}
    before = container(name)
    assert before["HostConfig"]["ReadonlyRootfs"] is True
    assert before["HostConfig"]["CapDrop"] == ["ALL"]
    assert before["HostConfig"]["SecurityOpt"] == ["no-new-privileges"]
    assert before["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert before["Config"]["User"].split(":")[0] != "0"
    assert [mount["RW"] for mount in before["Mounts"]] == [False]
    assert [bound["HostIp"] for bound in bindings(before)] == ["127.0.0.1"]
    # Once more: the same. Of another place, at another port: another.
    assert history.ensure(here, wanted, name) == 1
    assert container(name)["Id"] == before["Id"]
    elsewhere = replace(asked(here, PLACE, store.conf, store.network), port=str(free_port()))
    assert history.ensure(here, elsewhere, name) == 1
    assert container(name)["Id"] != before["Id"]
    assert history.state(name).url == elsewhere.url
    assert shown(elsewhere) == {f"{PLACE} {number}": True}
    said = engine.client("logs", name)
    told = json.dumps(container(name)) + said.stdout + said.stderr
    assert store.s3.credentials["AWS_SECRET_ACCESS_KEY"] not in told
    assert history.stop(name)
    assert not history.state(name).running
    assert not history.stop(name)


@pytest.mark.nightly
def test_another_port_alone_gets_another_server(
    here: Site, name: str, logs: Path, number: int
) -> None:
    wanted = asked(here, logs)
    assert history.ensure(here, wanted, name) == 1
    before = container(name)
    elsewhere = replace(wanted, port=str(free_port()))
    assert history.ensure(here, elsewhere, name) == 1
    assert container(name)["Id"] != before["Id"]
    assert history.state(name).url == elsewhere.url
    assert shown(elsewhere) == {f"file:///events {number}": True}


REFUSED: dict[str, type[SparkyardError]] = {
    PLACE: EventLogsRefusedError,
    f"s3a://{BUCKET}/nothing": EventLogsAbsentError,
    "s3a://no-such-bucket/spark": EventLogsAbsentError,
}
"""Places, the first with a wrong secret, and what they end in."""

NIGHTLY = [pytest.param(place, marks=pytest.mark.nightly) for place in list(REFUSED)[2:]]


@pytest.mark.parametrize("place", [*list(REFUSED)[:2], *NIGHTLY])
def test_what_s3_has_not_or_refuses_is_told_and_nothing_is_left(
    here: Site, name: str, store: Store, tmp_path: Path, place: str
) -> None:
    right = store.s3.credentials["AWS_SECRET_ACCESS_KEY"]
    text = (store.conf / "core-site.xml").read_text()
    conf = write(tmp_path, text.replace(escape(right), "wrong-77aa") if place == PLACE else text)
    wanted = asked(here, place, conf, store.network)
    with pytest.raises(REFUSED[place], match=place) as raised:
        history.ensure(here, wanted, name)
    told = f"{raised.value.what}{raised.value.remedy}{raised.value.detail}"
    assert right not in told
    assert "wrong-77aa" not in told
    assert not history.stop(name)


def test_a_taken_port_is_told(here: Site, name: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    port = int(here.settings.history_port)
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(SettingsError, match=f"port {port}") as raised,
    ):
        history.ensure(here, asked(here, tmp_path), name)
    assert "--port" in raised.value.remedy
    assert not history.stop(name)


def test_a_network_that_is_not_there_is_told(here: Site, name: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(SettingsError, match='no network "no-such-network"'):
        history.ensure(here, asked(here, tmp_path, network="no-such-network"), name)
    assert not history.stop(name)


def test_an_image_that_is_not_built_is_told(here: Site, name: str, tmp_path: Path) -> None:
    elsewhere = replace(here, settings=replace(here.settings, namespace="never-built"))
    with pytest.raises(ImageMissingError, match="never-built") as raised:
        history.ensure(elsewhere, asked(here, tmp_path), name)
    assert "nox -s executors" in raised.value.remedy


def write(directory: Path, core_site: str) -> Path:
    """Write core-site.xml for any uid to read, and return its directory."""
    (directory / "core-site.xml").write_text(core_site)
    directory.chmod(0o755)
    (directory / "core-site.xml").chmod(0o644)
    return directory


def make_bucket(s3: S3) -> None:
    """Make the place: to the server, a directory of its own with another one in it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, kind in ((BUCKET, tarfile.DIRTYPE), (f"{BUCKET}/spark", tarfile.DIRTYPE),
                           (f"{BUCKET}/spark/.place", tarfile.REGTYPE)):  # fmt: skip
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.uid, entry.gid = kind, 0o755, 1000, 100
            archive.addfile(entry)
    argv = ["docker", "cp", "-", f"{s3.container.id}:/data"]
    subprocess.run(argv, input=packed.getvalue(), check=True, capture_output=True)


def shown(wanted: Wanted) -> dict[str, bool]:
    """Return the names of the applications that its API has, and whether each is over."""
    answer = urllib3.request("GET", f"{wanted.url}/api/v1/applications", timeout=30)
    assert answer.status == 200
    return {each["name"]: each["attempts"][-1]["completed"] for each in answer.json()}


def container(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(engine.client("container", "inspect", name).stdout)[0]
    return document


def bindings(document: dict[str, Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = document["HostConfig"]["PortBindings"]["18080/tcp"]
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
