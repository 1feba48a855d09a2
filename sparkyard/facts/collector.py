"""What is in this machine? Writes one JSON document of facts to standard output.

It stands alone: standard library only, Python 3.6 or newer, one file, so that it can be piped into
`docker run -i --entrypoint python IMAGE -` or executed by a Spark executor in its own process
(`exec(source, names); names["collect"]()`). `sparkyard.facts.facts` is the typed form of its
document.

The document is a function of what it looks at: no clock, no host name, no random order. A fact
that cannot be had is null, and `missing` says why. Nothing secret is written: of the environment
only `ENVIRONMENT`, and of Spark's configuration no value whose key or text looks like a credential.
"""

# Python 3.6 has no X | None, no list[str] at run time, no zip(strict=), no run(text=True).
# ruff: noqa: UP006, UP021, UP022, UP031, UP035, UP045, B905

import base64
import concurrent.futures
import csv
import hashlib
import json
import locale
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

SCHEMA = 1

# The only variables that are ever written down.
ENVIRONMENT = (
    "PYSPARK_PYTHON",
    "PYSPARK_DRIVER_PYTHON",
    "JAVA_HOME",
    "SPARK_HOME",
    "PYTHONHASHSEED",
    "PYTHONPATH",
    "TZ",
    "LANG",
    "LC_ALL",
    "PATH",
    "SPARK_CONF_DIR",
    "HADOOP_CONF_DIR",
    "SPARK_DIST_CLASSPATH",
)
# Where Spark is looked for when nothing names it: apache/spark, docker-stacks, distributions.
SPARK_HOMES = ("/opt/spark", "/usr/local/spark", "/usr/lib/spark")
R_LIBRARIES = (
    "/usr/lib/R/library",
    "/usr/lib/R/site-library",
    "/usr/local/lib/R/site-library",
    "/usr/local/lib/R/library",
    "/opt/conda/lib/R/library",
)
SITE_FILES = ("core-site.xml", "hdfs-site.xml", "hive-site.xml", "yarn-site.xml", "mapred-site.xml")
LOG_FILES = ("log4j2.properties", "log4j2.xml", "log4j.properties")
UTC_NAMES = ("", "UTC", "UCT", "GMT", "Zulu", "Universal", "Etc/UTC", "Etc/UCT", "Etc/GMT")

# An installer's notes about itself: they differ between two installs of the same content.
INSTALLER_NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
UNCLAIMED_LIMIT = 500
CHUNK = 1 << 20  # bytes read at a time
BATCH = 64  # files that one thread hashes in a row

# As Spark's own spark.redaction.regex, and wider.
SECRET_KEY = re.compile(
    r"(?i)secret|passw|token|credential|(access|private|api|account|shared)[._-]?key"
)
SECRET_TEXT = re.compile(
    r"(?i)(?:://[^/\s@]+:)([^/\s@]+)(?=@)"
    r"|(?:(?:secret|passw(?:or)?d|token|credential|key)[a-z._-]*[=:]\s*)([^\s'\",;]+)"
)
WITHHELD = "***"

# Runs in the interpreter that is asked about: the image's own settings apply to it.
PROBE = r"""
import json, locale, os, platform, sys, sysconfig
try:
    locale.setlocale(locale.LC_ALL, "")
    chosen = locale.setlocale(locale.LC_CTYPE)
except locale.Error:
    chosen = "C (the locale that is asked for is not installed)"
paths = sysconfig.get_paths()
print(json.dumps({
    "version": platform.python_version(), "full": sys.version,
    "build": list(platform.python_build()),
    "implementation": platform.python_implementation(), "compiler": platform.python_compiler(),
    "executable": sys.executable, "prefix": sys.prefix, "base_prefix": sys.base_prefix,
    "abi": sysconfig.get_config_var("SOABI") or "", "path": sys.path,
    "stdlib": [paths["stdlib"], paths["platstdlib"]],
    "locale": chosen, "encoding": locale.getpreferredencoding(False)}))
"""


