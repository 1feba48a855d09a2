"""Why did the driver's JVM end, and what can its user do?"""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator
from pathlib import Path

OUT_OF_MEMORY = 52
"""Spark's own exit code for it: SparkExitCode.OOM in org.apache.spark.util."""

NO_DISK = 53
"""Likewise: ExecutorExitCode.DISK_STORE_FAILED_TO_CREATE_DIR."""

CGROUP = Path("/sys/fs/cgroup")
DEFAULT_HEAP = "1g"
ANEW = "SparkSession.builder.getOrCreate() starts a new one."


def heap_of(process: int) -> str:
    """Return the heap that a running JVM may have at most, as Spark writes it: "2g"."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        words = []
    limits = [word.removeprefix("-Xmx") for word in words if word.startswith("-Xmx")]
    return limits[-1] if limits else DEFAULT_HEAP


def doubled(heap: str) -> str:
    """Return twice a size such as 1g or 512m."""
    return re.sub(r"\d+", lambda number: str(2 * int(number[0])), heap, count=1)


def too_little(heap: str) -> str:
    """Return what to do about a call that found too little memory in a JVM that goes on."""
    return (
        f"The Spark driver has too little memory for this: spark.driver.memory is {heap}. Collect "
        f"less, or restart the kernel and start the session with SparkSession.builder.config("
        f'"spark.driver.memory", "{doubled(heap)}"), or set SPARK_DRIVER_MEMORY={doubled(heap)}.'
    )


def _texts(*files: Path) -> Iterator[str]:
    """Give the texts of those files that can be read: one is of cgroup 2, and one of cgroup 1."""
    for file in files:
        with contextlib.suppress(OSError):
            yield file.read_text()


def killed_for_memory(cgroup: Path = CGROUP) -> int:
    """Return how many processes the kernel has killed for this container's limit of memory."""
    for text in _texts(cgroup / "memory.events", cgroup / "memory/memory.oom_control"):
        words = text.split()
        if "oom_kill" in words:
            return int(words[words.index("oom_kill") + 1])
    return 0


def limit(cgroup: Path = CGROUP) -> str:
    """Return the container's limit of memory in MiB, with the unit; "" where there is none."""
    for text in _texts(cgroup / "memory.max", cgroup / "memory/memory.limit_in_bytes"):
        number = text.strip()
        if number.isdigit() and int(number) < 1 << 60:
            return f"{int(number) >> 20} MiB"
    return ""


def why(code: int, heap: str, *, for_memory: bool = False) -> str:
    """Return what happened to the JVM and what to do about it.

    Args:
        code: its exit code, negative for a signal, as of `subprocess.Popen`.
        heap: the heap that it might have had.
        for_memory: whether the container's limit of memory has cost a process since it began.
    """
    if code == OUT_OF_MEMORY:
        return (
            f"The Spark driver ran out of memory: spark.driver.memory is {heap}. Its session is "
            "gone, with all that was cached. Start one with more memory: SparkSession.builder"
            f'.config("spark.driver.memory", "{doubled(heap)}").getOrCreate(), or set the '
            f"variable SPARK_DRIVER_MEMORY={doubled(heap)} for the whole notebook. It also helps "
            "to collect less, and in local mode to have more and smaller partitions."
        )
    if code == -signal.SIGKILL and for_memory:
        said = f" of {size}" if (size := limit()) else ""
        return (
            "The Spark driver was killed: the notebook's container reached its memory limit"
            f"{said}. Its session is gone. Give the container more memory, or keep less data in "
            f"the notebook itself, or lower spark.driver.memory ({heap} now). {ANEW}"
        )
    if code == -signal.SIGKILL:
        how = "was killed (SIGKILL), by a person or because the machine ran out of memory"
    elif code in (-signal.SIGTERM, 128 + signal.SIGTERM):
        how = "was told to stop (SIGTERM)"
    elif code == NO_DISK:
        how = "could not write below spark.local.dir: no space is left, or no right to write"
    elif code < 0:
        how = f"crashed ({signal.Signals(-code).name}); a file hs_err_pid*.log tells more"
    else:
        how = f"ended with exit code {code}; the lines above or the server's log tell more"
    return f"The Spark driver {how}. Its session is gone. {ANEW}"
