"""A Scala kernel on Spark's own REPL, the one that spark-shell runs.

The JVM is started by PySpark as for any notebook, so spark-defaults.conf, the jars in
$SPARK_HOME/jars and PYSPARK_SUBMIT_ARGS hold. What a cell defines is compiled into a directory
that Spark's own RPC serves to the executors: no second port, and under spark.authenticate.
Predefined: `spark` and `sc`, made at their first use by SparkSession.builder.getOrCreate(), so a
cell that configures a session itself comes in time.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from typing import Any

import pyspark
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel
from py4j.protocol import Py4JError
from pyspark.java_gateway import launch_gateway

PREDEFINED = """
import org.apache.spark.sql.SparkSession
import org.apache.spark.SparkContext._
import org.apache.spark.sql.functions._
@transient lazy val spark = SparkSession.builder.getOrCreate()
@transient lazy val sc = spark.sparkContext
"""
POLL = 0.1  # seconds between two looks at what a running cell has printed
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Repl:
    """Spark's REPL in a JVM of its own."""

    def __init__(self) -> None:
        # Its compiler finds Spark on the JVM's own class path, as spark-shell arranges it.
        options = os.environ.get("SPARK_SUBMIT_OPTS", "")
        os.environ["SPARK_SUBMIT_OPTS"] = f"{options} -Dscala.usejavacp=true".strip()
        # One JVM thread for each Python thread: `interrupt` must find the one that runs the cell.
        os.environ["PYSPARK_PIN_THREAD"] = "true"
        self.gateway = launch_gateway()
        jvm = self.jvm = self.gateway.jvm
        self.printed = jvm.java.io.ByteArrayOutputStream()
        jvm.java.lang.System.setOut(jvm.java.io.PrintStream(self.printed, True, "UTF-8"))
        self.said = jvm.java.io.StringWriter()
        classes = tempfile.mkdtemp(prefix="scala-kernel-")
        jvm.java.lang.System.setProperty("spark.repl.class.outputDir", classes)
        if jvm.java.lang.System.getProperty("spark.app.name") in (None, "pyspark-shell"):
            jvm.java.lang.System.setProperty("spark.app.name", "scala-notebook")
        settings = jvm.scala.tools.nsc.Settings()
        user_jars = jvm.org.apache.spark.util.Utils.getLocalUserJarsForShell(
            jvm.org.apache.spark.SparkConf()
        ).mkString(os.pathsep)
        settings.processArgumentString(
            f"-usejavacp -Yrepl-class-based -Yrepl-outdir {classes}"
            + (f" -classpath {user_jars}" if user_jars else "")
        )
        nothing = jvm.java.io.BufferedReader(jvm.java.io.StringReader(""))
        loop = jvm.org.apache.spark.repl.SparkILoop(nothing, jvm.java.io.PrintWriter(self.said))
        self.scala_2_12 = jvm.scala.util.Properties.versionNumberString().startswith("2.12.")
        if self.scala_2_12:
            getattr(loop, "settings_$eq")(settings)
            loop.createInterpreter()
            self.interpreter = loop.intp()
            self.interpreter.initializeSynchronous()
        else:
            loop.createInterpreter(settings)
            self.interpreter = loop.intp()
            self.interpreter.initializeCompiler()
        self.thread: Any = None
        self.cell = 0
        self.tagged = False
        self.queries: set[str] = set()
        self.run(PREDEFINED)

    def run(self, code: str) -> tuple[str, str]:
        """Run `code`; return "Success", "Error" or "Incomplete", and what the REPL said."""
        self.said.getBuffer().setLength(0)
        self.interpreter.setContextClassLoader()
        self.thread = self.jvm.java.lang.Thread.currentThread()
        self._tag_jobs()
        try:
            result = self.interpreter.interpret(code).toString()
        finally:
            self.thread = None
        return result, COLOUR.sub("", self.said.toString()).strip()

    def complete(self, code: str, position: int) -> tuple[int, list[str]]:
        """Return where the word at `position` begins, and what it may become."""
        package = self.jvm.scala.tools.nsc.interpreter
        if self.scala_2_12:
            completer = package.PresentationCompilerCompleter(self.interpreter)
        else:
            completer = package.shell.ReplCompletion(self.interpreter, package.shell.Accumulator())
        found = completer.complete(code, position)
        candidates = found.candidates()
        if self.scala_2_12:
            names = candidates.mkString("\n").split("\n")
        else:
            names = [candidates.apply(place).name() for place in range(candidates.size())]
        return found.cursor(), [name for name in names if name]

    def interrupt(self) -> None:
        """Interrupt the cell's thread, stop its streaming queries, cancel its jobs."""
        thread, session, waits = self.thread, self._session(), False
        if thread is not None:
            waits = any("Termination(" in str(frame) for frame in thread.getStackTrace())
            thread.interrupt()
        if session is not None:
            for query in session.streams().active():
                if waits or query.runId().toString() not in self.queries:
                    query.stop()
            self.cancel()

    def cancel(self) -> None:
        """Cancel the cell's jobs; those of earlier cells go on in their threads."""
        if (session := self._session()) is not None:
            if self.tagged:
                session.sparkContext().cancelJobsWithTag(self._tag)
            else:  # the session was made in this cell: no other has jobs
                session.sparkContext().cancelAllJobs()

    def _tag_jobs(self) -> None:
        """Mark what this thread, which is the cell's own, starts from now on."""
        self.cell += 1
        session = self._session()
        self.tagged = session is not None
        if session is not None:
            session.sparkContext().addJobTag(self._tag)
            session.sparkContext().setInterruptOnCancel(True)
            active = session.streams().active()
            self.queries = {query.runId().toString() for query in active}

    @property
    def _tag(self) -> str:
        return f"notebook-cell-{self.cell}"

    def _session(self) -> Any:
        session = self.jvm.org.apache.spark.sql.SparkSession.getDefaultSession()
        return session.get() if session.isDefined() else None

    @property
    def ended(self) -> bool:
        """Whether its JVM has ended."""
        return self.gateway.proc is not None and self.gateway.proc.poll() is not None