class Collection:
    """One look into one machine: the document as it grows, and the hashes that it needs."""

    def __init__(self, root_env: Dict[str, str]) -> None:
        self.env = root_env
        self.missing: Dict[str, str] = {}
        self.hashes: Dict[str, Optional[str]] = {}
        self.spark_env: Dict[str, str] = {}
        self.defaults: Dict[str, str] = {}

    def hash_files(self, paths: Iterable[str]) -> None:
        """Hash what is not hashed yet; hashlib lets go of the interpreter lock, so threads help."""
        todo = sorted({os.path.realpath(path) for path in paths} - set(self.hashes))
        batches: List[List[str]] = []
        batch: List[str] = []
        weight = 0
        for path in todo:
            batch.append(path)
            weight += size_of(path)
            if len(batch) >= BATCH or weight > 16 * CHUNK:
                batches.append(batch)
                batch, weight = [], 0
        batches.append(batch)
        workers = max(2, min(8, os.cpu_count() or 2))
        with concurrent.futures.ThreadPoolExecutor(max_workers=workers) as pool:
            for batch, found in zip(batches, pool.map(hash_batch, batches)):
                self.hashes.update(zip(batch, found))

    def sha256(self, path: str) -> Optional[str]:
        """Return the hex SHA-256 of a file, hashed once; None where it cannot be read."""
        real = os.path.realpath(path)
        if real not in self.hashes:
            self.hashes[real] = hash_file(real)
        return self.hashes[real]


def hash_batch(paths: List[str]) -> List[Optional[str]]:
    """Return the hashes of some files, in their order."""
    return [hash_file(path) for path in paths]


def hash_file(path: str) -> Optional[str]:
    """Return the hex SHA-256 of a regular file, None where it cannot be read."""
    digest = hashlib.sha256()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            while True:
                chunk = file.read(CHUNK)
                if not chunk:
                    return digest.hexdigest()
                digest.update(chunk)
    except OSError:
        return None


def size_of(path: str) -> int:
    """Return a file's size in bytes, 0 where it cannot be read."""
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def read_text(path: str) -> Optional[str]:
    """Return a file as text, None where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def list_dir(path: str) -> List[str]:
    """Return the names in a directory, sorted; none where it cannot be read."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def run(argv: List[str], timeout: int = 60) -> Tuple[int, str, str]:
    """Return exit code (127 where it did not start or end), stdout and stderr of a command."""
    try:
        ended = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=timeout,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return 127, "", str(error)
    return ended.returncode, ended.stdout, ended.stderr


def without_secrets(key: str, value: str) -> str:
    """Return a value, or what may be shown of it."""
    if SECRET_KEY.search(key):
        return WITHHELD

    def cover(match: Any) -> str:
        secret = match.group(1) or match.group(2)
        return str(match.group(0)[: -len(secret)]) + WITHHELD

    return SECRET_TEXT.sub(cover, value)


# --- Spark's home and configuration ---------------------------------------------------------


def find_spark_home(env: Dict[str, str]) -> Tuple[Optional[str], str]:
    """Return Spark's directory and how it was found, or None and what was tried."""
    named = env.get("SPARK_HOME")
    if named:
        if os.path.isdir(os.path.join(named, "jars")):
            return named, "SPARK_HOME"
        return None, "SPARK_HOME is %s, and that has no jars directory" % named
    for home in SPARK_HOMES:
        if os.path.isdir(os.path.join(home, "jars")):
            return home, "a usual place"
    submit = shutil.which("spark-submit", path=env.get("PATH"))
    if submit:
        home = os.path.dirname(os.path.dirname(os.path.realpath(submit)))
        if os.path.isdir(os.path.join(home, "jars")):
            return home, "spark-submit on PATH"
    return None, "SPARK_HOME is not set, and no Spark is in %s or on PATH" % ", ".join(SPARK_HOMES)


def pyspark_home(interpreters: List[Dict[str, Any]]) -> Optional[str]:
    """Return the directory of a pyspark package that brings its own jars: it is a whole Spark."""
    for interpreter in interpreters:
        for directory in interpreter["directories"]:
            inside = os.path.join(str(directory), "pyspark")
            if os.path.isdir(os.path.join(inside, "jars")):
                return inside
    return None


