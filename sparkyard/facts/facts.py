"""What is in an image? One typed document of facts, collected by looking inside, kept by digest.

Modules of `sparkyard.facts.collector` write the document; this module types it, and asks the engine
for it. A fact that could not be had is None, and `Facts.missing` gives the reason under its dotted
name.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sparkyard.command import mask, run
from sparkyard.errors import EngineMissingError, ImageMissingError
from sparkyard.facts import collector, joined, look_inside
from sparkyard.facts.identity import ImageIdentity
from sparkyard.facts.look_inside import Look

BUILT_FROM = "io.sparkyard.inputs"
"""The label with the digests of all that an image of ours was built from."""

FINGERPRINT = "Fingerprint"
"""Of an image's config as facts have it: what our build calls it, which is the end of its tag."""

CONFIG = ("Entrypoint", "User", "WorkingDir", "Volumes", "StopSignal", "Shell")
"""What counts of an image's config; the environment is seen from inside."""


@dataclass(frozen=True)
class Machine:
    """`os` is its pretty name, `libc` like "glibc 2.41"."""

    architecture: str
    system: str
    os: str | None
    libc: str | None


@dataclass(frozen=True)
class User:
    """Who a container of this image is by default."""

    uid: int
    gid: int
    name: str | None


@dataclass(frozen=True)
class PythonRole:
    """Which interpreter a side asks for; `interpreter` is the executable it leads to, if any."""

    requested: str
    source: str
    interpreter: str | None


@dataclass(frozen=True)
class Pythons:
    """The interpreters of the two roles that PySpark knows."""

    driver: PythonRole
    worker: PythonRole


@dataclass(frozen=True)
class PythonPackage:
    """`sha256` is over the real contents of the files it owns (`basis` tells how these are known).

    `altered` and `absent` name files that are not what the package's own RECORD claims; `requires`
    are its requirements, as its metadata writes them.
    """

    name: str
    version: str
    installer: str | None
    sha256: str | None
    basis: str | None
    files: int
    directory: str
    altered: tuple[str, ...]
    absent: tuple[str, ...]
    requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class Interpreter:
    """`names` are all spellings that lead to it, `resolved` the binary, `sha256` that binary's.

    `view` is how it sees the world: its flags, encodings, time zone, libraries.
    """

    executable: str
    resolved: str
    sha256: str | None
    names: tuple[str, ...]
    version: str
    full: str
    build: str
    implementation: str
    compiler: str
    abi: str
    prefix: str
    base_prefix: str
    stdlib: tuple[str, ...]
    directories: tuple[str, ...]
    locale: str
    encoding: str
    packages: tuple[PythonPackage, ...]
    view: Mapping[str, str]


@dataclass(frozen=True)
class Java:
    """`class_level` is java.class.version (52.0 is Java 8); `settings` are all that it tells."""

    vendor: str | None
    version: str
    runtime: str | None
    vm: str | None
    class_level: str | None
    home: str
    resolved: str | None
    executable: str
    source: str
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Spark:
    """`version` and `revision` are read inside a jar, `version_of_jar_name` off its name."""

    home: str
    resolved: str
    source: str
    version: str | None
    version_of_jar_name: str | None
    revision: str | None
    release: str | None
    scala: str | None
    hadoop: str | None
    pyspark: str | None
    pyspark_path: str


@dataclass(frozen=True)
class Jar:
    """`group` is "spark" for Spark's own directory, "extra" for what its class path adds.

    It is a jar's directory for any other class path.
    """

    name: str
    path: str
    group: str
    sha256: str | None
    size: int


@dataclass(frozen=True)
class DebianPackage:
    """`sha256` is over what was installed; `altered` are the files that are otherwise, by path.

    `needs` are the packages that it depends on, alternatives as "one | other".
    """

    version: str
    section: str
    needs: tuple[str, ...]
    provides: tuple[str, ...]
    sha256: str
    files: int
    altered: Mapping[str, str]


@dataclass(frozen=True)
class Conf:
    """Spark's configuration; a value that looks like a credential is `redaction.WITHHELD`."""

    directory: str | None
    defaults_path: str | None
    defaults: Mapping[str, str] | None
    spark_env: Mapping[str, str]


@dataclass(frozen=True)
class TimeZone:
    """`offsets` are the seconds east of UTC that the system really gives that zone."""

    name: str
    source: str
    offsets: tuple[int, ...]


@dataclass(frozen=True)
class Locale:
    """The effective one: LC_CTYPE's name and the encoding of files."""

    name: str
    encoding: str | None


