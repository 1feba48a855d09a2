"""Which jars does Spark itself carry? The pyspark sdist that poetry.lock pins is read for it."""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import ssl
import tarfile
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin

from sparkyard import paths
from sparkyard.errors import (
    HashMismatchError,
    MalformedFileError,
    MirrorError,
    NetworkError,
    StaleLockError,
)
from sparkyard.files import toml_file
from sparkyard.mirror_login import opener, split
from sparkyard.settings import PYPI

_LINK = re.compile(r"""<a\s[^>]*?href=["']([^"']+)["']""")


def names(
    stack_directory: Path,
    *,
    index: str = PYPI,
    ca_bundle: Path | None = None,
    cache: Path | None = None,
) -> tuple[str, ...]:
    """Return the file names of the jars in the pyspark that the stack's poetry.lock pins.

    The sdist (about 430 MB) is fetched once; the names are kept in `cache` under its sha256.

    Args:
        stack_directory: where poetry.lock is.
        index: a simple package index.
        ca_bundle: certificates to trust, in PEM; Python's own default without it.
        cache: a directory; the project's own without it.
    """
    file, sha256 = pinned_sdist(stack_directory / "poetry.lock")
    if cache is None:
        cache = paths.cache()
    kept = cache / f"spark-jars-{sha256}.json"
    if kept.exists():
        return tuple(json.loads(kept.read_text(encoding="utf-8")))
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / f"{sha256}.{os.getpid()}.tar.gz"
    try:
        fetch(index, file, sha256, archive, ssl.create_default_context(cafile=ca_bundle))
        names = names_in(archive)
    finally:
        archive.unlink(missing_ok=True)
    beside = kept.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(names), encoding="utf-8")
    os.replace(beside, kept)
    return names


def pinned_sdist(poetry_lock: Path) -> tuple[str, str]:
    """Return the file name and sha256 of the pyspark sdist in a poetry.lock.

    Raises:
        StaleLockError: none is pinned there.
    """
    try:
        content = toml_file.read(poetry_lock)
    except MalformedFileError as error:
        raise StaleLockError(error.what, "Run `nox -s dependencies`.") from None
    for package in content.get("package", []):
        if package.get("name") == "pyspark":
            for file in package.get("files", []):
                if file["file"].endswith(".tar.gz"):
                    return file["file"], file["hash"].removeprefix("sha256:")
    raise StaleLockError(f"{poetry_lock} pins no pyspark.", "Run `nox -s dependencies`.")


def names_in(archive: Path) -> tuple[str, ...]:
    """Return the names of the jars that a pyspark sdist puts into Spark's jars directory."""
    with tarfile.open(archive) as tar:
        paths = (PurePosixPath(member.name) for member in tar if member.isfile())
        return tuple(
            sorted(
                path.name
                for path in paths
                if path.suffix == ".jar" and path.parts[-3:-1] == ("deps", "jars")
            )
        )


def fetch(index: str, file: str, sha256: str, target: Path, tls: ssl.SSLContext) -> None:
    """Fetch `file` of the project pyspark from `index` into `target`, and check its hash."""
    mirror = split(index)
    page = f"{mirror.url.rstrip('/')}/pyspark/"
    ask = opener(mirror, tls)
    # PEP 503's HTML: every mirror has it, not every mirror has the JSON of PEP 691.
    wanted = urllib.request.Request(page, headers={"Accept": "text/html"})  # noqa: S310
    try:
        with ask.open(wanted, timeout=60) as answer:
            links = _LINK.findall(answer.read().decode("utf-8", "replace"))
        url = next(
            (urljoin(page, html.unescape(link)) for link in links if f"/{file}" in f"/{link}"), ""
        )
        if not url:
            raise MirrorError(f"{page} does not offer {file}.", "Use an index that has it.")
        have = hashlib.sha256()
        with (
            ask.open(url, timeout=60) as answer,
            target.open("wb") as stream,
        ):
            while chunk := answer.read(1 << 20):
                have.update(chunk)
                stream.write(chunk)
    except urllib.error.HTTPError as error:
        raise MirrorError(f"{error.url}: answer {error.code}", "See to the index.") from error
    except urllib.error.URLError as error:
        raise NetworkError(f"{page}: {error.reason}", "See to the network or the CA.") from error
    if have.hexdigest() != sha256:
        raise HashMismatchError(
            f"{url} has sha256 {have.hexdigest()}, poetry.lock has {sha256}.",
            "Fetch it again; if it stays so, the index serves another file.",
        )