def parse_properties(text: str) -> Dict[str, str]:
    """Read spark-defaults.conf as Spark does: key, then blanks or = or :, then the value."""
    found = {}
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in "#!":
            continue
        parts = re.split(r"\s*[=:]\s*|\s+", line, maxsplit=1)
        found[parts[0]] = parts[1].strip() if len(parts) > 1 else ""
    return found


def parse_assignments(text: str) -> Dict[str, str]:
    """Read the plain NAME=value lines of a shell file; a value that needs a shell is kept raw."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$", line)
        if match:
            found[match.group(1)] = match.group(2).strip().strip("'\"")
    return found


def conf_facts(found: Collection, home: Optional[str]) -> Dict[str, Any]:
    """Return Spark's configuration, and keep it unmasked in `found` for what it leads to."""
    env = found.env
    named = env.get("SPARK_CONF_DIR") or (os.path.join(home, "conf") if home else "")
    directories = [path for path in (named, env.get("HADOOP_CONF_DIR", "")) if path]
    defaults_path = os.path.join(named, "spark-defaults.conf") if named else ""
    defaults_text = read_text(defaults_path) if defaults_path else None
    env_path = os.path.join(named, "spark-env.sh") if named else ""
    env_text = read_text(env_path) if env_path else None
    found.defaults = parse_properties(defaults_text or "")
    found.spark_env = parse_assignments(env_text or "")
    if defaults_text is None:
        found.missing["conf.defaults"] = (
            "%s is not there or cannot be read" % defaults_path
            if defaults_path
            else "no Spark, so no configuration directory"
        )
    files: Dict[str, Dict[str, Any]] = {}
    for directory in directories:
        for name in SITE_FILES + LOG_FILES + ("spark-env.sh",):
            path = os.path.join(directory, name)
            if name not in files and os.path.exists(path):
                files[name] = {"path": path, "sha256": found.sha256(path)}
    shown = {key: without_secrets(key, value) for key, value in found.defaults.items()}
    return {
        "directory": named or None,
        "defaults_path": defaults_path if defaults_text is not None else None,
        "defaults": shown if defaults_text is not None else None,
        "spark_env": {
            key: without_secrets(key, value)
            for key, value in sorted(found.spark_env.items())
            if key in ENVIRONMENT
        },
        "files": files,
    }


# --- Python ---------------------------------------------------------------------------------


def choose_pythons(found: Collection) -> Dict[str, Tuple[str, str]]:
    """Return for driver and worker which interpreter is asked for, and by what."""

    def first(choices: List[Tuple[Optional[str], str]]) -> Tuple[str, str]:
        for value, source in choices:
            if value:
                return value, source
        return "python3", "Spark's default"

    env, defaults, file = found.env, found.defaults, found.spark_env
    worker = [
        (defaults.get("spark.pyspark.python"), "spark.pyspark.python"),
        (env.get("PYSPARK_PYTHON"), "PYSPARK_PYTHON"),
        (plain(file.get("PYSPARK_PYTHON")), "spark-env.sh"),
    ]
    driver = [
        (defaults.get("spark.pyspark.driver.python"), "spark.pyspark.driver.python"),
        (env.get("PYSPARK_DRIVER_PYTHON"), "PYSPARK_DRIVER_PYTHON"),
        (plain(file.get("PYSPARK_DRIVER_PYTHON")), "spark-env.sh"),
    ]
    return {"driver": first(driver + worker), "worker": first(worker)}


def plain(value: Optional[str]) -> Optional[str]:
    """Return a value of a shell file that means what it says; None where a shell is needed."""
    return None if value is None or "$" in value or "`" in value else value


def interpreter_of(requested: str, env: Dict[str, str]) -> Tuple[Optional[str], str]:
    """Return the path that a requested interpreter leads to, or None and why not."""
    path = shutil.which(requested, path=env.get("PATH") or os.defpath)
    if path is None:
        return None, "%s is not there or not executable" % requested
    if os.path.basename(requested).startswith(("jupyter", "ipython")):
        try:
            with open(path, "rb") as file:
                first = file.readline(512).decode("utf-8", "replace")
        except OSError:
            first = ""
        words = first[2:].split() if first.startswith("#!") else []
        if not words:
            return None, "%s names no interpreter in its first line" % path
        target = words[1] if os.path.basename(words[0]) == "env" and len(words) > 1 else words[0]
        return interpreter_of(target, env)
    return path, ""


