"""Which references in a value, such as ${HOME}, would reach Spark as they are?

Spark replaces ${env:NAME}, ${system:name} and ${spark.name} in the properties that it knows;
Hadoop replaces ${env.NAME} and ${name.of.a.property} in its own, those of spark.hadoop.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import NamedTuple

from refused import is_secret

_REFERENCE = re.compile(r"\$\{(?:(?P<kind>\w+?):)?(?P<name>[^\s{}]+)\}")
_VARIABLE = re.compile(r"[A-Za-z_]\w*")
_AS_THEY_ARE = ("spark.executorEnv.", "spark.kubernetes.driverEnv.")
"""Properties in which Spark replaces nothing: it hands them to a process as its variables."""


class Wrong(NamedTuple):
    """A reference that nobody replaces, and what to do about it."""

    what: str
    remedy: str


def wrong(key: str, value: str) -> Wrong | None:
    """Return the first reference of a value that nobody replaces."""
    for reference in _REFERENCE.finditer(value):
        name = "NAME" if is_secret(key, value) else reference["name"]
        text = "${...}" if is_secret(key, value) else reference.group()
        if form := _form(key, reference["kind"] or "", reference["name"]):
            return Wrong(f"{key} has {text}, which nothing replaces.", form.format(name))
    return None


def unset(key: str, value: str, environment: Container[str]) -> Wrong | None:
    """Return the first variable that Spark would look for in vain."""
    if key.startswith("spark.hadoop.") or key.endswith("JavaOptions"):
        return None
    for reference in _REFERENCE.finditer(value):
        name = reference["name"]
        if reference["kind"] == "env" and _VARIABLE.fullmatch(name) and name not in environment:
            return Wrong(
                f"{key} has ${{env:{name}}}, and the variable {name} is not set.", f"Set {name}."
            )
    return None


def _form(key: str, kind: str, name: str) -> str:
    """Return what to do instead, "" where the reference may stay."""
    variable = bool(_VARIABLE.fullmatch(name))
    value_itself = "Write the value itself: Spark replaces nothing in this property."
    if key.startswith("spark.hadoop."):
        if variable and kind in ("", "env"):
            return "Write ${{env.{}}}, which Hadoop replaces, or the value itself."
        return "Write ${{{}}}, which Hadoop replaces." if kind == "system" else ""
    if key.endswith("JavaOptions"):  # Log4j has many of the form ${kind:name}
        return value_itself if variable and not kind else ""
    if key.startswith(_AS_THEY_ARE):
        return value_itself if kind in ("", "env", "system") else ""
    if kind or name.startswith("spark."):
        return ""
    return "Write ${{env:{}}}, which Spark replaces in its own properties, or the value itself."
