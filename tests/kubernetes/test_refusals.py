"""Does a notebook's user learn why there are no executors: in one message, and soon?

A refusal is mostly waiting: so the notebooks run side by side, and each makes several sessions.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from sparkyard.kubernetes.access import address_towards
from tests.kubernetes import driver
from tests.kubernetes.driver import Notebook
from tests.kubernetes.kube import Kube, secret
from tests.kubernetes.refusals import (
    AT_ONCE,
    IMPATIENT,
    MOMENT,
    SOON,
    TOLD,
    TOOLS,
    TRACE,
    Told,
    cell,
    logged_at,
    watched,
)
from tests.notebook import Cell
from tests.support import Lab

IMAGE = "registry.invalid/no/such-image:1"
NOBODYS = "192.0.2.1"
"""An address for documentation (RFC 5737)."""

NOTEBOOKS = 4
"""How many run at once: more would wait for a processor, and not for pods."""

ADD, WAIT = "add(spark, patient=False)", "add(spark, patient=True)"
KUBECONFIG = "/tmp/kubeconfig"  # noqa: S108 - a path in the notebook's container

# With the times that Spark and Sparkyard give it: what a user is promised.
NO_IMAGE = TOOLS + cell("image", ADD, {"spark.kubernetes.container.image": IMAGE})
OF_EXECUTORS = "spark.kubernetes.executor."
NO_POD = (
    TOOLS
    + cell("key", ADD, {**IMPATIENT, f"{OF_EXECUTORS}secretKeyRef.KEY": "no-such-secret:key"})
    + cell("mount", WAIT, {**AT_ONCE, f"{OF_EXECUTORS}secrets.no-such-secret": "/etc/secret"})
    + cell("room", WAIT, {**AT_ONCE, "spark.executor.memory": "900g"})
)
LITTLE = {
    **AT_ONCE,
    "spark.executor.memory": "512m",
    "spark.executor.memoryOverhead": "400m",
    "spark.task.maxFailures": "2",  # the first is told before the second ends the cell
}
ELASTIC = {
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.shuffleTracking.enabled": "true",
    "spark.dynamicAllocation.minExecutors": "0",
    "spark.dynamicAllocation.maxExecutors": "1",
    "spark.dynamicAllocation.executorIdleTimeout": "2s",
    "spark.executor.instances": "0",
}
"""Executors that go as soon as no job needs them."""

JOBS = """# %% first
import json, time
from pathlib import Path
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()

def job(number):
    while not Path(f"may-{number}").exists():
        time.sleep(0.2)
    try:
        print(json.dumps(spark.sparkContext.parallelize(range(10), 1).sum()))
    finally:
        Path(f"did-{number}").touch()

job(1)

# %% second
job(2)

# %% third
job(3)

# %% fourth
job(4)
"""
"""Four jobs, each of which the test lets begin, and sees end."""

NOT_MADE = re.compile(MOMENT + "ExecutorPodsSnapshotsStoreImpl: Exception when notifying")


def little_memory(kube: Kube) -> str:
    """Return the notebook of a driver that nobody reaches, and of executors that are too small."""
    # A container asks for a quarter of a minute before it gives up: so jobs wait as ever.
    source = TOOLS + cell("driver", ADD, AT_ONCE)
    here = {"spark.driver.host": address_towards(kube.server)}
    for victim in ("executor", "worker"):
        source += cell(victim, f"eat(spark, {victim})", {**LITTLE, **here})
    return source


def strangers(notebook: Notebook) -> str:
    """Return the notebook of those who get no session, and put their kubeconfigs there."""
    kube = notebook.kube
    kube.ctl("create", "serviceaccount", "leaver")
    tokens = {name: kube.token(name) for name in ("notebook", "spark-executor", "leaver")}
    kube.ctl("delete", "serviceaccount", "leaver")
    # No server makes one that is good for less than ten minutes. What this one says of itself is
    # what a real one does; that its signature is nobody's, the server alone finds.
    claims = {"sub": user(kube), "exp": 1577836800}
    parts = ({"alg": "RS256", "kid": "none"}, claims, "no signature")
    tokens["expired"] = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )
    for name, token in tokens.items():
        write = ["sh", "-c", f"cat >{KUBECONFIG}-{name}"]
        notebook.place.exec(*write, stdin=kube.kubeconfig_of(token))
    nowhere = {"spark.kubernetes.namespace": "no-such-namespace"}
    source = TOOLS + cell("namespace", ADD, nowhere, f"{KUBECONFIG}-notebook")
    for title in ("spark-executor", "leaver", "expired"):
        source += cell(title, ADD, {}, f"{KUBECONFIG}-{title}")
    return source


def user(kube: Kube) -> str:
    """Return by which name the API server knows a notebook's account."""
    return f"system:serviceaccount:{kube.namespace}:notebook"


