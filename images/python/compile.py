"""Compiles all Python files below a directory, to the same bytes on every machine.

    compile.py DIRECTORY

What the compiler writes depends a little on what its process has compiled before (which objects
have other references is marked in the file). So each process gets the same files in the same order,
however many processors there are: a fixed share of the sorted list.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SHARE = 150
"""Files that one process compiles: about a second's work."""


def shares(directory: Path) -> list[list[str]]:
    """Return the files, each share for a process of its own."""
    files = sorted(str(file) for file in directory.rglob("*.py") if not file.is_symlink())
    return [files[first : first + SHARE] for first in range(0, len(files), SHARE)]


def compile_share(files: list[str]) -> None:
    """Compile in a process of its own, which reads nothing of its environment."""
    argv = [sys.executable, "-I", "-W", "ignore", __file__]
    subprocess.run(argv, input="\n".join(files), text=True, check=True)


def compile_here(files: list[str]) -> None:
    """Compile in this process. A file that no Python of this version can read is left alone."""
    # A layer's time stamps say nothing about its sources: compiled files are checked by content.
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    for file in files:
        compileall.compile_file(file, force=True, quiet=2, invalidation_mode=checked)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        compile_here(sys.stdin.read().splitlines())
    else:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for _ in pool.map(compile_share, shares(Path(sys.argv[1]))):
                pass
