"""A machine's directories for Spark's configuration, and what is composed from them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.compose_modules import SOURCE, java_properties

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
        return {each.key: each.value for each in java_properties.parse(file.read_text())}

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
