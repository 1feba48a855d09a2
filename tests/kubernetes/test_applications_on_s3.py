"""Do applications, their configuration and their event logs live on S3, in cluster mode too?"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

from sparkyard.kubernetes.access import MANIFESTS
from tests.e2e.cluster import S3
from tests.kubernetes import driver, storage
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Kube, Pod, secret
from tests.support import must

BUCKET = "applications"
"""In another bucket than the one that other tests list."""

EVENTS = f"s3a://{BUCKET}/events/"
APPLICATION = f"s3a://{BUCKET}/jobs/sum.py"
SUM = """
import json
import sys

from pyspark.sql import SparkSession

place, number = sys.argv[1], int(sys.argv[2])
spark = SparkSession.builder.getOrCreate()
spark.range(0, 900, 1, 4).selectExpr(f"id * {number} AS n").write.parquet(place)
print(json.dumps({"sum": spark.read.parquet(place).selectExpr("sum(n)").first()[0]}))
spark.stop()
"""


@dataclass(frozen=True)
class Submitter:
    """A pod that may submit, in a namespace that has the core-site.xml of a site in a Secret."""

    notebook: Notebook

    @property
    def kube(self) -> Kube:
        return self.notebook.kube

    def submit(self, name: str, application: str, *words: str, secret: str = "hadoop-conf") -> str:  # noqa: S107
        """Submit an application that finds S3 by a Secret, wait, and return what was said."""
        settings = {
            "spark.kubernetes.driver.pod.name": name,
            "spark.driver.memory": "600m",
            "spark.executor.instances": "1",
            f"spark.kubernetes.driver.secrets.{secret}": "/etc/hadoop/conf",
            f"spark.kubernetes.executor.secrets.{secret}": "/etc/hadoop/conf",
        }
        conf = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
        ended = self.notebook.submit(
            "--deploy-mode", "cluster", "--name", name, *conf, application, *words,
            SPARK_SERVICE_ACCOUNT="spark-driver", SPARK_EVENT_LOG_DIR=EVENTS,
        )  # fmt: skip
        return str(ended.stdout + ended.stderr)


@pytest.fixture(scope="module")
def store(s3: S3, spark: Kube, outside: Notebook) -> S3:
    """The server with an application and a place for event logs, and a Secret that leads to it."""
    storage.put(outside, s3, APPLICATION.removeprefix("s3a://"), SUM)
    storage.put(outside, s3, f"{BUCKET}/events/.place", "")
    secret(spark, "hadoop-conf", {"core-site.xml": storage.core_site(s3)})
    return s3


@pytest.fixture(scope="module")
def submitter(
    spark: Kube, store: S3, driver_image: str, executor_image: str
) -> Iterator[Submitter]:
    assert store.endpoint
    with driver.inside(spark, driver_image, executor_image, account="spark-submit") as made:
        yield Submitter(made)


@dataclass(frozen=True)
class Submitted:
    """Applications by the names of their drivers' pods, and what was said of their submission."""

    good: tuple[str, Future[str]]
    absent: tuple[str, Future[str]]
    """One that does not lie where it is said to."""
    wrong: tuple[str, Future[str]]
    """One whose core-site.xml is no XML."""
    session: Future[str]
    """The id of a session in a notebook's pod that wrote its event log to S3."""


@pytest.fixture(scope="module")
def at_once(submitter: Submitter, in_pod: Callable[[], str], number: int) -> Iterator[Submitted]:
    """All applications of this file, under way."""
    secret(submitter.kube, "wrong", {"core-site.xml": "fs.s3a.endpoint=x"})
    good, absent, wrong = (
        f"{kind}-{secrets.token_hex(3)}" for kind in ("on-s3", "absent", "wrong")
    )
    submit, place = submitter.submit, f"s3a://{BUCKET}/{good}"
    with driver.side_by_side(2) as pool:
        yield Submitted(
            (good, pool.submit(submit, good, APPLICATION, place, str(number))),
            (absent, pool.submit(submit, absent, f"s3a://{BUCKET}/jobs/absent.py")),
            (wrong, pool.submit(submit, wrong, APPLICATION, secret="wrong")),  # noqa: S106
            pool.submit(in_pod),
        )


@pytest.fixture(scope="module")
def ran(at_once: Submitted, submitter: Submitter, number: int) -> str:
    """The application's name, after it ran."""
    name, submitted = at_once.good
    told = submitted.result()
    log = submitter.kube.ctl("logs", name, check=False).stdout
    assert "exit code: 0" in told, f"{told[-3000:]}\n{log[-3000:]}"
    assert json.dumps({"sum": sum(range(900)) * number}) in log
    return name


