"""Runs a notebook with nbclient, where the driver runs: notebook in, its cells out.

The notebook is text: a line that starts with `# %%` or `// %%` begins a cell and names it. All
cells run, also after one that failed; the output's last line is a JSON object, one entry a cell.

A cell that makes the file INTERRUPT is interrupted, as by the button, once the file is there.
"""

import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import nbformat  # type: ignore[import-not-found,unused-ignore]
from nbclient import NotebookClient  # type: ignore[import-not-found,unused-ignore]

INTERRUPT = Path("/tmp/interrupt-this-cell")  # noqa: S108
TITLE = re.compile(r"^(?:#|//) %% (.+)\n", re.MULTILINE)


def main(kernel: str, seconds: str) -> None:
    """Run the notebook on standard input in a kernel of this image."""
    _, *parts = TITLE.split(sys.stdin.read())
    titles, sources = parts[::2], parts[1::2]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    client = NotebookClient(
        notebook, kernel_name=kernel, timeout=int(float(seconds)), allow_errors=True
    )
    threading.Thread(target=interrupt, args=(client,), daemon=True).start()
    client.execute()
    cells = dict(zip(titles, map(outcome, notebook.cells), strict=True))
    print("\n" + json.dumps(cells))


def interrupt(client: NotebookClient) -> None:
    """Send the kernel's processes SIGINT, as Jupyter does it, whenever a cell asks for it."""
    while True:
        time.sleep(0.1)
        if INTERRUPT.exists():
            INTERRUPT.unlink()
            os.killpg(client.km.provisioner.pgid, signal.SIGINT)


def outcome(cell: nbformat.NotebookNode) -> dict[str, str]:
    """Return what a cell wrote, and its traceback."""
    error, streams = "", {"stdout": "", "stderr": ""}
    for output in cell.outputs:
        if output.output_type == "error":
            error = f"{output.ename}: {output.evalue}\n" + "\n".join(output.traceback)
        elif output.output_type == "stream":
            streams[output.name] += output.text
    return {"text": streams["stdout"], "stderr": streams["stderr"], "error": error}


if __name__ == "__main__":
    main(*sys.argv[1:])