def probe(path: str) -> Tuple[Optional[Dict[str, Any]], str]:
    """Return what an interpreter tells about itself, or None and why it tells nothing."""
    code, out, err = run([path, "-c", PROBE])
    for line in reversed(out.splitlines()):
        if line.startswith("{"):
            try:
                return dict(json.loads(line)), ""
            except ValueError:
                break
    why = (err.strip().splitlines() or ["no output"])[-1]
    return None, "%s did not run (exit code %d): %s" % (path, code, why[:200])


def names_of(path: str, requested: str, version: str, env: Dict[str, str]) -> List[str]:
    """Return every spelling that leads to this interpreter: a driver may ask for any of them."""
    names = {requested, path}
    spellings = ["python", "python3", "python" + ".".join(version.split(".")[:2])]
    beside = os.path.dirname(path)
    for spelling in spellings:
        on_path = shutil.which(spelling, path=env.get("PATH") or os.defpath)
        near = os.path.join(beside, spelling)
        if os.path.exists(near) and os.path.realpath(near) == os.path.realpath(path):
            names.add(near)
            if on_path and os.path.dirname(on_path) == beside:
                names.add(spelling)
    return sorted(names)


def python_facts(found: Collection) -> Tuple[Dict[str, Any], List[Dict[str, Any]]]:
    """Return which interpreters driver and worker use, and what is in each of these."""
    roles: Dict[str, Any] = {}
    interpreters: Dict[str, Dict[str, Any]] = {}
    probed: Dict[str, Tuple[Optional[Dict[str, Any]], str]] = {}
    for role, (requested, source) in choose_pythons(found).items():
        path, why = interpreter_of(requested, found.env)
        seen: Optional[Dict[str, Any]] = None
        if path is not None:
            if path not in probed:
                probed[path] = probe(path)
            seen, why = probed[path]
        if seen is None or path is None:
            found.missing["python." + role] = why
            roles[role] = {"requested": requested, "source": source, "interpreter": None}
            continue
        key = str(seen["executable"] or path)
        roles[role] = {"requested": requested, "source": source, "interpreter": key}
        if key not in interpreters:
            interpreters[key] = interpreter_facts(found, key, path, requested, seen)
        else:
            names = set(interpreters[key]["names"]) | {requested, path}
            interpreters[key]["names"] = sorted(names)
    return roles, [interpreters[key] for key in sorted(interpreters)]


def interpreter_facts(
    found: Collection, key: str, path: str, requested: str, seen: Dict[str, Any]
) -> Dict[str, Any]:
    """Return one interpreter and the packages on its own module search path."""
    stdlib = {os.path.realpath(each) for each in seen["stdlib"]}
    directories: List[str] = []
    for entry in seen["path"]:
        real = os.path.realpath(entry) if entry else ""
        known = real in stdlib or real in directories or os.path.basename(real) == "lib-dynload"
        if not known and os.path.isdir(real):
            directories.append(real)
    packages, unclaimed = package_facts(found, directories)
    return {
        "executable": key,
        "resolved": os.path.realpath(path),
        "sha256": found.sha256(path),
        "names": names_of(path, requested, str(seen["version"]), found.env),
        "version": seen["version"],
        "full": " ".join(str(seen["full"]).split()),
        "build": " ".join(seen["build"]),
        "implementation": seen["implementation"],
        "compiler": seen["compiler"],
        "abi": seen["abi"],
        "prefix": seen["prefix"],
        "base_prefix": seen["base_prefix"],
        "directories": directories,
        "locale": seen["locale"],
        "encoding": seen["encoding"],
        "packages": packages,
        "unclaimed": unclaimed,
    }


