"""How is a tar archive unpacked, so that nothing in it leaves its place?"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path


def unpack(archive: tarfile.TarFile, place: Path) -> None:
    """Write an archive's regular files below a directory; links and devices are left out.

    Python's own `filter="data"` came with 3.11.4 (PEP 706): Debian bookworm's Python has none.

    Raises:
        tarfile.TarError: a name leads out of the place, or the archive is damaged.
        OSError: a file cannot be written.
    """
    place = place.resolve()
    for member in archive:
        source = archive.extractfile(member) if member.isfile() else None
        if source is None:
            continue
        target = (place / member.name).resolve()
        if not target.is_relative_to(place):
            raise tarfile.TarError(f"{member.name} leads out of {place}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