def let(notebook: Notebook, number: int, begin: bool = True) -> None:
    """Let a job begin, or wait until it has ended."""
    if begin:
        notebook.place.exec("touch", f"may-{number}")
        return
    done = ["test", "-e", f"did-{number}"]
    notebook.kube.wait_for(
        lambda: notebook.place.exec(*done, check=False).exit_code == 0, f"end of job {number}", 90
    )


def unknown(kube: Kube) -> bool:
    """Tell whether the API server knows nobody by these credentials."""
    return "Unauthorized" in kube.ctl("get", "pods", check=False).stderr


def first_job(notebook: Notebook) -> None:
    """See the first job's executor come, do its work, and go."""
    let(notebook, 1)
    notebook.kube.wait_for(lambda: notebook.kube.executors("Running"), "executor")
    let(notebook, 1, begin=False)
    notebook.kube.wait_for_end(notebook.kube.executors, "the idle executor")


def a_secret_that_goes_and_comes_back(notebook: Notebook, _: Path) -> Mapping[str, Cell]:
    """Run four jobs, two of them without a Secret that executors need."""
    kube = notebook.kube
    secret(kube, "passing", {"key": "value"})
    settings = {**ELASTIC, "spark.kubernetes.executor.secretKeyRef.KEY": "passing:key"}
    with ThreadPoolExecutor() as pool:
        run = pool.submit(notebook.run, JOBS, settings=settings)
        first_job(notebook)
        kube.ctl("delete", "secret", "passing")
        for number in (2, 3):
            let(notebook, number)
            let(notebook, number, begin=False)
        secret(kube, "passing", {"key": "value"})
        # A pod that was made before does not look for it again at once.
        kube.wait_for(lambda: not kube.executors(), "end of the third job's pods")
        let(notebook, 4)
        return run.result()


def an_account_that_loses_its_rights(notebook: Notebook, directory: Path) -> Mapping[str, Cell]:
    """Run a job with all rights, one without, and one of an account that is gone."""
    kube = notebook.kube
    with ThreadPoolExecutor() as pool:
        source = JOBS.partition("\n# %% fourth")[0]
        run = pool.submit(notebook.run, source, settings=ELASTIC)
        first_job(notebook)
        kube.ctl("delete", "rolebinding", "notebook")
        let(notebook, 2)
        let(notebook, 2, begin=False)
        kube.ctl("delete", "serviceaccount", "notebook")
        goer = Kube(str(directory / "kubeconfig"), kube.namespace)
        kube.wait_for(lambda: unknown(goer), "end of the token, which the API server remembers")
        let(notebook, 3)
        return run.result()