@dataclass(frozen=True)
class Facts:
    """All that was seen.

    Attributes:
        subject: in what: an image's digest, or a pod's name.
        process: account and limits of a process, by name.
        other_packages: Python packages that no interpreter of Spark's reads.
        environment: the variables of `environment.FAMILIES`.
        other_variables: the names of the others.
        files: those that belong to no package: hash and rights, or a link's target.
        made_for: the Debian package whose file a link of `files` leads to.
        compiled: the hash of compiled Python code, by directory and file name.
        libraries: file and Debian package of each library of the loader's cache.
        image: what an image says of how it is run; empty for what runs already.
    """

    schema: int
    machine: Machine
    user: User
    process: Mapping[str, str]
    python: Pythons
    interpreters: tuple[Interpreter, ...]
    other_packages: tuple[PythonPackage, ...]
    java: Java | None
    spark: Spark | None
    jars: tuple[Jar, ...] | None
    conf: Conf
    environment: Mapping[str, str]
    other_variables: tuple[str, ...]
    timezone: TimeZone
    locale: Locale
    debian: Mapping[str, DebianPackage] | None
    files: Mapping[str, str]
    made_for: Mapping[str, str]
    compiled: Mapping[str, Mapping[str, str]]
    libraries: Mapping[str, str]
    r: Mapping[str, str] | None
    missing: Mapping[str, str]
    subject: str = ""
    image: Mapping[str, str] = field(default_factory=dict)

    @property
    def dpkg(self) -> Mapping[str, str] | None:
        """The version of each Debian package."""
        if self.debian is None:
            return None
        return {name: package.version for name, package in self.debian.items()}

    def interpreter(self, role: str) -> Interpreter | None:
        """Return the interpreter of a role, "driver" or "worker"; None where there is none."""
        wanted = (self.python.driver if role == "driver" else self.python.worker).interpreter
        return next((python for python in self.interpreters if python.executable == wanted), None)


def parse(document: str) -> Facts:
    """Return the facts of a JSON document, or raise an InspectionError."""
    return look_inside.typed(document, Facts, collector.SCHEMA, "facts")


def resolve(reference: str) -> ImageIdentity:
    """Return which image of the engine a reference names, pulling it first where it is not there.

    Raises:
        ImageMissingError: it is neither in the engine nor to be pulled.
        EngineMissingError: no engine answers.
    """
    tried = run(["docker", "image", "inspect", "--", reference], check=False)
    if tried.exit_code != 0:
        if "daemon" in tried.stderr.lower() and "connect" in tried.stderr.lower():
            raise EngineMissingError(
                "The Docker engine does not answer.", "Start it, then run this again."
            )
        pulled = run(["docker", "pull", "--quiet", "--", reference], check=False)
        tried = run(["docker", "image", "inspect", "--", reference], check=False)
        if tried.exit_code != 0:
            raise ImageMissingError(
                f"There is no image {reference} in the engine, and pulling it failed.",
                "Build it first (make jupyterhub, nox -s executors), or check the name and the "
                "registry.",
                detail=mask("\n".join(pulled.stderr.strip().splitlines()[-3:])),
            )
    data = json.loads(tried.stdout)[0]
    config = data.get("Config") or {}
    labels = dict(config.get("Labels") or {})
    return ImageIdentity(
        reference=reference,
        digest=str(data["Id"]),
        architecture=str(data.get("Architecture", "")),
        diff_ids=tuple((data.get("RootFS") or {}).get("Layers") or ()),
        labels=labels,
        config={name: _told(config, name) for name in CONFIG}
        | {FINGERPRINT: labels.get("io.sparkyard.fingerprint", "")},
    )


def _told(config: Mapping[str, object], name: str) -> str:
    """Return a part of an image's config as text; of volumes, where they are."""
    value = config.get(name) or ""
    return " ".join(map(str, value)) if isinstance(value, (list, dict)) else str(value)


def collect(reference: str) -> Facts:
    """Return the facts of an image, from the cache where its digest has been looked into before.

    What an image's own entrypoint would change is not seen: the collector runs in its place.

    Raises:
        ImageMissingError: there is no such image.
        InspectionError: the image has no Python 3.9 or newer, or the collector failed in it.
    """
    image = resolve(reference)
    look = Look(
        "facts",
        collector_source(),
        f"{image.reference} cannot be looked into",
        arguments=(image.labels.get(BUILT_FROM, "{}"),),
    )
    found = look_inside.collect(image, look, parse)
    return dataclasses.replace(found, subject=image.digest, image=image.config)


def collector_source() -> str:
    """Return the collector as text: what is piped into an image, or shipped to an executor."""
    return joined.program("sparkyard.facts.collector.document")
