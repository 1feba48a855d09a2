"""Makes Java's trust store the same in every build: ca-certificates-java writes the time into it.

    keystore.py FILE

The format is JKS as OpenJDK's sun.security.provider.JavaKeyStore reads it: magic, version 2, the
number of entries; of each certificate its tag, alias, date in milliseconds, type, content; at the
end a SHA-1 over the password in UTF-16, the words "Mighty Aphrodite" and all that stands before.
"""

from __future__ import annotations

import hashlib
import os
import struct
import sys
from pathlib import Path

MAGIC = 0xFEEDFEED
VERSION = 2
CERTIFICATE = 2
"""The tag of a trusted certificate; private keys, tag 1, have no place in an image."""
PASSWORD = "changeit"  # noqa: S105 - the public one of every Java's trust store


def settle(store: bytes, seconds: int) -> bytes:
    """Return the store with all dates at `seconds` after 1970, sorted by alias.

    Raises:
        ValueError: it is not a JKS of certificates alone.
    """
    magic, version, count = struct.unpack_from(">III", store)
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError("not a JKS trust store of version 2")
    date = struct.pack(">Q", seconds * 1000)
    entries: dict[bytes, bytes] = {}
    at = 12
    for _ in range(count):
        (tag,) = struct.unpack_from(">I", store, at)
        if tag != CERTIFICATE:
            raise ValueError(f"an entry with the tag {tag}, which is no certificate")
        alias, after = _text(store, at + 4)
        kind, end = _text(store, after + 8)
        (length,) = struct.unpack_from(">I", store, end)
        content = store[end : end + 4 + length]
        entries[alias] = struct.pack(">I", tag) + alias + date + kind + content
        at = end + 4 + length
    made = struct.pack(">III", magic, version, count) + b"".join(
        entries[alias] for alias in sorted(entries)
    )
    return made + hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + made).digest()  # noqa: S324 - the format's own checksum


def _text(store: bytes, at: int) -> tuple[bytes, int]:
    """Return a text with its length before it, and where it ends."""
    (length,) = struct.unpack_from(">H", store, at)
    return store[at : at + 2 + length], at + 2 + length


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_bytes(settle(file.read_bytes(), int(os.environ["SOURCE_DATE_EPOCH"])))
