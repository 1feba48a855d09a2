"""How do tests run a notebook in the driver's image, wherever that runs?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sparkyard.command import Completed

RUNNER = Path(__file__).parent / "run_notebook.py"


class DriverPlace(Protocol):
    """Where commands of the driver's image run: a container, or a pod."""

    def exec(
        self,
        *argv: str,
        environment: Mapping[str, str] | None = None,
        stdin: str | None = None,
        check: bool = True,
        timeout: float = 300,
    ) -> Completed:
        """Run a command there."""


@dataclass(frozen=True)
class Cell:
    """A cell that ran: what it printed, what it wrote as errors, and what it died of, if it did."""

    text: str
    error: str
    stderr: str = ""

    @property
    def result(self) -> Any:
        """What the cell printed as its last line, as JSON.

        Raises:
            AssertionError: the cell failed; with its traceback.
        """
        assert not self.error, f"{self.error}\n{self.stderr[-3000:]}"
        return json.loads(self.text.strip().splitlines()[-1])

    @property
    def seen(self) -> str:
        """All that a person sees below the cell."""
        return f"{self.text}\n{self.stderr}\n{self.error}"


def run_notebook(
    place: DriverPlace,
    source: str,
    kernel: str = "python3",
    *,
    settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float = 400,
) -> dict[str, Cell]:
    """Run a notebook in a kernel of the image there.

    Args:
        source: its cells; a line that starts with `# %%` or `// %%` begins one and names it.
        settings: Spark's configuration, as a person gives it in PYSPARK_SUBMIT_ARGS.
        environment: variables of the kernel.

    Returns:
        its cells by their titles.
    """
    given = dict(environment or {})
    if settings:
        words = " ".join(f"--conf {name}={value}" for name, value in settings.items())
        given["PYSPARK_SUBMIT_ARGS"] = f"{words} pyspark-shell"
    ended = place.exec(
        "python", "-c", RUNNER.read_text(encoding="utf-8"), kernel, str(seconds),
        stdin=source, environment=given, timeout=seconds + 60,
    )  # fmt: skip
    cells = json.loads(ended.stdout.splitlines()[-1])
    return {title: Cell(**cell) for title, cell in cells.items()}
