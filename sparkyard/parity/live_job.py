"""What is in this driver and in each of its executors? Runs in the driver's pod; writes to its log.

It stands alone: standard library and the pod's own PySpark, Python 3.6 or newer. Its standard input
begins with one JSON document, `Given` says what is in it. Each line that it writes for the reader
outside begins with the run's name; all others are Spark's.

The executors run the probe as a process of its own, through the JVM (RDD.pipe): so the job works,
and tells what is wrong, where a Python worker of the executors could not speak to this driver.
"""

# Python 3.6 has no X | None and no list[str] at run time.
# ruff: noqa: UP006, UP031, UP035, UP045

import base64
import glob
import json
import os
import socket
import subprocess
import sys
import threading
import time
import traceback
import zlib
from typing import Any, Dict, List, Optional

Given = Dict[str, Any]
"""`run`: its name; `probe`: a program; `find_python`: a shell script that runs one; `executors`:
how many; `seconds`: until when; `conf`: Spark's configuration; `alone`: what to add where the pod
leads to no Kubernetes; `attached`: whether standard input stays open while it is wanted."""

CHUNK = 8000
"""Characters on a line: runtimes cut a log's lines at 16 KiB."""

POD_IP, API_SERVER = "@POD_IP", "@API_SERVER"
"""Stand in a configuration for the address of this pod, and the API server's with its port."""


def tell(given: Given, **what: Any) -> None:
    """Write one line for the reader outside."""
    sys.stdout.write("\n%s %s\n" % (given["run"], json.dumps(what)))
    sys.stdout.flush()


def deliver(given: Given, result: Dict[str, Any]) -> None:
    """Write the result, in as many lines as it takes."""
    packed = base64.b64encode(zlib.compress(json.dumps(result).encode("utf-8"))).decode("ascii")
    chunks = [packed[at : at + CHUNK] for at in range(0, len(packed), CHUNK)]
    for number, chunk in enumerate(chunks):
        tell(given, part=number, of=len(chunks), data=chunk)


def fail(given: Given, text: str, kind: str = "job") -> None:
    """Say why there is no result, and end at once: nothing here is worth an orderly end."""
    tell(given, failed=text[:3000], kind=kind)
    os._exit(1)


def watch(given: Given) -> None:
    """End when the time is over or, where somebody is attached, when they are gone."""

    def out_of_time() -> None:
        fail(given, "no end after %d seconds" % given["seconds"], "time")

    timer = threading.Timer(given["seconds"], out_of_time)
    timer.daemon = True
    timer.start()
    if given["attached"]:

        def until_closed() -> None:
            while os.read(0, 1024):
                pass
            os._exit(1)

        threading.Thread(target=until_closed, daemon=True).start()


def start_probe(given: Given) -> Any:
    """Start the probe in this pod, in the environment that this process was given."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", given["find_python"], "sh"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(os.environ),
        universal_newlines=True,
    )
    answer: List[str] = []
    reader = threading.Thread(
        target=lambda: answer.append(process.communicate(given["probe"])[0]), daemon=True
    )
    reader.start()
    return reader, answer


def import_pyspark() -> Any:
    """Return pyspark: a package of this Python, or the one that Spark's distributions bring."""
    try:
        import pyspark  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:
        home = os.environ.get("SPARK_HOME", "/opt/spark")
        sys.path[:0] = [os.path.join(home, "python")]
        sys.path[:0] = glob.glob(os.path.join(home, "python", "lib", "py4j-*.zip"))
        import pyspark  # noqa: PLC0415
    return pyspark


def connect(given: Given) -> Any:
    """Return a SparkContext whose executors are pods."""
    pyspark = import_pyspark()
    here = os.environ.get("SPARKYARD_POD_IP") or socket.gethostbyname(socket.gethostname())
    server = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    server = "[%s]" % server if ":" in server else server
    server += ":" + os.environ.get("KUBERNETES_SERVICE_PORT", "443")

    def start(conf: Dict[str, str]) -> Any:
        chosen = pyspark.SparkConf()
        for name, value in conf.items():
            chosen.set(name, value.replace(POD_IP, here).replace(API_SERVER, server))
        return pyspark.SparkContext(conf=chosen)

    context = start(given["conf"])
    if given["alone"] and not str(context.master).startswith("k8s://"):
        context.stop()
        context = start(dict(given["conf"], **given["alone"]))
    if not str(context.master).startswith("k8s://"):
        fail(given, str(context.master), "master")
    return context


def look_at_executors(given: Given, context: Any) -> Dict[str, Any]:
    """Return what the probe said in each executor's pod, by the pods' names.

    A task goes where a core is free, so a round may miss a pod; the next has more tasks.
    """
    found: Dict[str, Any] = {}
    command = ["/bin/sh", "-c", given["find_python"], "sh"]
    cores = int(context.getConf().get("spark.executor.cores", "1"))
    for attempt in range(1, 20):
        tasks = given["executors"] * cores * attempt
        data = context._jsc.parallelize([given["probe"]] * tasks, tasks)
        for line in data.pipe(command).collect():
            if line.startswith("{"):
                said = json.loads(line)
                if said["facts"] or said["failed"] or said["pod"] not in found:
                    found[said["pod"]] = said
        if len(found) >= given["executors"] and all(
            said["facts"] or said["failed"] for said in found.values()
        ):
            break
        tell(given, note="%d of %d executors looked into" % (len(found), given["executors"]))
        time.sleep(1)
    return found


def why(error: BaseException) -> str:
    """Return the part of an error that says something: where it is Java's, the first cause too."""
    java = getattr(error, "java_exception", None)
    if java is None:
        return "%s: %s" % (type(error).__name__, error)
    text, cause = str(java.toString()).splitlines()[0], java
    while cause.getCause() is not None:
        cause = cause.getCause()
    return text if cause is java else "%s Caused by %s" % (text, cause.toString())


def main(given: Given) -> None:
    """Look at the driver and the executors, and write what was found."""
    watch(given)
    reader, answer = start_probe(given)
    context: Optional[Any] = None
    try:
        context = connect(given)
        tell(given, note="the driver has started", application=str(context.applicationId))
        executors = look_at_executors(given, context)
        reader.join()
        lines = [line for line in (answer or [""])[0].splitlines() if line.startswith("{")]
        driver = json.loads(lines[-1]) if lines else {"failed": "it wrote nothing", "facts": None}
        same: Dict[str, List[str]] = {}
        for pod in sorted(executors):
            if executors[pod]["facts"]:
                same.setdefault(executors[pod]["facts"], []).append(pod)
        failed = {pod: said["failed"] for pod, said in executors.items() if said["failed"]}
        deliver(
            given,
            {
                "driver": driver["facts"],
                "driver_failed": driver["failed"],
                "executors": [{"pods": pods, "facts": facts} for facts, pods in same.items()],
                "failed": failed,
                "spark": str(context.version),
            },
        )
    except BaseException as error:
        sys.stderr.write(traceback.format_exc())
        fail(given, why(error))
    if context is not None and given["attached"]:
        context.stop()  # the pod stays, so its executors would; else they go with the pod
    tell(given, done=True)
    os._exit(0)


if __name__ == "__main__":
    main(globals()["GIVEN"])
