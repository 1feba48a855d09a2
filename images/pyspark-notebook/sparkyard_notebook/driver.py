"""What happens between PySpark and the JVM that it starts: every call goes through here."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import py4j.clientserver
import py4j.java_gateway
import py4j.protocol

from . import ending
from .homes import wrong_home
from .interrupts import Interrupts
from .packages import say_second_copies, say_shadows

PATIENCE = 3.0
"""Seconds that a JVM takes at most to end after it has dropped its connections."""

CONTEXT = f"{py4j.protocol.CONSTRUCTOR_COMMAND_NAME}org.apache.spark.api.java.JavaSparkContext"
"""How the command begins that makes a SparkContext."""

RESULT = "\ngetResult\n"
"""A part of the command by which toPandas waits for a job, even of an interrupted cell."""

INTERRUPTS = Interrupts()


class OneLine:
    """An error whose message says all: a notebook shows it without the way through PySpark."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class WrongHomeError(OneLine, RuntimeError):
    """A variable leads to another image's Spark or Java."""


class DriverEndedError(OneLine, py4j.protocol.Py4JError):
    """The driver's JVM has ended, and the session with it."""

    def __str__(self) -> str:
        return str(self.args[0][0] if isinstance(self.args[0], tuple) else self.args[0])


def attend(java_gateway: ModuleType) -> None:
    """Have a look at every JVM that PySpark starts."""
    if sys.argv[:1] != ["-m"]:  # a worker of Spark's, whose driver has said it
        say_shadows()
    launch = java_gateway.launch_gateway

    @functools.wraps(launch)
    def launch_gateway(*args: Any, **kwargs: Any) -> Any:
        from pyspark.version import __version__  # noqa: PLC0415

        if wrong := wrong_home(os.environ, __version__):
            raise WrongHomeError(wrong)
        gateway = launch(*args, **kwargs)
        if gateway.proc is not None:
            Driver(gateway)
            say_second_copies()
        return gateway

    java_gateway.launch_gateway = launch_gateway
    _close_one_connection_at_an_interrupt()
    # py4j logs tracebacks of interrupts and of lost connections, which are told in other ways.
    for logger in (None, "py4j.clientserver"):
        logging.getLogger(logger).addFilter(
            lambda record: record.funcName not in ("send_command", "shutdown_socket")
        )


def _close_one_connection_at_an_interrupt() -> None:
    """Let an interrupted call lose its own connection, and no other thread its.

    py4j closes any connection that is idle, and the JVM then closes all: calls of other threads
    would be sent once more, and their jobs run twice.
    """
    connection = py4j.clientserver.ClientServerConnection
    send = connection.send_command

    @functools.wraps(send)
    def send_command(self: Any, command: str) -> Any:
        try:
            return send(self, command)
        except KeyboardInterrupt:
            self.close()
            raise

    connection.send_command = send_command


class Driver:
    """A JVM that PySpark has started, and how it fares."""

    def __init__(self, gateway: Any):
        self.gateway = gateway
        self.process: subprocess.Popen[bytes] = gateway.proc
        self.heap = ending.heap_of(self.process.pid)
        self.killed_before = ending.killed_for_memory()
        self.reason = ""
        client = gateway._gateway_client
        self._send = client.send_command
        client.send_command = self.send_command
        INTERRUPTS.follow(client, self._before_cell)
        _let_stop_succeed()
        _advise_on_memory(self.heap)

    def send_command(self, command: str, retry: bool = True, binary: bool = False) -> Any:
        """Send a command to the JVM as py4j does it; say why where there is no JVM any more.

        Raises:
            DriverEndedError: the JVM has ended.
        """
        calls = not command.startswith(py4j.protocol.MEMORY_COMMAND_NAME)  # of py4j's own thread
        if calls and not self.reason:
            INTERRUPTS.mark_thread()
        try:
            answer = self._send(command, retry, binary)
        except DriverEndedError:
            raise
        except KeyboardInterrupt:
            if command.startswith(CONTEXT):  # the JVM goes on making it, and takes no second one
                self.process.terminate()
                self.reason = f"The start of this session was interrupted. {ending.ANEW}"
                self._forget()
            raise
        except (OSError, py4j.protocol.Py4JError):
            if calls and self.has_ended(PATIENCE):
                raise DriverEndedError(self.reason) from None
            raise
        if answer == py4j.protocol.ERROR and calls and self.has_ended(PATIENCE):
            raise DriverEndedError(self.reason)
        if answer[:1] == py4j.protocol.ERROR and RESULT in command and INTERRUPTS.just_now:
            raise KeyboardInterrupt
        return answer

    def has_ended(self, patience: float = 0) -> bool:
        """Tell whether the JVM has ended; if so, `reason` is known and PySpark forgets it.

        Args:
            patience: seconds to wait for its end.
        """
        if self.reason:
            return True
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            return False
        for_memory = ending.killed_for_memory() > self.killed_before
        self.reason = ending.why(code, self.heap, for_memory=for_memory)
        self._forget()
        return True

    def _forget(self) -> None:
        """Let the next getOrCreate() start a JVM: PySpark by itself keeps the dead one."""
        from pyspark import SparkContext  # noqa: PLC0415
        from pyspark.sql import SparkSession, SQLContext  # noqa: PLC0415

        if SparkContext._gateway is not self.gateway:
            return
        if accumulators := getattr(SparkContext._active_spark_context, "_accumulatorServer", None):
            accumulators.shutdown()
        SparkContext._active_spark_context = SparkContext._gateway = SparkContext._jvm = None
        SparkSession._instantiatedSession = SparkSession._activeSession = None
        SQLContext._instantiatedContext = None

    def _before_cell(self) -> None:
        """Say before a cell runs that its session is gone, if it is."""
        if not self.reason and self.has_ended():
            print(self.reason, file=sys.stderr)


def _advise_on_memory(heap: str) -> None:
    """Have a call's OutOfMemoryError name the setting, where the JVM goes on."""
    read = getattr(py4j.protocol.get_return_value, "__wrapped__", py4j.protocol.get_return_value)

    @functools.wraps(read)
    def get_return_value(*args: Any, **kwargs: Any) -> Any:
        try:
            return read(*args, **kwargs)
        except py4j.protocol.Py4JJavaError as error:
            if error.java_exception.toString().startswith("java.lang.OutOfMemoryError"):
                error.add_note(ending.too_little(heap))
            raise

    # PySpark wraps the one, when a session starts, and puts that in the place of the other.
    py4j.protocol.get_return_value = py4j.java_gateway.get_return_value = get_return_value


def _let_stop_succeed() -> None:
    """To stop a session whose driver has ended is no error."""
    from pyspark.sql import SparkSession  # noqa: PLC0415

    stop = getattr(SparkSession.stop, "__wrapped__", SparkSession.stop)

    @functools.wraps(stop)
    def stop_session(session: Any) -> None:
        with contextlib.suppress(DriverEndedError):
            stop(session)

    SparkSession.stop = stop_session
