"""Where may this user write, and what cannot run from there?"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from refused import RefusedError

_OPTIONS = ("spark.driver.defaultJavaOptions", "spark.driver.extraJavaOptions")
_JAVA_TMPDIR = re.compile(r"-Djava\.io\.tmpdir=(\S+)")


@contextmanager
def writing() -> Iterator[Path]:
    """Give the directory for what this user's sessions start with; nobody else may enter it.

    Raises:
        RefusedError: it cannot be made, belongs to somebody else, or cannot be written.
    """
    above = Path("a temporary directory")
    try:
        above = Path(tempfile.gettempdir()) / f"spark-conf-{os.getuid()}"
        above.mkdir(mode=0o700, exist_ok=True)
        if above.is_symlink() or above.stat().st_uid != os.getuid():
            raise RefusedError(
                f"{above} belongs to somebody else.", "Set TMPDIR to another directory."
            )
        yield above
    except OSError as error:
        raise RefusedError(
            f"{error.filename or above} cannot be written: {error.strerror or error}.",
            "Mount a directory at /tmp that this user can write to, or set TMPDIR to one.",
        ) from None


def cannot_execute(conf: Mapping[str, str]) -> str:
    """Return what to say where Java can load no library from its temporary directory, else ""."""
    java_options = " ".join(conf.get(key, "") for key in _OPTIONS)
    directory = Path(([*_JAVA_TMPDIR.findall(java_options)] or ["/tmp"])[-1])  # noqa: S108
    try:
        if not os.statvfs(directory).f_flag & os.ST_NOEXEC:
            return ""
    except OSError:
        return ""
    mount = directory
    while not os.path.ismount(mount) and mount != mount.parent:
        mount = mount.parent
    return (
        f"{mount} is mounted noexec: Java loads no native library from {directory}. Linear algebra "
        "will be slow, and state stores in RocksDB fail. Mount it with exec "
        f"(docker run --tmpfs {mount}:exec), or set -Djava.io.tmpdir in "
        "spark.driver.extraJavaOptions."
    )
