"""Are Java's properties read and written as Java does it?

That the JVM of the images says the same is a test of them: images/test_jvm_properties.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from tests.compose_modules import java_properties, refused
from tests.property_texts import properties


def read(text: str) -> dict[str, str]:
    return {each.key: each.value for each in java_properties.parse(text)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("k=v", {"k": "v"}),
        ("k:v", {"k": "v"}),
        ("k v", {"k": "v"}),
        ("  k \t=\f v \n", {"k": "v "}),
        ("k==v", {"k": "=v"}),
        ("k = = v", {"k": "= v"}),
        ("k", {"k": ""}),
        ("k=", {"k": ""}),
        ("k=1\nk=2", {"k": "2"}),
        ("a=1\rb=2\r\nc=3", {"a": "1", "b": "2", "c": "3"}),
        ("a=1\x85b\u2028c\x0bd=2", {"a": "1\x85b\u2028c\x0bd=2"}),
        ("# a=1\n  ! b=2\nc=3 # no comment", {"c": "3 # no comment"}),
        ("# a \\\nb=2", {"b": "2"}),
        ("k=a,\\\n    b,\\\r\n\tc", {"k": "a,b,c"}),
        ("k=a\\\\\nl=b", {"k": "a\\", "l": "b"}),
        ("k=a\\\\\\\nl=b", {"k": "a\\l=b"}),
        ("k=a\\\n\nl=b", {"k": "a", "l": "b"}),
        ("k=a\\\n# b", {"k": "a# b"}),
        ("k=a\\", {"k": "a"}),
        ("\\\n\nk=v", {"k": "v"}),
        ("a\\ b\\=c\\:d=e", {"a b=c:d": "e"}),
        ("k=\\t\\n\\r\\f\\q\\u0041", {"k": "\t\n\r\fqA"}),
        ("k=\\ud83d\\ude00", {"k": "\U0001f600"}),
        ("", {}),
    ],
)
def test_a_text_is_read_as_java_reads_it(text: str, expected: dict[str, str]) -> None:
    assert read(text) == expected


@given(properties)
def test_what_is_written_reads_the_same(wanted: dict[str, str]) -> None:
    written = java_properties.write(wanted)
    assert written.isascii()
    assert read(written) == wanted


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xef\xbb\xbfspark.a 1\n", " begins with a byte order mark"),
        (b"\xff\xfes\x00", " begins with a byte order mark"),
        (b"a=1\r\nb=2\rc=\xff\n", ", line 3 is not UTF-8."),
        (b"a=1\nb=2\\\n  \\u00\n", ", line 3 has a \\u without four hexadecimal digits."),
        (b"a\\u00=1\n", ", line 1 has a \\u without four hexadecimal digits."),
    ],
)
def test_what_java_would_misread_is_refused_with_its_line(
    tmp_path: Path, content: bytes, why: str
) -> None:
    file = tmp_path / "a.conf"
    file.write_bytes(content)
    with pytest.raises(refused.RefusedError) as caught:
        java_properties.read(file)
    assert str(caught.value).startswith(f"{file}{why}")
