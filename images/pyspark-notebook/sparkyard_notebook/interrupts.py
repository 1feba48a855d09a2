"""Which Spark jobs are those of the cell that is interrupted? They are cancelled, and no others.

Each thread of a notebook has a thread of its own in the JVM. Before its first call in a cell, that
one gets a job tag of the cell; a thread that a cell starts keeps that cell's tag. Python writes
each signal into a socket, too: a thread that reads there cancels what has the tag, while the main
thread may wait for an answer of the JVM. So each kernel keeps its own signal handler.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

PAUSES = (0.0, 0.2, 0.5, 1, 1, 2, 2, 5, 5, 10)
"""Seconds before each time of cancelling: a call that still plans its job starts it later."""

RECENT = 10.0
"""Seconds in which what fails may have failed because of an interrupt."""

INTERRUPT_TASKS = "spark.job.interruptOnCancel"
TAG = "notebook-cell-"


class Interrupts:
    """The interrupts of one kernel, and the threads of it that call the JVM."""

    def __init__(self) -> None:
        self._client: Any = None
        self._before_cell: Callable[[], None] = lambda: None
        self._cell = 0
        self._here = threading.local()
        self._read_end, self._write_end = socket.socketpair()
        self._write_end.setblocking(False)
        self._others = -1
        self._watching = False
        self._last = -RECENT

    @property
    def just_now(self) -> bool:
        """Whether there was an interrupt a moment ago."""
        return time.monotonic() - self._last < RECENT

    def follow(self, client: Any, before_cell: Callable[[], None]) -> None:
        """Take care of the jobs of a JVM's client; the one before has ended.

        Args:
            client: py4j's, by which calls go.
            before_cell: to be called before each cell.
        """
        self._client, self._before_cell = client, before_cell
        if not self._watching:
            self._watch()

    def _watch(self) -> None:
        """Watch where this process is a kernel; leave scripts as PySpark has them."""
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if shell is None and "rpycall" not in sys.modules:
            return
        self._watching = True
        # PySpark's own handler would take the place of the kernel's, and cancels everybody's jobs.
        context = sys.modules["pyspark.context"].SparkContext
        sys.modules[context.__module__].signal = SimpleNamespace(  # Spark 4's is pyspark.core's
            SIGINT=signal.SIGINT, signal=lambda *_: None
        )
        self._let_streams_be()
        self._hide_tags()
        threading.Thread(target=self._read, name="spark-interrupts", daemon=True).start()
        os.register_at_fork(after_in_child=self._leave)
        self._listen()
        if shell is not None:
            shell.events.register("pre_run_cell", self._cell_begins)

    def _cell_begins(self, _: object) -> None:
        if threading.current_thread() is threading.main_thread():
            self._cell += 1
            self._listen()
            self._before_cell()

    def mark_thread(self) -> None:
        """Let the jobs of this Python thread bear the tag of its cell."""
        here = self._here
        context = sys.modules["pyspark.context"].SparkContext._active_spark_context
        java = getattr(context, "_jsc", None)
        if not self._watching or java is None or getattr(here, "busy", False):
            return
        if not hasattr(self._client, "get_thread_connection"):
            return  # PYSPARK_PIN_THREAD=false: any thread of the JVM may get any call
        connection = self._connection()
        if connection is not None and not connection.initiated_from_client:
            return  # Python called by the JVM, as in foreachBatch: that thread is the JVM's
        main = threading.current_thread() is threading.main_thread()
        cell = self._cell if main else getattr(here, "cell", self._cell)
        same = getattr(here, "context", None) is java
        old = connection is not None and getattr(here, "connection", lambda: None)() is connection
        if same and old and here.cell == cell:
            return
        here.busy = True
        try:
            if same and not old:  # after an interrupt the JVM's thread is another one
                java.sc().setLocalProperties(here.properties)
            if same:
                java.removeJobTag(self._tag(here.cell))
            elif java.getLocalProperty(INTERRUPT_TASKS) is None:
                java.setLocalProperty(INTERRUPT_TASKS, "true")
            java.addJobTag(self._tag(cell))
            if not (same and old):
                here.properties = java.sc().getLocalProperties()
            here.context, here.cell = java, cell
            here.connection = weakref.ref(self._connection())
        finally:
            here.busy = False

    def _connection(self) -> Any:
        """Return the connection of this thread that is open, None where there is none."""
        connection = self._client.get_thread_connection()
        return None if connection is None or connection.socket is None else connection

    def _tag(self, cell: int) -> str:
        return f"{TAG}{cell}"

    def _listen(self) -> None:
        """Have signals written to the socket; whoever had them before gets them from there."""
        if self._watching and threading.current_thread() is threading.main_thread():
            own = self._write_end.fileno()
            before = signal.set_wakeup_fd(own, warn_on_full_buffer=False)
            self._others = self._others if before == own else before

    def _leave(self) -> None:
        """Leave a forked process alone: its signals are not the notebook's."""
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(-1)

    def _read(self) -> None:
        """At each interrupt, cancel what the running cell has begun."""
        while number := self._read_end.recv(1):
            if self._others != -1:
                with contextlib.suppress(OSError):
                    os.write(self._others, number)
            context = sys.modules["pyspark.context"].SparkContext._active_spark_context
            java = getattr(context, "_jsc", None)
            if number[0] == signal.SIGINT and java is not None:
                self._last = time.monotonic()
                cell, self._cell = self._cell, self._cell + 1
                cancel = functools.partial(self._cancel, java, cell)
                threading.Thread(target=cancel, daemon=True).start()

    def _cancel(self, java: Any, cell: int) -> None:
        self._here.busy = True  # what this thread calls is part of no cell
        with contextlib.suppress(Exception):  # the session may end meanwhile
            if not hasattr(self._client, "get_thread_connection"):
                java.sc().cancelAllJobs()
                return
            for pause in PAUSES:
                time.sleep(pause)
                java.cancelJobsWithTag(self._tag(cell))

    @contextlib.contextmanager
    def _unmarked(self) -> Iterator[None]:
        """Let what this thread starts in the JVM belong to no cell."""
        here = self._here
        java = getattr(here, "context", None)
        if java is None or getattr(here, "busy", False):
            yield
            return
        here.busy = True
        try:
            java.removeJobTag(self._tag(here.cell))
            yield
        finally:
            with contextlib.suppress(Exception):
                java.addJobTag(self._tag(here.cell))
            here.busy = False

    def _let_streams_be(self) -> None:
        """A streaming query outlives its cell; it ends when the wait for it is interrupted."""
        streaming = sys.modules["pyspark.sql.streaming"]

        def started(method: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(method)
            def start(*args: Any, **kwargs: Any) -> Any:
                with self._unmarked():
                    return method(*args, **kwargs)

            return start

        def awaited(method: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(method)
            def wait(waited: Any, *args: Any, **kwargs: Any) -> Any:
                try:
                    return method(waited, *args, **kwargs)
                except KeyboardInterrupt:
                    for query in getattr(waited, "active", [waited]):
                        query.stop()
                    raise

            return wait

        writer, query = streaming.DataStreamWriter, streaming.StreamingQuery
        manager = streaming.StreamingQueryManager
        writer.start, writer.toTable = started(writer.start), started(writer.toTable)
        query.awaitTermination = awaited(query.awaitTermination)
        manager.awaitAnyTermination = awaited(manager.awaitAnyTermination)

    def _hide_tags(self) -> None:
        """The user's own job tags are as if there were no others."""
        context = sys.modules["pyspark.context"].SparkContext
        tags, clear = context.getJobTags, context.clearJobTags

        def clear_tags(of: Any) -> None:
            clear(of)
            self._here.context = None  # the next call marks this thread again

        context.getJobTags = lambda of: {tag for tag in tags(of) if not tag.startswith(TAG)}
        context.clearJobTags = clear_tags