def a_quota_that_is_reached(notebook: Notebook, _: Path) -> Mapping[str, Cell]:
    """Run a session that asks for two executors, and may have one."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}}
    notebook.kube.apply({**quota, "spec": {"hard": {"pods": "1"}}})
    return notebook.run(TOOLS + cell("quota", ADD, {}))


APART = {
    "secret": a_secret_that_goes_and_comes_back,
    "rights": an_account_that_loses_its_rights,
    "quota": a_quota_that_is_reached,
}
"""What takes a namespace and a container of its own."""


Apart = Callable[[Kube, Path, Callable[[Notebook, Path], Mapping[str, Cell]]], Told]


@pytest.fixture(scope="module")
def apart(lab: Lab, driver_image: str, executor_image: str) -> Apart:
    """Runs something in a container of its own."""

    def run(
        kube: Kube, directory: Path, what: Callable[[Notebook, Path], Mapping[str, Cell]]
    ) -> Told:
        with driver.outside(lab, kube, driver_image, executor_image, directory) as notebook:
            return watched(kube, lambda: what(notebook, directory))

    return run


@pytest.fixture(scope="module")
def runs(
    outside: Notebook,
    apart: Apart,
    new_namespace: Callable[[str], Kube],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, Future[Told]]]:
    """All sessions of this file, under way at once."""

    def beside(source: str, environment: Mapping[str, str]) -> Told:
        return watched(outside.kube, lambda: outside.run(source, environment=environment))

    with driver.side_by_side(NOTEBOOKS) as pool:
        running = {}
        for name, what in APART.items():
            kube, directory = new_namespace(name), tmp_path_factory.mktemp(name)
            running[name] = pool.submit(apart, kube, directory, what)
        little = little_memory(outside.kube)
        running["little"] = pool.submit(beside, little, {"SPARK_DRIVER_HOST": NOBODYS})
        running["pod"] = pool.submit(beside, NO_POD, {})
        running["image"] = pool.submit(beside, NO_IMAGE, {})
        others = strangers(outside)
        running["strangers"] = pool.submit(beside, others, {"KUBECONFIG": KUBECONFIG})
        yield running


Runs = Mapping[str, Future[Told]]


def test_an_image_that_cannot_be_pulled(runs: Runs) -> None:
    one = runs["image"].result().soon("image", "cannot be pulled")
    assert one.error, "the job came to an end"
    assert IMAGE in one.error
    assert "cannot be pulled" in one.error
    assert "spark.kubernetes.container.image" in one.error
    assert not TRACE.search(one.stderr), one.stderr


def test_a_driver_address_that_pods_cannot_reach(runs: Runs) -> None:
    # A container asks for a quarter of a minute before it gives up.
    one = runs["little"].result().soon("driver", "cannot reach the driver", within=2 * SOON)
    assert one.error, "the job came to an end"
    assert NOBODYS in one.error
    assert "SPARK_DRIVER_HOST" in one.stderr


def test_a_secret_that_is_not_there(runs: Runs) -> None:
    one = runs["pod"].result().soon("key", "no-such-secret")
    assert one.error
    assert "no-such-secret" in one.error
    assert not TRACE.search(one.stderr), one.stderr


def test_a_secret_to_mount_that_is_not_there(runs: Runs) -> None:
    one = runs["pod"].result().soon("mount", "kubectl describe pod")
    assert "Secret" in one.stderr, "what may be missing, as far as its account can know"
    assert "kubectl describe pod" in one.stderr
    assert "-exec-" in one.stderr
    assert not TRACE.search(one.stderr), one.stderr


@pytest.mark.parametrize(
    ("victim", "told"),
    [("executor", "An executor was killed"), ("worker", "A Python worker of an executor")],
)
def test_memory_that_is_not_enough(runs: Runs, victim: str, told: str) -> None:
    one = runs["little"].result().cells[victim]
    assert one.error
    assert told in one.stderr
    assert "912Mi" in one.stderr, "the limit"
    assert "Raise spark.executor.memoryOverhead" in one.stderr


def test_more_than_a_node_has(runs: Runs) -> None:
    one = runs["pod"].result().soon("room", "Insufficient memory")
    assert "spark.executor.memory" in one.stderr
    assert not TRACE.search(one.stderr), one.stderr


STRANGERS = {
    "namespace": ["no-such-namespace"],
    "spark-executor": ["spark-executor", "may not"],
    "leaver": ["token", "is wrong or has expired"],
    "expired": ["NOTEBOOK expired at 2020-01-01T00:00:00Z"],
}
"""Whose session is refused at once, and what each of them reads."""


@pytest.mark.parametrize("stranger", STRANGERS)
def test_whoever_can_get_no_executor_gets_no_session(
    runs: Runs, outside: Notebook, stranger: str
) -> None:
    told = runs["strangers"].result()
    one = told.cells[stranger]
    assert one.error
    for words in STRANGERS[stranger]:
        assert words.replace("NOTEBOOK", f"as {user(outside.kube)}") in one.error
    assert "eyJ" not in one.seen, "a token begins like this"
    assert not TRACE.search(one.seen), one.seen
    assert told.seconds < 60, "all four of them, and the start of their kernel"


def test_a_quota_that_is_reached(runs: Runs) -> None:
    one = runs["quota"].result().soon("quota", "quota")
    assert one.result == 45, "one executor is enough for the job"
    assert "small" in one.stderr
    # Spark asks again each second, for the half minute that it waits for a second executor.
    traces = [logged_at(moment) for moment in NOT_MADE.findall(one.stderr)]
    assert traces
    assert one.stderr.count("Exception when notifying snapshot subscriber") == len(traces)
    gaps = [(later - one).total_seconds() for one, later in pairwise(traces)]
    assert all(gap >= 58 for gap in gaps), "more than one a minute"


def test_executors_that_cannot_come_back_end_each_job_until_they_can(runs: Runs) -> None:
    told = runs["secret"].result().cells
    assert told["first"].result == 45
    for title in ("second", "third"):
        assert "because no executor can come" in told[title].error, told[title].seen
        assert "passing" in told[title].error
    lines = [line for _, line in TOLD.findall(told["second"].stderr) if "passing" in line]
    assert len(lines) == 1, told["second"].stderr
    assert told["fourth"].result == 45, "the session is as good as before"


def test_rights_and_tokens_that_end_in_mid_session_end_the_job_that_waits(
    runs: Runs,
) -> None:
    told = runs["rights"].result().cells
    assert told["first"].result == 45
    assert "We may not make executors" in told["second"].error, told["second"].seen
    assert ":notebook" in told["second"].error
    assert "is wrong or has expired" in told["third"].error, told["third"].seen