def normalized(name: str) -> str:
    """Return a package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def package_facts(
    found: Collection, directories: List[str]
) -> Tuple[List[Dict[str, Any]], Dict[str, Any]]:
    """Return the packages that these directories hold, and the files that none of them claims."""
    listed: Dict[str, Dict[str, Any]] = {}
    claimed: Set[str] = set()
    for directory in directories:
        for entry in list_dir(directory):
            if not entry.endswith((".dist-info", ".egg-info")):
                continue
            package = read_package(directory, entry)
            claimed.update(package["files"])
            name = normalized(package["name"])
            if name in listed:  # a second copy: Python imports the first one
                name = "%s in %s" % (name, directory)
            listed[name] = package
    # Jars and configuration are facts of their own, and may lie inside PyPI's pyspark.
    elsewhere = tuple(
        os.path.join(directory, "pyspark", name, "")
        for directory in directories
        for name in ("jars", "conf")
    )
    loose: List[str] = []
    for directory in directories:
        if os.path.basename(directory) in ("site-packages", "dist-packages"):
            found_here = (path for path in walk(directory) if not path.startswith(elsewhere))
            loose += [path for path in found_here if path not in claimed]
    wanted = [path for package in listed.values() for path in package["files"]] + loose
    found.hash_files(wanted)
    packages = [finish_package(found, name, listed[name]) for name in sorted(listed)]
    hashed = {path: found.sha256(path) for path in sorted(loose)}
    return packages, {
        "count": len(loose),
        "sha256": hash_of_listing(hashed),
        "files": dict(sorted(hashed.items())[:UNCLAIMED_LIMIT]),
    }


def walk(top: str) -> List[str]:
    """Return all files under a directory but byte code, which differs from run to run."""
    found = []
    for directory, inner, names in os.walk(top):
        inner[:] = [name for name in inner if name != "__pycache__"]
        found += [os.path.join(directory, name) for name in names if not name.endswith(".pyc")]
    return found


def hash_of_listing(listing: Dict[str, Optional[str]]) -> str:
    """Return one hash over names and hashes."""
    lines = "".join("%s %s\n" % (sha or "missing", name) for name, sha in sorted(listing.items()))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def read_package(directory: str, entry: str) -> Dict[str, Any]:
    """Return a package's name, version and the files that it says are its own."""
    info = os.path.join(directory, entry)
    single = os.path.isfile(info)
    metadata = ""
    for name in ("METADATA", "PKG-INFO"):
        metadata = metadata or read_text(info if single else os.path.join(info, name)) or ""
    header = metadata.split("\n\n", 1)[0]
    stem = entry.rsplit(".", 1)[0].split("-")
    name = (re.findall(r"(?mi)^Name:\s*(\S+)", header) or [stem[0]])[0]
    version = (re.findall(r"(?mi)^Version:\s*(\S+)", header) or (stem[1:2] or ["?"]))[0]
    claims: Dict[str, str] = {}
    record = None if single else read_text(os.path.join(info, "RECORD"))
    basis: Optional[str] = None
    if record is not None:
        basis = "RECORD"
        for row in csv.reader(record.splitlines()):
            if row and not row[0].endswith(".pyc"):
                path = os.path.normpath(os.path.join(directory, row[0]))
                claims[path] = row[1] if len(row) > 1 else ""
    else:
        top = (None if single else read_text(os.path.join(info, "top_level.txt"))) or ""
        modules = top.split() or [name.replace("-", "_"), name.replace("-", "_").lower()]
        for module in modules:
            tree = os.path.join(directory, module)
            for path in [*walk(tree), tree + ".py"]:
                if os.path.isfile(path):
                    claims[path] = ""
        basis = "top_level.txt" if claims else None
        for path in [info] if single else walk(info):
            claims[path] = ""
    installer = "" if single else read_text(os.path.join(info, "INSTALLER")) or ""
    return {
        "name": name,
        "version": version,
        "installer": installer.strip() or None,
        "basis": basis,
        "directory": directory,
        "info": info,
        "files": claims,
    }