class ScalaKernel(Kernel):  # type: ignore[misc]
    """Jupyter's side: cells in, what they print and say out."""

    implementation = "sparkyard-scala"
    implementation_version = pyspark.__version__
    banner = f"Scala on Spark {pyspark.__version__}"
    language_info = {  # noqa: RUF012 (ipykernel's way)
        "name": "scala",
        "mimetype": "text/x-scala",
        "codemirror_mode": "text/x-scala",
        "file_extension": ".scala",
    }
    repl: Repl | None = None

    def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,  # noqa: ARG002
        user_expressions: dict[str, Any] | None = None,  # noqa: ARG002
        allow_stdin: bool = False,  # noqa: ARG002
        **_: Any,
    ) -> dict[str, Any]:
        """Run one cell and report how it ended."""
        outcome: list[tuple[str, str]] = []
        # Not the thread's own join(): interrupted in it, Python 3.11 takes the thread for ended.
        ended = threading.Event()

        def work() -> None:
            try:
                if self.repl is None:
                    self.repl = Repl()
                outcome.append(self.repl.run(code))
            except Exception as error:
                outcome.append(("Error", str(error)))
            finally:
                ended.set()

        threading.Thread(target=work, daemon=True).start()
        shown, interrupted = 0, False
        while not ended.is_set():
            try:
                ended.wait(POLL)
                shown = self._show_printed(shown, silent)
                if interrupted and self.repl is not None:
                    self.repl.cancel()  # a job that was being planned at the interrupt
            except KeyboardInterrupt:
                interrupted = True
                with contextlib.suppress(Py4JError):
                    if self.repl is not None:
                        self.repl.interrupt()
            except Py4JError:  # the JVM has ended; the cell's own call says why
                ended.wait()
        self._show_printed(shown, silent, last=True)
        result, said = outcome[0]
        if self.repl is not None and self.repl.ended:
            self.repl = None
            said += "\nThe next cell starts a new one; what cells have defined is gone."
        if result == "Incomplete":
            said = "The cell ends in the middle of a definition or an expression."
        if result == "Success":
            if said and not silent:
                content = {"data": {"text/plain": said}, "metadata": {}}
                self.send_response(
                    self.iopub_socket,
                    "execute_result",
                    {**content, "execution_count": self.execution_count},
                )
            return {
                "status": "ok",
                "execution_count": self.execution_count,
                "payload": [],
                "user_expressions": {},
            }
        first = next((line for line in said.splitlines() if line.strip()), result)
        error = {"ename": first.split(":", 1)[0], "evalue": first, "traceback": said.splitlines()}
        if not silent:
            self.send_response(self.iopub_socket, "error", error)
        return {"status": "error", "execution_count": self.execution_count, **error}

    def _show_printed(self, shown: int, silent: bool, *, last: bool = False) -> int:
        """Send what the cell has printed beyond the first `shown` characters."""
        if self.repl is None or self.repl.ended:
            return shown
        printed = self.repl.printed
        text = printed.toString("UTF-8") if printed.size() else ""
        if last:
            printed.reset()
        else:
            text = text.rstrip("\ufffd")  # a character whose last bytes are still to come
        if len(text) > shown and not silent:
            self.send_response(
                self.iopub_socket, "stream", {"name": "stdout", "text": text[shown:]}
            )
        return max(shown, len(text))

    def do_complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """Offer what the REPL's compiler knows at the cursor."""
        start, names = cursor_pos, []
        if self.repl is not None:
            start, names = self.repl.complete(code, cursor_pos)
        return {
            "status": "ok",
            "matches": names,
            "cursor_start": start,
            "cursor_end": cursor_pos,
            "metadata": {},
        }

    def do_is_complete(self, code: str) -> dict[str, str]:
        """Let the front end decide by its own means."""
        return {"status": "unknown"} if code.strip() else {"status": "complete"}

    def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """End the JVM with the kernel."""
        if self.repl is not None:
            self.repl.gateway.shutdown()
        return {"status": "ok", "restart": restart}


if __name__ == "__main__":
    # What the JVM logs belongs into the server's log, not into a cell.
    app = IPKernelApp.instance(kernel_class=ScalaKernel, capture_fd_output=False)
    app.initialize()
    app.start()
