"""Which bytes is a jar? The same ones for the same classes: sorted, of one time, of one mode."""

import os
import sys
import time
import zipfile
from pathlib import Path


def write(classes: Path, jar: Path, seconds: int) -> None:
    """Writes what is below `classes`. `seconds` since 1970; a zip can say nothing before 1980."""
    moment = max(time.gmtime(seconds)[:6], (1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(jar, "w") as archive:
        for file in sorted(path for path in classes.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(classes).as_posix(), moment)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), int(os.environ["SOURCE_DATE_EPOCH"]))
