"""What configuration does Spark start with, and what is refused before it starts?"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sparkyard import paths

SOURCE = paths.ROOT / "conf" / "spark"
SUBMIT = "org.apache.spark.deploy.SparkSubmit"
WRONG, UNAVAILABLE = 78, 69


@dataclass
class Site:
    """A machine's directories for Spark, and what its variables are."""

    root: Path

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    def fragment(self, name: str, text: str) -> Path:
        file = self.etc / "conf.d" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    def start(
        self, *words: str, command: str = SUBMIT, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        given = {
            "SPARK_SITE_CONF_DIR": str(self.etc),
            "TMPDIR": str(self.root / "tmp"),
            "HOME": str(self.root),
            "PATH": os.environ["PATH"],
            **environment,
        }
        first = [command] if command else []
        argv = [sys.executable, "-B", "-I", "-S", str(SOURCE / "compose"), *first, *words]
        return subprocess.run(
            argv, env=given, cwd=self.root / "work", capture_output=True, text=True, check=False
        )

    def conf(self, *words: str, command: str = SUBMIT, **environment: str) -> dict[str, str]:
        ended = self.start(*words, command=command, **environment)
        assert ended.returncode == 0, ended.stderr
        file = Path(self.exported(ended)["SPARK_CONF_DIR"]) / "spark-defaults.conf"
        return dict(line.split(maxsplit=1) for line in file.read_text().splitlines())

    @staticmethod
    def exported(ended: subprocess.CompletedProcess[str]) -> dict[str, str]:
        return dict(line.split("=", 1) for line in ended.stdout.splitlines())

    def refused(self, *words: str, **environment: str) -> tuple[int, str]:
        ended = self.start(*words, **environment)
        assert ended.returncode != 0, "it was accepted"
        assert ended.stdout == ""
        assert "Traceback" not in ended.stderr
        assert ended.stderr.startswith("Spark is not started: ")
        return ended.returncode, ended.stderr


@pytest.fixture
def site(tmp_path: Path) -> Site:
    for name in ("etc", "tmp", "work", ".kube"):
        (tmp_path / name).mkdir()
    for name in ("spark-defaults.conf", "kubernetes.conf"):
        (tmp_path / "etc" / name).write_text((SOURCE / name).read_text())
    (tmp_path / ".kube" / "config").write_text("{}")
    return Site(tmp_path)


@pytest.fixture
def api() -> Iterator[str]:
    """A server that takes connections, as a master's address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"k8s://https://127.0.0.1:{server.getsockname()[1]}"


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


@pytest.mark.parametrize(
    ("name", "line", "why"),
    [
        ("log4j2.properties", "<Configuration/>", "line 2 is no property"),
        ("log4j2.properties", "rootLogger.level = loud", "line 2 names a level that is none: loud"),
        ("log4j2.properties", "# as in C:\\\na.level = loud", "line 3 names a level that is none"),
        ("metrics.properties", "everything", "line 2 is no property"),
    ],
)
def test_wrong_properties_are_named_with_their_line(
    site: Site, name: str, line: str, why: str
) -> None:
    file = site.fragment(name, f"# of the site\n{line}\n")
    code, message = site.refused()
    assert code == WRONG
    assert f"{file}, {why}" in message


def test_properties_that_java_reads_are_taken_over(site: Site) -> None:
    text = "! ours\nrootLogger.level: WARN\nlogger.x.level = ${env:L:-info}\na = b\\\n  c d\n"
    site.fragment("log4j2.properties", text)
    directory = Path(site.exported(site.start())["SPARK_CONF_DIR"])
    assert (directory / "log4j2.properties").read_text() == text


def test_a_later_source_wins_over_an_earlier(site: Site, api: str) -> None:
    site.fragment("10-site.conf", "spark.executor.memory 3g\nspark.executor.cores=3\n")
    site.fragment("20-team.conf", "# ours\nspark.executor.cores  4\nspark.app.name two words\n")
    conf = site.conf(
        SPARK_MASTER=api, SPARK_DRIVER_HOST="driver.example.com", SPARK_EXECUTOR_MEMORY="5g"
    )
    assert conf["spark.executor.instances"] == "2", "of kubernetes.conf"
    assert conf["spark.executor.cores"] == "4", "of the later fragment"
    assert conf["spark.executor.memory"] == "5g", "of the environment"
    assert conf["spark.app.name"] == "two words"


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
    ("name", "value"),
    [
        ("SPARK_MASTER", "kubernetes"),
        ("SPARK_EXECUTOR_INSTANCES", "two"),
        ("SPARK_EXECUTOR_INSTANCES", "0"),
        ("SPARK_EXECUTOR_MEMORY", "2 GB"),
        ("SPARK_DRIVER_PORT", "70000"),
        ("SPARK_NAMESPACE", "a b"),
    ],
)
def test_a_variable_of_another_form_is_refused(site: Site, name: str, value: str) -> None:
    code, said = site.refused(**{name: value})
    assert code == WRONG
    assert f"{name}={value} is not " in said


@pytest.mark.parametrize(
    "line", ["executor.memory 2g", "spark.executor.memory", "<configuration/>"]
)
def test_a_wrong_fragment_is_named_with_its_line(site: Site, line: str) -> None:
    file = site.fragment("10-site.conf", f"spark.executor.cores 1\n\n{line}\n")
    code, said = site.refused()
    assert code == WRONG
    assert f"{file}, line 3 is no Spark property" in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not XML"),
        ("fs.s3a.endpoint=https://s3", "is not XML"),
        ("<configuration><property></configuration>", "is not XML"),
        ("<html/>", "its root is <html>"),
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


def _own_address() -> str:
    """Return an address of this machine that is not the loopback's; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
