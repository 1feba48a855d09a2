"""How quick is Spark on a Kubernetes, and what do its settings bring? Ratios, all of one run.

What is compared takes turns, so that a machine that becomes slower is slower for both. A value is
the median; a ratio is the median of the rounds' own ratios, and where one that is not plainly on
one side of 1 its name says between what the rounds lay.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.kubernetes import images, pods
from bench.kubernetes import namespace as namespaces
from bench.kubernetes.namespace import LOCAL, Namespace
from bench.kubernetes.pods import Seen
from bench.table import Measure
from sparkyard import console
from sparkyard.engine import engine
from sparkyard.errors import ClusterJobError
from sparkyard.kubernetes.cluster import Json
from sparkyard.plan import plan
from sparkyard.plan.plan import Site

ROUNDS = 3
TABLE_ROWS = 200_000
ROWS, COLUMNS = 10_000, 600
"""Of the dense table whose columns are correlated."""
SHUFFLE_ROWS = 2_000_000
WRITTEN_ROWS = 1_000_000
FILES = 24
_LIMIT_GIB = 2
_BLAS = ("", "-Ddev.ludovic.netlib.blas.nativeLibPath=/nowhere")
"""The images' own; and none to be found, so that Spark takes the one that is written in Java."""
_COLLECTORS = ("-XX:+UseSerialGC", "-XX:+UseParallelGC", "-XX:+UseG1GC")


def measure(site: Site | None = None) -> list[Measure]:
    """Return the measures of Spark on the cluster that KUBECONFIG names; the family must be built.

    Raises:
        SparkyardError: as `namespaces.made`; or a program failed.
    """
    where = site or plan.site()
    with namespaces.made(where) as namespace:
        settings = _in_one_session(where, namespace)  # first: it is the one that can fail late
        return _first_result(namespace) + settings + _memory(namespace)


def ratio(
    name: str, over: Sequence[float], under: Sequence[float], aim: float | None = None
) -> Measure:
    """Return the median of the rounds' ratios; the range in the name where that includes 1.

    Args:
        name: what is divided by what.
        over: seconds of one side, a round each.
        under: seconds of the other, in the same order.
        aim: what it should be at most.
    """
    rounds = [one / other for one, other in zip(over, under, strict=True)]
    least, most = min(rounds), max(rounds)
    spread = f" (rounds: {least:.2f} to {most:.2f})" if least <= 1 <= most else ""
    return Measure(f"{name}{spread}", statistics.median(rounds), "x", aim)


def seconds(name: str, times: Sequence[float]) -> Measure:
    """Return the median of some seconds."""
    return Measure(name, statistics.median(times), "s")


def _first_result(namespace: Namespace) -> list[Measure]:
    console.note("getOrCreate() to the first result")
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for kind, conf in (("cluster", {}), ("local", LOCAL)):
            with namespace.container() as driver:
                for session, taken in driver.run("first_result", conf).items():
                    times.setdefault(f"{kind} {session}", []).append(taken)
    return first_result_rows(times)


def first_result_rows(times: Mapping[str, Sequence[float]]) -> list[Measure]:
    """Return the measures of first results.

    Args:
        times: seconds, a round each, by where (cluster, local) and which session (cold, warm).
    """
    told = "getOrCreate() to the first result"
    return [
        seconds(f"{told}, local[*], fresh container", times["local cold"]),
        seconds(f"{told}, 2 executors, fresh container", times["cluster cold"]),
        seconds(f"{told}, 2 executors, the kernel's second session", times["cluster warm"]),
        ratio(
            f"{told}, fresh container: 2 executors over local[*]",
            times["cluster cold"],
            times["local cold"],
        ),
        ratio(
            f"{told}, the kernel's second session: 2 executors over local[*]",
            times["cluster warm"],
            times["local warm"],
        ),
        ratio(
            f"{told}, 2 executors: second session over the first",
            times["cluster warm"],
            times["cluster cold"],
        ),
    ]


def _in_one_session(site: Site, namespace: Namespace) -> list[Measure]:
    console.note("images to compare executors with, and an S3 server")
    own, built = (
        namespace.executors,
        {name: images.child(site, namespace, name) for name in images.CHILDREN},
    )
    started = [own, built[images.WITHOUT_PYC], built[images.CLASS_DATA]]
    programs: dict[str, dict[str, Any]] = {
        # Java 8's server VM does not look for an archive by itself.
        "new_executors": {"images": started, "options": "-Xshare:auto"},
        "to_pandas": {"image": own, "rows": TABLE_ROWS},
        "blas": {"image": own, "options": _BLAS, "rows": ROWS, "columns": COLUMNS},
        "collectors": {"image": own, "options": _COLLECTORS, "rows": SHUFFLE_ROWS},
        "committers": {
            "image": own, "bucket": images.BUCKET, "files": FILES, "rows": WRITTEN_ROWS,
        },
    }  # fmt: skip
    given = {name: {**words, "rounds": ROUNDS} for name, words in programs.items()}
    with images.s3(site, namespace) as s3, pods.watched(namespace) as seen:
        # Before and after, and the first is for the node: so each is as warm as the executors.
        bare = [pods.bare_jvm(namespace, seen, number) for number in range(ROUNDS)][1:]
        console.note(f"one session for {', '.join(programs)}")
        conf = {**s3.conf, "spark.executor.memory": "700m"}
        with namespace.container(s3.environment) as driver:
            answers = driver.run("together", conf, programs=given)
        bare += [pods.bare_jvm(namespace, seen, ROUNDS + number) for number in range(2)]
        rows = executor_rows(bare, answers["new_executors"], seen, started)
    return rows + session_rows(answers)


