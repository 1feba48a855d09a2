"""Which Python interpreters do driver and worker use?"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from sparkyard.facts.collector.configuration import Configuration
from sparkyard.facts.collector.inspection import Inspection, run
from sparkyard.facts.collector.packages import package_facts
from sparkyard.facts.inside.files import read_text
from sparkyard.facts.inside.properties import properties, without_shell

# Runs in the interpreter that is asked about: the image's own settings apply to it.
_PROBE = r"""
import hashlib, json, locale, os, platform, site, sys, sysconfig, time
def told(read):
    try:
        return str(read())
    except Exception as error:
        return type(error).__name__
def of(module, name):
    return told(lambda: getattr(__import__(module), name))
try:
    locale.setlocale(locale.LC_ALL, "")
    chosen = locale.setlocale(locale.LC_CTYPE)
except locale.Error:
    chosen = "C (the locale that is asked for is not installed)"
paths = sysconfig.get_paths()
view = {"flag " + name: told(lambda: getattr(sys.flags, name))
        for name in dir(sys.flags) if not name.startswith(("_", "n_", "count", "index"))}
view.update({
    "encoding, default": sys.getdefaultencoding(),
    "encoding, files": locale.getpreferredencoding(False),
    "encoding, file names": sys.getfilesystemencoding() + " " + sys.getfilesystemencodeerrors(),
    "encoding, output": "%s %s" % (sys.stdout.encoding, sys.stdout.errors),
    "time zone": "%s %s %s" % (" ".join(time.tzname), time.timezone, time.altzone),
    "recursion limit": told(sys.getrecursionlimit), "switch interval": told(sys.getswitchinterval),
    "digits of an int": told(lambda: sys.get_int_max_str_digits()),
    "options -X": told(lambda: sorted(sys._xoptions.items())),
    "warnings": told(lambda: sys.warnoptions),
    "byte order": sys.byteorder, "largest size": str(sys.maxsize),
    "prefix of compiled files": str(sys.pycache_prefix),
    "library directory": sys.platlibdir, "user's own packages": str(site.ENABLE_USER_SITE),
    "OpenSSL": of("ssl", "OPENSSL_VERSION"), "zlib": of("zlib", "ZLIB_RUNTIME_VERSION"),
    "SQLite": of("sqlite3", "sqlite_version"), "Expat": of("pyexpat", "EXPAT_VERSION"),
    "zones": told(lambda: __import__("zoneinfo").TZPATH),
    "processors": told(lambda: "all" if os.cpu_count() == os.sysconf("SC_NPROCESSORS_ONLN")
        else os.cpu_count()),
    "sysconfig": hashlib.sha256(repr(sorted((name, str(value))
        for name, value in sysconfig.get_config_vars().items() if name != "userbase")
        ).encode()).hexdigest()})
print(json.JSONEncoder().encode({
    "version": platform.python_version(), "full": " ".join(sys.version.split()),
    "build": " ".join(platform.python_build()),
    "implementation": platform.python_implementation(), "compiler": platform.python_compiler(),
    "executable": sys.executable, "prefix": sys.prefix, "base_prefix": sys.base_prefix,
    "abi": sysconfig.get_config_var("SOABI") or "", "path": sys.path,
    "stdlib": [paths["stdlib"], paths["platstdlib"]],
    "locale": chosen, "encoding": locale.getpreferredencoding(False), "view": view}))
"""

Said = dict[str, Any]
"""What an interpreter says about itself: the document that `_PROBE` writes."""


def python_facts(
    inspection: Inspection, conf: Configuration
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return which interpreters driver and worker use, and what is in each of these.

    What their packages claim is added to the inspection.
    """
    roles: dict[str, Any] = {}
    interpreters: dict[str, dict[str, Any]] = {}
    probed: dict[str, tuple[Said | None, str]] = {}
    for role, (requested, source) in choose_pythons(inspection.env, conf).items():
        path, why = interpreter_of(requested, inspection.env)
        said: Said | None = None
        if path is not None:
            if path not in probed:
                probed[path] = probe(path)
            said, why = probed[path]
        roles[role] = {"requested": requested, "source": source, "interpreter": None}
        if said is None or path is None:
            inspection.missing[f"python.{role}"] = why
            continue
        executable = roles[role]["interpreter"] = str(said["executable"] or path)
        if executable not in interpreters:
            names = _names_of(path, requested, said["version"], inspection.env)
            interpreters[executable] = _facts_of(inspection, path, said)
        else:
            names = {*interpreters[executable]["names"], requested, path}
        interpreters[executable] |= {"executable": executable, "names": sorted(names)}
    return roles, [interpreters[executable] for executable in sorted(interpreters)]


