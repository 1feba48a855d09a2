"""What is in this pod? Runs the collector there, and writes one line: which pod, and its facts.

It is piped into a Python of the driver's pod and, by a Spark job, of each executor's: standard
library only, Python 3.9 or newer, after two lines that give it `COLLECTOR`, the collector as text,
and `RUN`, the run's name. It is started from the JVM of an executor, so it sees the environment
that the executor was given, and none of what PySpark adds for its workers.
"""

# Python 3.9 has no X | None at run time.
# ruff: noqa: UP045

import base64
import json
import os
import socket
import sys
import tempfile
import time
import traceback
import zlib
from typing import Any, Optional

COLLECTOR = globals().get("COLLECTOR", "")
RUN = globals().get("RUN", "")

PAUSE = 0.5
"""Seconds that a second task in a pod takes, so that a third may reach another executor."""


def first_here() -> bool:
    """Tell whether no other task has asked in this executor: its pod has one set of facts."""
    if "SPARK_EXECUTOR_ID" not in os.environ:
        return True  # the driver's pod, where nothing may be left behind
    try:
        os.mkdir(os.path.join(tempfile.gettempdir(), RUN))
    except FileExistsError:
        return False
    except OSError:
        pass  # nowhere to write: then each task collects, which only takes longer
    return True


def look() -> dict[str, Any]:
    """Return the pod's name and, packed, its facts, or why there are none."""
    pod = os.environ.get("SPARK_EXECUTOR_POD_NAME") or socket.gethostname()
    packed: Optional[str] = None
    failed: Optional[str] = None
    if first_here():
        names: dict[str, Any] = {"__name__": "collector"}
        try:
            exec(compile(COLLECTOR, "collector", "exec"), names)  # noqa: S102 - our own text
            text = json.dumps(names["collect"](), sort_keys=True)
            packed = base64.b64encode(zlib.compress(text.encode("utf-8"))).decode("ascii")
        except Exception:
            failed = traceback.format_exc().strip().splitlines()[-1]
    else:
        time.sleep(PAUSE)
    return {"pod": pod, "facts": packed, "failed": failed}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look()) + "\n")
