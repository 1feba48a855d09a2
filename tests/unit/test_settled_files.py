"""Do the small tools of the build steps make the same files each time?

They run inside builds; here they are run on files of the test's own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from sparkyard import paths

COMMON = paths.IMAGES / "common"
EPOCH = 1_700_000_000


def load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)  # and nothing is left among the sources
    finally:
        sys.dont_write_bytecode = before
    return module


def settle(*words: Path) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    subprocess.run(["sh", str(COMMON / "settle"), *map(str, words)], env=environment, check=True)


def test_settle_gives_everything_one_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("x")
    (tmp_path / "a/link").symlink_to("nowhere")
    settle(tmp_path)
    found = [tmp_path, *tmp_path.rglob("*")]
    assert len(found) == 4
    assert {int(path.lstat().st_mtime) for path in found} == {EPOCH}


def test_settle_leaves_the_times_that_packages_brought(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    marker = tmp_path / "marker"
    marker.touch()
    time.sleep(0.02)
    (out / "made").write_text("x")
    (out / "brought").write_text("x")
    os.utime(out / "brought", (1_600_000_000, 1_600_000_000))
    settle(out, marker)
    assert int((out / "made").stat().st_mtime) == EPOCH
    assert int((out / "brought").stat().st_mtime) == 1_600_000_000


def store(entries: list[tuple[str, int]], kind: int = 2) -> bytes:
    """Return a JKS as Java writes it, with these aliases and dates."""
    body = struct.pack(">III", 0xFEEDFEED, 2, len(entries))
    for alias, date in entries:
        name = alias.encode()
        body += struct.pack(">IH", kind, len(name)) + name + struct.pack(">Q", date)
        content = f"certificate of {alias}".encode()
        body += struct.pack(">H", 5) + b"X.509" + struct.pack(">I", len(content)) + content
    secret = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"
    return body + hashlib.sha1(secret + body).digest()  # noqa: S324


def test_a_keystore_has_one_date_and_one_order() -> None:
    settled = load(COMMON / "keystore.py").settle
    one, other = store([("b", 111), ("a", 222)]), store([("a", 333), ("b", 444)])
    assert one != other
    assert settled(one, EPOCH) == settled(other, EPOCH)
    assert settled(one, EPOCH) == store([("a", EPOCH * 1000), ("b", EPOCH * 1000)])


@pytest.mark.skipif(not shutil.which("keytool"), reason="no Java here; the images' tests have one")
def test_java_reads_a_settled_keystore(tmp_path: Path) -> None:
    file = tmp_path / "store"
    file.write_bytes(load(COMMON / "keystore.py").settle(store([]), EPOCH))
    subprocess.run(
        ["keytool", "-list", "-keystore", str(file), "-storepass", "changeit"], check=True
    )


@pytest.mark.parametrize("content", [b"\0" * 20, store([("a", 1)], kind=1)])
def test_another_kind_of_keystore_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a JKS|no certificate"):
        load(COMMON / "keystore.py").settle(content, EPOCH)


def compiled(directory: Path, *prefix: str) -> dict[str, str]:
    for cached in directory.rglob("__pycache__"):
        shutil.rmtree(cached)
    argv = [*prefix, sys.executable, str(paths.IMAGES / "python/compile.py"), str(directory)]
    subprocess.run(argv, check=True)
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in directory.rglob("*.pyc")
    }


def test_files_compile_to_the_same_bytes_on_one_processor(tmp_path: Path) -> None:
    for number in range(400):
        text = f"import os\nNAMES = {{'a{number}', 'b', 'os'}}\ndef f{number % 7}(b): return b.a\n"
        (tmp_path / f"m{number}.py").write_text(text)
    (tmp_path / "broken.py").write_text("print 'of another Python'\n")
    here = compiled(tmp_path)
    assert len(here) == 400
    first = str(min(os.sched_getaffinity(0)))
    assert compiled(tmp_path, "taskset", "--cpu-list", first) == here


def test_compiled_files_are_checked_by_content(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("A = 1\n")
    compiled(tmp_path)
    flags = next(tmp_path.rglob("*.pyc")).read_bytes()[4:8]
    assert struct.unpack("<I", flags) == (0b11,)  # PEP 552: by hash, and checked