def choose_pythons(env: Mapping[str, str], conf: Configuration) -> dict[str, tuple[str, str]]:
    """Return for driver and worker which interpreter is asked for, and by what."""

    def choices(prop: str, variable: str) -> list[tuple[str | None, str]]:
        return [
            (conf.defaults.get(prop), prop),
            (env.get(variable), variable),
            (without_shell(conf.spark_env.get(variable)), "spark-env.sh"),
        ]

    worker = choices("spark.pyspark.python", "PYSPARK_PYTHON")
    driver = choices("spark.pyspark.driver.python", "PYSPARK_DRIVER_PYTHON") + worker
    default = ("python3", "Spark's default")
    return {
        role: next(((path, source) for path, source in wanted if path), default)
        for role, wanted in (("driver", driver), ("worker", worker))
    }


def interpreter_of(requested: str, env: Mapping[str, str]) -> tuple[str | None, str]:
    """Return the path that a requested interpreter leads to, or None and why not."""
    path = shutil.which(requested, path=env.get("PATH") or os.defpath)
    if path is None:
        return None, f"{requested} is not there or not executable"
    if os.path.basename(requested).startswith(("jupyter", "ipython")):
        try:
            with open(path, "rb") as file:
                first_line = file.readline(512).decode("utf-8", "replace")
        except OSError:
            first_line = ""
        words = first_line[2:].split() if first_line.startswith("#!") else []
        if not words:
            return None, f"{path} names no interpreter in its first line"
        target = words[1] if os.path.basename(words[0]) == "env" and len(words) > 1 else words[0]
        return interpreter_of(target, env)
    return path, ""


def probe(path: str) -> tuple[Said | None, str]:
    """Return what an interpreter says about itself, or None and why it says nothing."""
    out, _, words = run(path, "-c", _PROBE)
    for line in reversed(out.splitlines()):
        if line.startswith("{"):
            try:
                return dict(json.loads(line)), ""
            except ValueError:
                break
    return None, f"{path} did not run {words}"


def _names_of(path: str, requested: str, version: str, env: Mapping[str, str]) -> set[str]:
    """Return every spelling that leads to this interpreter: a driver may ask for any of them."""
    names = {requested, path}
    beside = os.path.dirname(path)
    for spelling in ("python", "python3", "python" + ".".join(version.split(".")[:2])):
        on_path = shutil.which(spelling, path=env.get("PATH") or os.defpath)
        near = os.path.join(beside, spelling)
        if os.path.exists(near) and os.path.realpath(near) == os.path.realpath(path):
            names.add(near)
            if on_path and os.path.dirname(on_path) == beside:
                names.add(spelling)
    return names


def _facts_of(inspection: Inspection, path: str, said: Said) -> dict[str, Any]:
    """Return one interpreter and the packages on its own module search path."""
    stdlib = sorted({os.path.realpath(directory) for directory in said["stdlib"]})
    directories: list[str] = []
    for entry in said.pop("path"):
        real = os.path.realpath(entry) if entry else ""
        known = real in stdlib or real in directories or os.path.basename(real) == "lib-dynload"
        if not known and os.path.isdir(real):
            directories.append(real)
    settings = properties(read_text(os.path.join(said["prefix"], "pyvenv.cfg")) or "")
    said["view"] |= {f"pyvenv.cfg {name}": value for name, value in settings.items()}
    packages, claimed = package_facts(inspection.hashes, directories)
    inspection.claimed |= claimed
    return said | {
        "stdlib": stdlib,
        "resolved": os.path.realpath(path),
        "sha256": inspection.hashes.of(path),
        "directories": directories,
        "packages": packages,
    }
