"""What configuration does Spark start with, and what is refused before it starts?"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.unit.compose.conftest import UNAVAILABLE, WRONG, Site


def test_without_a_master_the_images_own_defaults_hold(site: Site) -> None:
    conf = site.conf()
    assert conf["spark.serializer"] == "org.apache.spark.serializer.KryoSerializer"
    assert "spark.authenticate" not in conf
    assert "spark.master" not in conf


def test_on_kubernetes_it_is_secure_by_default(site: Site, api: str) -> None:
    conf = site.conf(SPARK_MASTER=api, SPARK_DRIVER_HOST="driver.example.com")
    assert conf["spark.master"] == api
    assert conf["spark.authenticate"] == conf["spark.network.crypto.enabled"] == "true"
    assert conf["spark.kubernetes.executor.podTemplateFile"] == "/etc/spark/executor-pod.yaml"


@pytest.mark.parametrize(
    "form", ["--master {}", "--conf spark.master={}", "--conf=spark.master={}"]
)
def test_a_master_of_the_command_line_counts(site: Site, api: str, form: str) -> None:
    conf = site.conf(*form.format(api).split(), SPARK_DRIVER_HOST="driver.example.com")
    assert conf["spark.authenticate"] == "true"
    assert "spark.master" not in conf, "the command line says it already"


def test_pyspark_by_its_own_script_is_no_less_secure(site: Site, api: str) -> None:
    words = ["--master", api]
    conf = site.conf(*words, command="", SPARK_DRIVER_HOST="driver.example.com")
    assert conf["spark.authenticate"] == "true"


def test_another_program_of_spark_has_options_of_its_own(site: Site, api: str) -> None:
    conf = site.conf("--master", api, command="org.apache.spark.deploy.history.HistoryServer")
    assert "spark.authenticate" not in conf


def test_a_master_of_the_images_own_defaults_counts(site: Site, api: str) -> None:
    with (site.etc / "spark-defaults.conf").open("a") as file:
        file.write(f"spark.master {api}\n")
    conf = site.conf(SPARK_DRIVER_HOST="driver.example.com")
    assert conf["spark.authenticate"] == "true"


def test_a_driver_in_a_pod_of_its_own_takes_nothing_of_this_ones(site: Site, api: str) -> None:
    surroundings = {
        "SPARK_DRIVER_HOST": "notebook.example.com",
        "SPARK_DRIVER_PORT": "17078",
        "SPARK_BLOCKMANAGER_PORT": "17079",
        "SPARK_DRIVER_POD_NAME": "notebook-1",
    }
    here = site.conf(SPARK_MASTER=api, **surroundings)
    there = site.conf("--deploy-mode", "cluster", SPARK_MASTER=api, **surroundings)
    gone = {key for key, value in here.items() if value in surroundings.values()}
    assert len(gone) == 4
    assert not gone & set(there)
    assert "spark.driver.bindAddress" not in there


def test_the_same_configuration_is_the_same_private_directory(site: Site) -> None:
    site.fragment("log4j2.properties", "rootLogger.level = warn\n")
    first, second = (site.exported(site.start())["SPARK_CONF_DIR"] for _ in range(2))
    assert first == second
    assert (Path(first) / "log4j2.properties").read_text() == "rootLogger.level = warn\n"
    assert Path(first).stat().st_mode & 0o077 == 0
    assert os.listdir(Path(first).parent) == [Path(first).name]


def test_a_directory_of_somebody_else_is_not_trusted(site: Site, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "tmp" / f"spark-conf-{os.getuid()}").symlink_to(elsewhere)
    code, said = site.refused()
    assert code == WRONG
    assert "belongs to somebody else" in said


def test_the_driver_is_found_where_it_reaches_the_api_server(site: Site) -> None:
    address = _own_address()
    with socket.create_server((address, 0)) as server:
        conf = site.conf(SPARK_MASTER=f"k8s://https://{address}:{server.getsockname()[1]}")
    assert conf["spark.driver.host"] == conf["spark.driver.bindAddress"] == address


def test_an_address_of_another_machine_is_not_bound(site: Site, api: str) -> None:
    conf = site.conf(SPARK_MASTER=api, SPARK_DRIVER_HOST="192.0.2.1")
    assert conf["spark.driver.host"] == "192.0.2.1"
    assert conf["spark.driver.bindAddress"] == "0.0.0.0"  # noqa: S104


def test_an_address_that_no_pod_reaches_is_refused(site: Site, api: str) -> None:
    code, said = site.refused(SPARK_MASTER=api)  # as through kubectl proxy
    assert code == WRONG
    assert "127.0.0.1, which pods cannot reach" in said
    assert "SPARK_DRIVER_HOST" in said


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("spark.driver.port", "spark.driver.port"),
        ("spark.driver.blockManager.port", "spark.driver.blockManager.port"),
        ("spark.blockManager.port", "spark.driver.blockManager.port"),
    ],
)
def test_a_port_that_another_session_has_is_refused(
    site: Site, api: str, setting: str, named: str
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:  # noqa: S104
        port = taken.getsockname()[1]
        code, said = site.refused(
            "--conf", f"{setting}={port}", SPARK_MASTER=api, SPARK_DRIVER_HOST="192.0.2.1"
        )
    assert code == WRONG
    assert f"Port {port} ({named}) is taken" in said


def test_an_api_server_that_does_not_answer_is_refused(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    code, said = site.refused(SPARK_MASTER=f"k8s://https://127.0.0.1:{port}")
    assert code == UNAVAILABLE
    assert f"API server 127.0.0.1:{port} does not answer" in said


def test_no_credentials_are_refused(site: Site, api: str) -> None:
    (site.root / ".kube" / "config").unlink()
    code, said = site.refused(SPARK_MASTER=api)
    assert code == WRONG
    assert "There is no KUBECONFIG" in said
    code, said = site.refused(SPARK_MASTER=api, KUBECONFIG="/nowhere/config")
    assert "KUBECONFIG=/nowhere/config names no file" in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not XML"),
        ("fs.s3a.endpoint=https://s3", "is not XML"),
        ("<configuration><property></configuration>", "is not XML"),
        ("<html/>", "its root is <html>"),
        (
            "<configuration><value>a&b;c</value></configuration>",
            "is not XML: undefined entity: line",
        ),
        ('<?xml version="1.0" encoding="no"?><configuration/>', "names an encoding that"),
    ],
)
@pytest.mark.parametrize("where", ["mounted", "fragments", "working directory"])
def test_a_core_site_that_is_none_is_named(site: Site, text: str, why: str, where: str) -> None:
    hadoop = site.root / "hadoop"
    hadoop.mkdir()
    places = {
        "mounted": hadoop,
        "fragments": site.etc / "conf.d",
        "working directory": site.root / "work",
    }
    places[where].mkdir(exist_ok=True)
    file = places[where] / "core-site.xml"
    file.write_text(text)
    code, said = site.refused(HADOOP_CONF_DIR=str(hadoop))
    assert code == WRONG
    assert str(file) in said
    assert why in said


def test_a_core_site_in_the_working_directory_is_on_the_class_path(site: Site) -> None:
    file = site.root / "work" / "core-site.xml"
    file.write_text("<configuration/>")
    told = site.exported(site.start(SPARK_DIST_CLASSPATH="/a.jar"))
    first, directory = told["SPARK_DIST_CLASSPATH"].split(":")
    assert first == "/a.jar"
    assert os.path.samefile(Path(directory) / "core-site.xml", file)
    assert os.listdir(directory) == ["core-site.xml"]


def test_the_causes_of_two_faults_are_told_apart(site: Site) -> None:
    (site.etc / "conf.d").mkdir()
    (site.etc / "conf.d" / "10-site.conf").symlink_to("/nowhere")
    code, said = site.refused()
    assert code == WRONG
    assert "10-site.conf cannot be read: No such file or directory." in said
    assert "TMPDIR" not in said
    (site.etc / "conf.d" / "10-site.conf").unlink()
    (site.root / "tmp" / f"spark-conf-{os.getuid()}").touch()
    code, said = site.refused()
    assert code == WRONG
    assert f"spark-conf-{os.getuid()} cannot be written: File exists." in said
    assert "TMPDIR" in said


def test_a_port_that_cannot_be_had_is_not_said_to_be_taken(site: Site, api: str) -> None:
    code, said = site.refused(
        "--conf",
        "spark.driver.bindAddress=192.0.2.1",
        SPARK_MASTER=api,
        SPARK_DRIVER_HOST="192.0.2.1",
        SPARK_DRIVER_PORT="17078",
    )
    assert code == WRONG
    assert "Port 17078 (spark.driver.port) cannot be bound at 192.0.2.1: Cannot assign" in said


def _own_address() -> str:
    """Return an address of this machine that is not the loopback's; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