def finish_package(found: Collection, name: str, package: Dict[str, Any]) -> Dict[str, Any]:
    """Return what is written about a package, once its files are hashed."""
    listing: Dict[str, Optional[str]] = {}
    altered: List[str] = []
    absent: List[str] = []
    for path, claim in package["files"].items():
        inside_info = path.startswith(package["info"])
        if inside_info and os.path.basename(path) in INSTALLER_NOTES:
            continue
        sha = found.sha256(path)
        within = os.path.relpath(path, package["directory"])
        listing[within] = sha
        if sha is None:
            absent.append(within)
        elif claim.startswith("sha256="):
            real = base64.urlsafe_b64encode(bytes.fromhex(sha)).decode().rstrip("=")
            if real != claim[len("sha256=") :].rstrip("="):
                altered.append(within)
    return {
        "name": name,
        "version": package["version"],
        "installer": package["installer"],
        "sha256": hash_of_listing(listing) if package["basis"] else None,
        "basis": package["basis"],
        "files": len(listing),
        "directory": package["directory"],
        "altered": sorted(altered)[:20],
        "absent": sorted(absent)[:20],
    }


# --- Java, Spark and its jars ---------------------------------------------------------------


def java_facts(found: Collection) -> Optional[Dict[str, Any]]:
    """Return the Java that Spark's scripts would take: JAVA_HOME's, else the one on PATH."""
    home = found.env.get("JAVA_HOME")
    if home:
        java, source = os.path.join(home, "bin", "java"), "JAVA_HOME"
        if not os.access(java, os.X_OK):
            found.missing["java"] = "JAVA_HOME is %s, and %s cannot be run" % (home, java)
            return None
    else:
        java = shutil.which("java", path=found.env.get("PATH")) or ""
        source = "PATH"
        if not java:
            found.missing["java"] = "JAVA_HOME is not set and no java is on PATH"
            return None
    code, out, err = run([java, "-XshowSettings:properties", "-version"])
    properties = dict(re.findall(r"(?m)^\s+([a-z.]+) = (.*?)\s*$", out + err))
    if "java.version" not in properties:
        why = (err.strip().splitlines() or ["no output"])[-1]
        found.missing["java"] = "%s told no version (exit code %d): %s" % (java, code, why[:200])
        return None
    real = properties.get("java.home", "")
    libraries: Dict[str, Optional[str]] = {}
    for directory in ("lib", "lib/server", "lib/amd64/server", "lib/aarch64/server"):
        for name in ("rt.jar", "modules", "libjvm.so"):
            path = os.path.join(real, directory, name)
            if os.path.isfile(path):
                libraries[directory + "/" + name] = found.sha256(path)
    return {
        "vendor": properties.get("java.vendor"),
        "version": properties["java.version"],
        "runtime": properties.get("java.runtime.version"),
        "vm": properties.get("java.vm.name"),
        "class_level": properties.get("java.class.version"),
        "home": real,
        "resolved": os.path.realpath(real) if real else None,
        "executable": java,
        "source": source,
        "sha256": hash_of_listing(libraries) if libraries else None,
    }


