"""Which texts of Java properties do tests try? Dense in what the form has rules for."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = (
    "\\", "\\\\", "\n", "\r", "\r\n", " ", "\t", "\f", "=", ":", "#", "!", "k", "spark.x", "value",
    "\\u0041", "\\u005c", "\\u000a", "\\ud83d\\ude00", "\\u00", "\\n", "\\t", "\\q", "\\ ", "\\=",
    "\x0b", "\x85", "\u2028", "\u2029", "é", "\U0001f600",
)  # fmt: skip

texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=20)
properties = st.dictionaries(texts, texts, max_size=4)
