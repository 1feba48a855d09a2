"""How do tests get a Spark cluster of the executors image, a driver beside it, and an S3 server?"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparkyard import bake, paths
from sparkyard.command import run
from sparkyard.plan import Site
from sparkyard.settings import ca_bundle
from tests.support import Container, Lab

HERE = Path(__file__).parent
BUCKET = "sparkyard-test"
WORKERS = 2
WORKER_CORES = 2
WORKER_MEMORY = "2g"
"""What a worker offers to executors; its container has a limit above that for Python workers."""
WORKER_LIMIT = "4g"


@dataclass(frozen=True)
class S3:
    """A real S3 server: its container, its address on the network, its credentials."""

    container: Container
    endpoint: str
    credentials: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Cell:
    """A cell that ran: what it printed, and what it died of, if it did."""

    text: str
    error: str

    @property
    def result(self) -> Any:
        """What the cell printed as its last line, as JSON.

        Raises:
            AssertionError: the cell failed; with its traceback.
        """
        assert not self.error, self.error
        return json.loads(self.text.strip().splitlines()[-1])


@dataclass(frozen=True)
class Cluster:
    """A standalone cluster of the executors image, and the driver's container beside it."""

    master: Container
    workers: tuple[Container, ...]
    driver: Container
    url: str

    def run_notebook(
        self,
        name: str,
        kernel: str,
        *,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        seconds: float = 400,
    ) -> dict[str, Cell]:
        """Run a notebook of tests/e2e/notebooks in a kernel of the driver's image.

        Args:
            settings: Spark's configuration, on top of the master's address.
            environment: variables of the kernel, whose values appear on no command line.

        Returns:
            its cells by their titles.
        """
        source = next((HERE / "notebooks").glob(f"{name}.*")).read_text()
        conf = {
            "spark.master": self.url,
            "spark.driver.host": self.driver.name,
            "spark.driver.memory": "1g",
            "spark.executor.memory": WORKER_MEMORY,
            "spark.ui.showConsoleProgress": "false",
            # Both workers are to be there before the first job, so that both get a part of it.
            "spark.scheduler.minRegisteredResourcesRatio": "1.0",
            **(settings or {}),
        }
        words = " ".join(f"--conf {name}={value}" for name, value in conf.items())
        ended = self.driver.exec(
            "python", "/tmp/run_notebook.py", kernel, str(seconds),  # noqa: S108 - in the container
            stdin=source,
            environment={"PYSPARK_SUBMIT_ARGS": f"{words} pyspark-shell", **(environment or {})},
            timeout=seconds + 60,
        )  # fmt: skip
        cells = json.loads(ended.stdout.splitlines()[-1])
        return {title: Cell(**cell) for title, cell in cells.items()}


@contextmanager
def cluster(lab: Lab, network: str, driver_image: str, executor_image: str) -> Iterator[Cluster]:
    """Give a cluster with one master and two workers, each in a container of its own."""
    on_network = ["--network", network]
    with ExitStack() as stack:
        name = lab.name("master")
        master = stack.enter_context(
            lab.container(
                executor_image, "spark-class", "org.apache.spark.deploy.master.Master",
                "--host", name, "--port", "7077",
                what="master", options=on_network,
            )
        )  # fmt: skip
        url = f"spark://{name}:7077"
        workers = tuple(
            stack.enter_context(
                lab.container(
                    executor_image, "spark-class", "org.apache.spark.deploy.worker.Worker", url,
                    "--cores", str(WORKER_CORES), "--memory", WORKER_MEMORY,
                    "--work-dir", "/opt/work",
                    what=f"worker-{number}", options=[*on_network, "--memory", WORKER_LIMIT],
                )
            )
            for number in range(1, WORKERS + 1)
        )  # fmt: skip
        driver = stack.enter_context(
            lab.container(driver_image, "sleep", "infinity", what="driver", options=on_network)
        )
        runner = HERE / "run_notebook.py"
        run(["docker", "cp", str(runner), f"{driver.id}:/tmp/run_notebook.py"])
        master.wait_for(
            lambda: master.logs().count("Registering worker") == WORKERS, "workers at the master"
        )
        yield Cluster(master, workers, driver, url)


@contextmanager
def s3(lab: Lab, site: Site, network: str, executor_image: str) -> Iterator[S3]:
    """Give an S3 server with one empty bucket, and credentials that only this run has."""
    image = lab.name("s3")
    bake.write_mirrors(site.settings)
    argv = ["docker", "buildx", "build", "--provenance=false", "--load"]
    argv += ["--tag", image, "--label", lab.label]
    argv += ["--build-context", f"common={paths.IMAGES / 'common'}"]
    argv += ["--build-context", f"executors=docker-image://{executor_image}"]
    argv += ["--build-arg", f"SUITE={site.stack.debian}", "--build-arg", f"BUCKET={BUCKET}"]
    argv += ["--secret", f"id=mirrors,src={bake.MIRRORS}"]
    bundle = ca_bundle(site.settings)
    argv += ["--secret", f"id=ca,src={bundle}"] if bundle else []
    with tempfile.TemporaryDirectory(prefix=f"{image}-") as directory:
        context = Path(directory) / "s3"
        shutil.copytree(HERE / "s3", context)
        run([*argv, str(context)], timeout=900)
    # What is left of it is the engine's build cache, from which the next run has it at once.
    stack = ExitStack()
    if not lab.keep:
        stack.callback(run, ["docker", "image", "rm", "--force", image], check=False)
    access, secret = secrets.token_hex(10), secrets.token_urlsafe(30)
    keys = {"ROOT_ACCESS_KEY": access, "ROOT_SECRET_KEY": secret}
    options = ["--network", network]
    with stack, lab.container(image, what="s3-server", options=options, environment=keys) as server:
        credentials = {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
        yield S3(server, f"http://{server.name}:7070", credentials)
