"""How do tests drive a browser? By Chromium's DevTools protocol over a pipe; NUL ends a message."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds until an answer is missed."""


@dataclass
class Tab:
    """A page of a browser, and all that it told since it was opened."""

    process: subprocess.Popen[bytes]
    session: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    _rest: bytes = b""
    _last: int = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return what the browser answers to a command of the protocol.

        Raises:
            AssertionError: it refuses, or does not answer.
        """
        assert self.process.stdin
        self._last += 1
        number = self._last
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        self.process.stdin.flush()
        answer = self._read(lambda message: message.get("id") == number, method)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page, as JSON carries it."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def show(self, html: str, *, width: int, dark: bool = False) -> None:
        """Open a page of that text in a window of that width, and wait until it is there."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        url = "data:text/html;charset=utf-8;base64," + base64.b64encode(html.encode()).decode()
        self.call("Page.navigate", url=url)
        self._read(lambda message: message.get("method") == "Page.loadEventFired", "load")

    def told(self, method: str) -> list[dict[str, Any]]:
        """Return the events of that name so far."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def picture(self, file: Path, top: int = 0, height: int = 0) -> None:
        """Write what the page looks like, all of it or a part, as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": top, "width": size["width"], "scale": 1}
        clip["height"] = min(height or size["height"], size["height"] - top)
        shot = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def _read(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        assert self.process.stdout
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            message, found, rest = self._rest.partition(b"\0")
            if found:
                self._rest = rest
                read: dict[str, Any] = json.loads(message)
                self.events.append(read)
                if wanted(read):
                    return read
                continue
            if select.select([self.process.stdout], [], [], 1)[0]:
                data = os.read(self.process.stdout.fileno(), 1 << 20)
                assert data, f"the browser ended with {self.process.wait(10)} before: {what}"
                self._rest += data
        raise AssertionError(f"the browser did not answer in {PATIENCE:.0f} s: {what}")


@contextmanager
def tab(argv: Sequence[str]) -> Iterator[Tab]:
    """Give a page of a browser that a command starts, with its pipe as input and output."""
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        try:
            opened = Tab(process)
            target = opened.call("Target.createTarget", url="about:blank")["targetId"]
            attached = opened.call("Target.attachToTarget", targetId=target, flatten=True)
            opened.session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                opened.call(f"{domain}.enable")
            yield opened
        finally:
            # Its children end with it only when it is asked to.
            process.stdin.write(b'{"id": 0, "method": "Browser.close"}\0')  # type: ignore[union-attr]
            process.stdin.close()  # type: ignore[union-attr]
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
