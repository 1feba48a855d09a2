"""Is there what a session names: its jars, its Python?"""

from __future__ import annotations

import glob
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from refused import RefusedError

_LISTS = ("spark.jars", "spark.submit.pyFiles")
"""Lists of files, of which Spark leaves out what is not there."""
_OF_IMAGES = "/opt/venv/"
"""Both sides have it from the same layers: what is not here is not in executors either."""


def check(conf: Mapping[str, str], words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Refuse a file or a Python that is not there, for a driver that runs here.

    Raises:
        RefusedError: it is not; with the variable or the setting.
    """
    for key in _LISTS:
        for uri in filter(None, map(str.strip, conf.get(key, "").split(","))):
            path = _local(uri)
            if path and (why := _missing(path)):
                raise RefusedError(
                    f"{key} names {path}, which cannot be read: {why}.",
                    f"Correct {key}, or take the file out of it.",
                )
    remote = not conf.get("spark.master", "local").startswith("local")
    for name, value, runs_here in _pythons(conf, words, environment):
        why = _not_to_run(value)
        # A relative path may be in an archive of the session's, which is not unpacked yet.
        elsewhere = not runs_here and remote and not value.startswith(_OF_IMAGES)
        if value != value.strip():
            raise RefusedError(
                f"{name} begins or ends with a blank: '{value}'.", f"Take the blank out of {name}."
            )
        if why and not elsewhere and (runs_here or not _relative(value)):
            raise RefusedError(
                f"{name}={value} cannot be run: {why}.",
                f"Correct {name}, or unset it: the image's own is /opt/venv/bin/python.",
            )


def _local(uri: str) -> str:
    """Return the path of a file of this machine, "" for one that is elsewhere."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # Spark says so itself
        return ""
    if parts.scheme not in ("", "file", "local"):
        return ""
    path = unquote(parts.path) if parts.scheme else uri
    return path if os.path.exists(path) else path.partition("#")[0]


def _missing(path: str) -> str:
    """Return why a file cannot be read, or that a pattern matches none; "" where it can."""
    if glob.has_magic(path) or "{" in path:
        return "" if "{" in path or glob.glob(path) else "no file matches"
    try:
        with open(path, "rb"):
            return ""
    except IsADirectoryError:
        return ""
    except OSError as error:
        return error.strerror or str(error)


def _pythons(
    conf: Mapping[str, str], words: Sequence[str], environment: Mapping[str, str]
) -> Iterator[tuple[str, str, bool]]:
    """Give name and value of what names a Python, and whether Spark runs it here."""
    # A notebook's driver is a Python that runs already.
    starts_one = "pyspark-shell" not in words
    for name, runs_here in (("PYSPARK_PYTHON", False), ("PYSPARK_DRIVER_PYTHON", True)):
        key = "spark." + name.lower().replace("_", ".")
        if starts_one or not runs_here:
            # Without a value `pyspark` takes python3; a notebook's session would take nothing.
            if environment.get(name) or (name in environment and not starts_one):
                yield name, environment[name], runs_here
            if key in conf:
                yield key, conf[key], runs_here


def _relative(value: str) -> bool:
    return "/" in value and not value.startswith("/")


def _not_to_run(value: str) -> str:
    """Return why a command cannot be run here, "" where it can."""
    path = Path(value) if "/" in value else Path(shutil.which(value) or f"/nowhere/{value}")
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            return "Is a directory"
    except OSError as error:
        return error.strerror or str(error)
    return "" if os.access(path, os.X_OK) else "Permission denied"