def test_cluster_mode_runs_an_application_that_lies_on_s3(ran: str, submitter: Submitter) -> None:
    pod = Pod(submitter.kube, ran).document()
    assert APPLICATION in pod["spec"]["containers"][0]["args"]
    submitter.kube.wait_for_end(submitter.kube.executors, "the executors")


def test_credentials_stand_in_no_configuration_that_others_read(
    ran: str, submitter: Submitter, store: S3
) -> None:
    shown = [json.dumps(submitter.kube.get(kind)) for kind in ("pods", "configmaps", "events")]
    shown.append(submitter.kube.ctl("logs", ran).stdout)
    for credential in store.credentials.values():
        assert not [text for text in shown if credential in text]


def test_an_application_that_is_not_there_is_named(
    at_once: Submitted, submitter: Submitter
) -> None:
    name, submitted = at_once.absent
    told = submitted.result()
    assert "exit code: 1" in told, told[-3000:]
    assert f"s3a://{BUCKET}/jobs/absent.py" in submitter.kube.ctl("logs", name).stdout


def test_a_core_site_that_is_no_xml_is_named_by_the_driver(
    at_once: Submitted, submitter: Submitter
) -> None:
    name, submitted = at_once.wrong
    told = submitted.result()
    assert "exit code: 78" in told, told[-3000:]
    log = submitter.kube.ctl("logs", name).stdout
    assert "/etc/hadoop/conf/core-site.xml is not XML" in log
    assert "Traceback" not in log
    assert "\tat " not in log


SESSION = """# %% session
import json
from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("from a notebook's pod").getOrCreate()
print(json.dumps([spark.range(NUMBER).count(), spark.sparkContext.applicationId]))
spark.stop()
"""


@pytest.fixture(scope="module")
def in_pod(
    spark: Kube, store: S3, driver_image: str, executor_image: str, number: int
) -> Callable[[], str]:
    """Runs a session in a notebook's pod that writes its event log to S3; returns its id."""
    assert store.endpoint
    environment = {"SPARK_EVENT_LOG_DIR": EVENTS, "SPARK_EXECUTOR_INSTANCES": "1"}

    def run() -> str:
        with driver.inside(
            spark,
            driver_image,
            executor_image,
            volumes=[("/etc/hadoop/conf", {"secret": {"secretName": "hadoop-conf"}})],
        ) as notebook:
            source = SESSION.replace("NUMBER", str(number))
            told = notebook.run(source, environment=environment)
        count, application = told["session"].result
        assert count == number
        return str(application)

    return run


@pytest.fixture(scope="module")
def history(spark: Kube, store: S3, executor_image: str) -> Pod:
    """The pod of the history server's example, which reads where this site has its logs."""
    assert store.endpoint
    text = (MANIFESTS / "examples" / "history.yaml").read_text()
    assert "s3a://spark/events/" in text
    assert "image: spark-executors\n" in text
    text = text.replace("s3a://spark/events/", EVENTS)
    spark.apply(text.replace("image: spark-executors\n", f"image: {executor_image}\n"))
    spark.ctl("rollout", "status", "deployment/history", "--timeout=120s", timeout=130)
    label = next(yaml.safe_load_all(text))["spec"]["selector"]["matchLabels"]
    words = ",".join(f"{key}={value}" for key, value in label.items())
    (found,) = spark.get("pods", "--selector", words)
    return Pod(spark, found["metadata"]["name"])


def test_the_history_server_shows_what_both_modes_logged_to_s3(
    at_once: Submitted, ran: str, history: Pod
) -> None:
    session = at_once.session.result()
    ask = (
        "import json, urllib.request as r;"
        "print(r.urlopen('http://localhost:18080/api/v1/applications').read().decode())"
    )

    def over() -> dict[str, str]:
        """The names of the applications that are complete, by their ids."""
        found = json.loads(must(history.exec("python", "-c", ask)))
        ended = [each for each in found if each["attempts"][-1]["completed"]]
        return {each["id"]: each["name"] for each in ended}

    both = {ran, "from a notebook's pod"}
    try:
        history.kube.wait_for(lambda: both <= set(over().values()), f"{both} in the history")
    except AssertionError as error:
        error.add_note(f"{over()}\n{history.logs()[-6000:]}")
        raise
    assert over()[session] == "from a notebook's pod"