def in_jar(path: Optional[str], entry: str) -> Dict[str, str]:
    """Return a properties file out of a jar; empty where there is none."""
    if path is None:
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            return parse_properties(archive.read(entry).decode("utf-8", "replace"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return {}


def spark_facts(found: Collection, home: str, source: str) -> Dict[str, Any]:
    """Return Spark, and what its jars say about Scala and Hadoop."""
    directory = os.path.join(home, "jars")
    jars = list_dir(directory)

    def jar(pattern: str) -> Tuple[Optional[str], Optional[str]]:
        for name in jars:
            match = re.match(pattern + r"-(\d[^/]*)\.jar$", name)
            if match:
                return os.path.join(directory, name), match.group(1)
        return None, None

    core, core_version = jar(r"spark-core_[\d.]+")
    scala, scala_version = jar("scala-library")
    hadoop, hadoop_version = jar("hadoop-client-api")
    if hadoop is None:
        hadoop, hadoop_version = jar("hadoop-common")
    common, _ = jar(r"spark-common-utils_[\d.]+")  # holds it since Spark 3.5
    inside = in_jar(core, "spark-version-info.properties") or in_jar(
        common, "spark-version-info.properties"
    )
    release = read_text(os.path.join(home, "RELEASE"))
    python = os.path.join(home, "python", "pyspark")
    if not os.path.isfile(os.path.join(python, "version.py")):
        python = home  # PyPI's pyspark: the package is Spark's home
    sources = [path for path in walk(python) if path.endswith(".py")] + [
        os.path.join(home, "python", "lib", name)
        for name in list_dir(os.path.join(home, "python", "lib"))
        if name.endswith(".zip")
    ]
    found.hash_files(sources)
    version_file = read_text(os.path.join(python, "version.py")) or ""
    told = re.findall(r"__version__[^=]*=\s*['\"]([^'\"]+)", version_file)
    listing = {os.path.relpath(path, home): found.sha256(path) for path in sources}
    return {
        "home": home,
        "resolved": os.path.realpath(home),
        "source": source,
        "version": inside.get("version") or core_version,
        "version_of_jar_name": core_version,
        "revision": inside.get("revision"),
        "release": release.strip().splitlines()[0] if release and release.strip() else None,
        "scala": in_jar(scala, "library.properties").get("version.number") or scala_version,
        "hadoop": in_jar(hadoop, "common-version-info.properties").get("version") or hadoop_version,
        "pyspark": told[0] if told else None,
        "pyspark_path": python,
        "pyspark_sha256": hash_of_listing(listing) if listing else None,
    }


def class_path(found: Collection) -> List[str]:
    """Return the jars that stand on Spark's class path beside its own."""
    defaults = found.defaults
    entries: List[str] = []
    for value in (
        found.env.get("SPARK_DIST_CLASSPATH") or plain(found.spark_env.get("SPARK_DIST_CLASSPATH")),
        defaults.get("spark.driver.extraClassPath"),
        defaults.get("spark.executor.extraClassPath"),
    ):
        entries += (value or "").split(":")
    for value in (defaults.get("spark.jars") or "").split(","):
        path = re.sub(r"^(local|file):/*", "/", value.strip())
        entries += [path] if path.startswith("/") else []
    paths: List[str] = []
    for entry in entries:
        if entry.endswith("/*"):
            paths += [entry[:-1] + name for name in list_dir(entry[:-1]) if name.endswith(".jar")]
        elif entry.endswith(".jar"):
            paths.append(entry)
    return paths


def jar_facts(found: Collection, home: Optional[str]) -> Optional[List[Dict[str, Any]]]:
    """Return every jar on Spark's class path, each file once."""
    paths: List[Tuple[str, str]] = []
    if home is not None:
        directory = os.path.join(home, "jars")
        paths += [
            (os.path.join(directory, name), "spark")
            for name in list_dir(directory)
            if name.endswith(".jar")
        ]
    paths += [(path, "extra") for path in class_path(found)]
    if home is None and not paths:
        found.missing["jars"] = "no Spark, so no class path"
        return None
    found.hash_files(path for path, _ in paths)
    seen: Set[str] = set()
    jars: List[Dict[str, Any]] = []
    for path, group in paths:
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        jars.append(
            {
                "name": os.path.basename(path),
                "path": path,
                "group": group,
                "sha256": found.sha256(path),
                "size": size_of(real),
            }
        )
    return sorted(jars, key=lambda jar: (jar["group"], jar["name"], jar["path"]))


# --- the operating system -------------------------------------------------------------------


def dpkg_facts(found: Collection) -> Optional[Dict[str, str]]:
    """Return the installed Debian packages and their versions."""
    texts = [read_text("/var/lib/dpkg/status")]
    texts += [
        read_text("/var/lib/dpkg/status.d/" + name) for name in list_dir("/var/lib/dpkg/status.d")
    ]
    packages: Dict[str, str] = {}
    for block in "\n\n".join(text for text in texts if text).split("\n\n"):
        fields = dict(re.findall(r"(?m)^(Package|Version|Architecture|Status): (.*)$", block))
        if "Package" in fields and "installed" in fields.get("Status", "installed").split():
            key = fields["Package"]
            if key in packages:
                key += ":" + fields.get("Architecture", "")
            packages[key] = fields.get("Version", "")
    if not packages:
        found.missing["dpkg"] = "no dpkg database: not a Debian or Ubuntu system"
        return None
    return dict(sorted(packages.items()))


def r_facts(found: Collection) -> Optional[Dict[str, str]]:
    """Return the installed R packages and their versions."""
    packages: Dict[str, str] = {}
    for library in R_LIBRARIES:
        for name in list_dir(library):
            text = read_text(os.path.join(library, name, "DESCRIPTION"))
            version = re.findall(r"(?m)^Version:\s*(\S+)", text or "")
            if version and name not in packages:
                packages[name] = version[0]
    if not packages:
        found.missing["r"] = "no R library in " + ", ".join(R_LIBRARIES)
        return None
    return dict(sorted(packages.items()))


def timezone_facts(env: Dict[str, str]) -> Dict[str, Any]:
    """Return the zone's name, where it was read, and the offsets that this system gives it."""
    name, source = env.get("TZ", "").lstrip(":"), "TZ"
    if not name:
        source = "/etc/localtime"
        link = os.path.realpath("/etc/localtime")
        if "zoneinfo/" in link:
            name = link.split("zoneinfo/", 1)[1]
        else:
            name = (read_text("/etc/timezone") or "").strip()
            source = "/etc/timezone" if name else "the system's default"
    name = "UTC" if name in UTC_NAMES else name
    winter, summer = -time.timezone, -time.altzone if time.daylight else -time.timezone
    offsets = sorted({winter, summer})
    return {"name": name, "source": source, "offsets": offsets}


def machine_facts() -> Dict[str, Any]:
    """Return architecture, operating system and C library."""
    release = parse_assignments(read_text("/etc/os-release") or "")
    libc: Optional[str] = None
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        libc = " ".join(platform.libc_ver()).strip() or None
    return {
        "architecture": platform.machine(),
        "system": platform.system(),
        "os": release.get("PRETTY_NAME"),
        "libc": libc,
    }


def user_facts() -> Dict[str, Any]:
    """Return who this process is."""
    uid, gid = os.getuid(), os.getgid()
    name: Optional[str] = None
    for line in (read_text("/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2] == str(uid):
            name = fields[0]
            break
    return {"uid": uid, "gid": gid, "name": name}


def collect() -> Dict[str, Any]:
    """Return the whole document. It raises nothing for what it does not find."""
    found = Collection(dict(os.environ))
    home, source = find_spark_home(found.env)
    conf = conf_facts(found, home)
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        java = pool.submit(java_facts, found)  # a JVM takes a while to start: meanwhile, hash
        roles, interpreters = python_facts(found)
        java_found = java.result()
    if home is None and not found.env.get("SPARK_HOME"):
        home = pyspark_home(interpreters)
        if home is not None:
            source = "the pyspark package"
            found.missing.pop("conf.defaults", None)
            conf = conf_facts(found, home)
    if home is None:
        found.missing["spark"] = source
    jars = jar_facts(found, home)
    spark = spark_facts(found, home, source) if home is not None else None
    worker = next(
        (each for each in interpreters if each["executable"] == roles["worker"]["interpreter"]),
        None,
    )
    return {
        "schema": SCHEMA,
        "machine": machine_facts(),
        "user": user_facts(),
        "python": roles,
        "interpreters": interpreters,
        "java": java_found,
        "spark": spark,
        "jars": jars,
        "conf": conf,
        "environment": {
            name: without_secrets(name, found.env[name]) if name in found.env else None
            for name in ENVIRONMENT
        },
        "timezone": timezone_facts(found.env),
        "locale": {"name": worker["locale"], "encoding": worker["encoding"]}
        if worker
        else {"name": locale.setlocale(locale.LC_CTYPE), "encoding": None},
        "dpkg": dpkg_facts(found),
        "r": r_facts(found),
        "missing": dict(sorted(found.missing.items())),
    }


def main() -> None:
    """Write the document to standard output."""
    json.dump(collect(), sys.stdout, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
