"""How do tests get a Spark cluster of the executors image, a driver beside it, and an S3 server?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.notebook import Cell, run_notebook
from tests.support import Container, Lab

HERE = Path(__file__).parent
BUCKET = "sparkyard-test"
S3_PLACE = f"s3a://{BUCKET}/round/trip"
GS_PLACE = f"gs://{BUCKET}/round"
ROWS = 150_000
"""Of the cached shuffle, of 1 kB each. Nightly, it has more than a gigabyte."""
WORKERS = 2
WORKER_CORES = 2
WORKER_MEMORY = "2g"
"""What a worker offers to executors; its container has a limit above that for Python workers."""
WORKER_LIMIT = "4g"
QUICK_START = "-XX:TieredStopAtLevel=1"
"""Of a JVM that ends before Java's second compiler has brought what it costs."""


@dataclass(frozen=True)
class S3:
    """A real S3 server: its container, its address on the network, its credentials."""

    container: Container
    endpoint: str
    credentials: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Cluster:
    """A standalone cluster of the executors image, and the driver's container beside it."""

    master: Container
    workers: tuple[Container, ...]
    driver: Container
    url: str

    def run_notebook(
        self,
        kernel: str,
        *names: str,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        seconds: float = 400,
    ) -> dict[str, Cell]:
        """Run notebooks of tests/e2e/notebooks, one after the other in one kernel.

        Args:
            kernel: of the driver's image.
            names: of the notebooks, without suffix; they share the Spark session.
            settings: Spark's configuration, on top of the master's address.
            environment: variables of the kernel, whose values appear on no command line.

        Returns:
            its cells by their titles.
        """
        sources = [next((HERE / "notebooks").glob(f"{name}.*")).read_text() for name in names]
        conf = {
            "spark.master": self.url,
            "spark.driver.host": self.driver.name,
            "spark.driver.memory": "1g",
            "spark.executor.memory": WORKER_MEMORY,
            "spark.driver.defaultJavaOptions": QUICK_START,
            "spark.executor.defaultJavaOptions": QUICK_START,
            "spark.ui.showConsoleProgress": "false",
            # Both workers are to be there before the first job, so that both get a part of it.
            "spark.cores.max": str(WORKERS * WORKER_CORES),
            "spark.scheduler.minRegisteredResourcesRatio": "1.0",
            "spark.scheduler.maxRegisteredResourcesWaitingTime": "90s",
            **(settings or {}),
        }
        return run_notebook(
            self.driver,
            "\n".join(sources),
            kernel,
            settings=conf,
            environment=environment,
            seconds=seconds,
        )


@contextmanager
def cluster(lab: Lab, network: str, driver_image: str, executor_image: str) -> Iterator[Cluster]:
    """Give a cluster with one master and two workers, each in a container of its own."""
    on_network = ["--network", network]
    daemon = {"SPARK_DAEMON_JAVA_OPTS": QUICK_START}
    with ExitStack() as stack:
        name = lab.name("master")
        master = stack.enter_context(
            lab.container(
                executor_image, "spark-class", "org.apache.spark.deploy.master.Master",
                "--host", name, "--port", "7077",
                what="master", options=on_network, environment=daemon,
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
                    environment=daemon,
                )
            )
            for number in range(1, WORKERS + 1)
        )  # fmt: skip
        driver = stack.enter_context(
            lab.container(driver_image, "sleep", "infinity", what="driver", options=on_network)
        )
        master.wait_for(
            lambda: master.logs().count("Registering worker") == WORKERS,
            "workers at the master",
            seconds=180,  # three JVMs, beside whatever other files of tests run
        )
        yield Cluster(master, workers, driver, url)
