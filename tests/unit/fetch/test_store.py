"""Does the store keep whole files by their digest, and nothing else?"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkyard.errors import HashMismatchError
from sparkyard.fetch import store

CONTENT = b"a package" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARKYARD_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_what_was_put_is_there() -> None:
    assert not store.holds(DIGEST)
    assert store.put(DIGEST, [CONTENT[:10], CONTENT[10:]]).read_bytes() == CONTENT
    assert store.holds(DIGEST)
    assert store.size() == store.Size(1, len(CONTENT))


def test_another_file_is_refused_and_leaves_nothing() -> None:
    with pytest.raises(HashMismatchError, match=DIGEST):
        store.put(DIGEST, [CONTENT, b"and more"])
    assert store.size().files == 0


def test_a_file_that_breaks_off_leaves_nothing() -> None:
    def breaks() -> Iterator[bytes]:
        yield CONTENT[:10]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put(DIGEST, breaks())
    assert store.size().files == 0


def test_a_damaged_file_is_removed() -> None:
    store.put(DIGEST, [CONTENT]).write_bytes(b"damaged")
    assert not store.holds(DIGEST)
    assert not store.place(DIGEST).exists()


def test_a_file_is_linked_to_where_it_is_wanted(cache: Path) -> None:
    store.put(DIGEST, [CONTENT])
    store.link(DIGEST, cache / "there.deb")
    assert (cache / "there.deb").samefile(store.place(DIGEST))


def test_where_there_is_no_room_the_file_is_named_and_nothing_stays() -> None:
    """A limit on a process's files fails as a full disk does, in the midst of a write."""
    code = (
        "import resource, signal, sys; from sparkyard.fetch import store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: store.put(sys.argv[1], [b'x' * 100000])\n"
        "except OSError as error: print(error.filename)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, DIGEST], capture_output=True, text=True, check=True
    ).stdout
    assert said.strip() == str(store.place(DIGEST))
    assert store.size().files == 0


def test_what_a_stopped_command_left_is_removed_later() -> None:
    file = store.put(DIGEST, [CONTENT])
    old, new = (file.with_name(f".new-{name}") for name in ("old", "new"))
    for left in (old, new):
        left.write_text("half")
    os.utime(old, (0, 0))
    assert store.size().files == 1
    store.tidy()
    assert (old.exists(), new.exists()) == (False, True)


def test_a_link_over_another_leaves_the_store_as_it_was(cache: Path) -> None:
    other = b"another package"
    store.put(DIGEST, [CONTENT])
    store.put(hashlib.sha256(other).hexdigest(), [other])
    store.link(DIGEST, cache / "there.deb")
    store.link(hashlib.sha256(other).hexdigest(), cache / "there.deb")
    assert store.holds(DIGEST)
    assert (cache / "there.deb").read_bytes() == other