def executor_rows(
    bare: Sequence[float], executors: Sequence[Json], seen: Seen, started: Sequence[str]
) -> list[Measure]:
    """Return the measures of new executors.

    Args:
        bare: seconds from a bare pod's creation until its JVM has run.
        executors: what the program new_executors answered.
        seen: their pods.
        started: the executors' image, that without .pyc, that with a class-data archive.

    Raises:
        ClusterJobError: an executor's pod was not seen before the executor.
    """
    times: dict[tuple[str, str], list[float]] = {}
    for executor in executors:
        image, moment = str(executor["image"]), float(executor["registered"])
        created = seen.before(moment, image)
        if created is None:
            raise ClusterJobError(
                f"No pod with the image {image} was seen before its executor registered.",
                "The clocks of this machine and of the engine's must agree.",
            )
        times.setdefault((image, "registered"), []).append(moment - created)
        for what in ("plain", "pandas"):
            times.setdefault((image, what), []).append(float(executor[what]))
    own, without, shared = started
    registered, plain, pandas = (times[own, what] for what in ("registered", "plain", "pandas"))
    floor = [statistics.median(bare)] * len(registered)
    return [
        seconds("pod created to `java -version` run, bare pod", bare),
        seconds("pod created to executor registered", registered),
        ratio("executor registered over a bare JVM pod of the same image", registered, floor),
        ratio(
            "executor registered: class-data archive over none",
            times[shared, "registered"],
            registered,
        ),
        seconds("first Python task on a new executor", plain),
        ratio("first Python task: precompiled .pyc over none", plain, times[without, "plain"]),
        seconds("first pandas UDF after it", pandas),
        ratio("first pandas UDF: precompiled .pyc over none", pandas, times[without, "pandas"]),
    ]


def session_rows(answers: Mapping[str, Any]) -> list[Measure]:
    """Return the measures of what the programs answered that compare settings."""
    arrow, written = answers["to_pandas"], answers["committers"]
    native, java = answers["blas"]
    serial, parallel, g1 = answers["collectors"]
    table, product = f"toPandas() of {TABLE_ROWS:,} rows", f"correlation of {COLUMNS} columns"
    shuffle, write = "shuffle of cached rows, 2 executors", f"write of {FILES} files to S3"
    return [
        seconds(f"{table} with Arrow", arrow["true"]),
        ratio(f"{table}: Arrow over none", arrow["true"], arrow["false"]),
        seconds(f"{product}, OpenBLAS", native),
        ratio(f"{product}: OpenBLAS over BLAS in Java", native, java),
        seconds(f"{shuffle}, serial collector", serial),
        ratio(f"{shuffle}: parallel collector over serial", parallel, serial),
        ratio(f"{shuffle}: G1 over serial", g1, serial),
        seconds(f"{write}, magic committer", written["magic"]),
        ratio(f"{write}: magic committer over the default one", written["magic"], written["file"]),
    ]


def _memory(namespace: Namespace) -> list[Measure]:
    console.note("Java's default heap in a container with a limit")
    return [
        Measure(
            f"Java's default heap over a container's limit of {_LIMIT_GIB} GiB{told}",
            _default_heap(namespace, option) / (_LIMIT_GIB * 2**30),
            "x",
        )
        for told, option in (
            ("", "-XX:+UseContainerSupport"),
            (" without container support", "-XX:-UseContainerSupport"),
        )
    ]


def _default_heap(namespace: Namespace, option: str) -> int:
    """Return the bytes that a JVM takes for its heap where nobody says how many."""
    argv = ["run", "--rm", "--pull", "never", "--network", "none", "--label", namespace.label]
    argv += ["--memory", f"{_LIMIT_GIB}g", namespace.executors]
    said = engine.client(*argv, "java", option, "-XX:+PrintFlagsFinal", "-version").stdout
    return heap_in(said)


def heap_in(said: str) -> int:
    """Return the largest heap, in bytes, out of what -XX:+PrintFlagsFinal writes.

    Raises:
        ClusterJobError: it is not there.
    """
    for line in said.splitlines():
        words = line.split()
        if "MaxHeapSize" in words:
            return int(words[3])
    raise ClusterJobError(
        "Java does not say how large its heap is.", "Run it again.", detail=said[-500:]
    )
