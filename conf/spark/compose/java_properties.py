"""What does Java read in a file of properties, and how is one written that it reads the same?

The form is that of `java.util.Properties.load`. Spark reads its defaults so, in UTF-8.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from refused import RefusedError, reading

BLANKS = " \t\f"
_LINE_END = re.compile(r"\r\n|\r|\n")
_PARTS = re.compile(
    r"((?:\\.|[^\\=: \t\f])*)([ \t\f]*(?:[=:][ \t\f]*)?)(.*)",  # key, separator, value
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_MARKED_IN_KEY, _MARKED_IN_VALUE = re.compile(r"[\\=:#! ]"), re.compile(r"\\|^ ")
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class MalformedError(Exception):
    """An escape that lacks some of its four hexadecimal digits, and the line it is in."""

    def __init__(self, line: int):
        super().__init__(f"line {line}: a \\u without four hexadecimal digits")
        self.line = line


@dataclass(frozen=True)
class Property:
    """One property, the number of its first line, and the lines that continue it."""

    key: str
    value: str
    line: int
    continuations: tuple[tuple[int, str], ...] = ()
    separated: bool = True
    """Whether anything follows the key: `=`, `:`, a blank."""


def parse(text: str) -> Iterator[Property]:
    """Give the properties in the order of the text; the last one of a key counts.

    Raises:
        MalformedError: Java would refuse the text.
    """
    natural = _LINE_END.split(text)
    if not natural[-1]:
        natural.pop()
    numbered = ((number, line.lstrip(BLANKS)) for number, line in enumerate(natural, 1))
    for first, line in numbered:
        if line[:1] in ("", "#", "!"):
            continue
        pieces = [(first, line)]
        goes_on = _goes_on(line)
        while goes_on and (following := next(numbered, None)):
            pieces.append(following)
            goes_on = _goes_on(following[1])
        joined = "".join(piece[:-1] if _goes_on(piece) else piece for _, piece in pieces)
        if joined:
            yield _property(joined, pieces)


def read(file: Path) -> list[Property]:
    """Return the properties of a file.

    Raises:
        RefusedError: it cannot be read, or Java would misread it; with the file and the line.
    """
    with reading(file):
        content = file.read_bytes()
    if content.startswith(_BYTE_ORDER_MARKS):
        raise RefusedError(
            f"{file} begins with a byte order mark, which Java takes for a part of the first key.",
            "Save it as UTF-8 without a BOM.",
        )
    try:
        return list(parse(content.decode("utf-8")))
    except UnicodeDecodeError as error:
        line = 1 + len(_LINE_END.findall(content[: error.start].decode("utf-8")))
        raise RefusedError(f"{file}, line {line} is not UTF-8.", "Save it as UTF-8.") from None
    except MalformedError as error:
        raise RefusedError(
            f"{file}, line {error.line} has a \\u without four hexadecimal digits.",
            "Write \\\\ where a backslash is meant.",
        ) from None


def write(properties: Mapping[str, str]) -> str:
    """Return a text in which Java reads exactly these properties."""
    return "".join(
        f"{_escaped(key, _MARKED_IN_KEY)}={_escaped(value, _MARKED_IN_VALUE)}\n"
        for key, value in sorted(properties.items())
    )


def _goes_on(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _property(joined: str, pieces: list[tuple[int, str]]) -> Property:
    for escape in _ESCAPE.finditer(joined):
        if escape.group(1) == "u":
            raise MalformedError(_line_of(escape.start(), pieces))
    key, separator, value = _PARTS.findall(joined)[0]
    return Property(
        _unescaped(key), _unescaped(value), pieces[0][0], tuple(pieces[1:]), bool(separator)
    )


def _line_of(position: int, pieces: list[tuple[int, str]]) -> int:
    for number, piece in pieces:
        position -= len(piece) - _goes_on(piece)
        if position < 0:
            return number
    return pieces[-1][0]


def _unescaped(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        name = found.group(1)
        return chr(int(name[1:], 16)) if len(name) > 1 else _CONTROLS.get(name, name)

    # Java's text is of UTF-16: two escaped halves are one character.
    utf_16 = _ESCAPE.sub(character, text).encode("utf-16-le", "surrogatepass")
    return utf_16.decode("utf-16-le", "surrogatepass")


def _escaped(text: str, marked: re.Pattern[str]) -> str:
    named = {value: f"\\{name}" for name, value in _CONTROLS.items()}
    units = marked.sub(r"\\\g<0>", text).encode("utf-16-be", "surrogatepass")
    characters = (chr(int.from_bytes(units[at : at + 2])) for at in range(0, len(units), 2))
    return "".join(
        named.get(one, one if " " <= one <= "~" else f"\\u{ord(one):04x}") for one in characters
    )
