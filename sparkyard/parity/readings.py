"""How is a fact read off a side's document, and which paths of its image decide it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sparkyard.facts.collector.files import BUILT
from sparkyard.facts.facts import CONFIG, FINGERPRINT, Facts, Interpreter, Java, Spark
from sparkyard.parity.rule import DRIVER, EMPTY, Read, ReadSet, Value

_SHOWN = {
    "Entrypoint": "ENTRYPOINT",
    "User": "USER",
    "WorkingDir": "WORKDIR",
    "Volumes": "VOLUME",
    "StopSignal": "STOPSIGNAL",
    "Shell": "SHELL",
}
"""What a Dockerfile calls the parts of an image's config."""

EXECUTORS_IMAGE = "spark.kubernetes.container.image"
NOT_TOLD = "not told"
AS_INSTALLED = "as it was installed"


def interpreter(facts: Facts, side: str) -> Interpreter | None:
    """The code that must agree runs in the driver's interpreter, and in the executors' workers."""
    return facts.interpreter("driver" if side == DRIVER else "worker")


def reason(facts: Facts, *names: str) -> str:
    """Return why the first of these facts that is missing is missing."""
    return next((facts.missing[name] for name in names if name in facts.missing), "not collected")


def python(read: Callable[[Interpreter], str | None]) -> Read:
    """Return how a fact of a side's interpreter is read."""

    def value(facts: Facts, side: str) -> Value:
        found = interpreter(facts, side)
        role = "python.driver" if side == DRIVER else "python.worker"
        return Value(None, reason(facts, role)) if found is None else Value(read(found))

    return value


def package(name: str, read: Callable[[str], str]) -> Read:
    """Return how a fact of a package's version is read, in the interpreter that an image runs."""

    def value(facts: Facts, _: str) -> Value:
        found = facts.interpreter("driver")
        if found is None:
            return Value(None, reason(facts, "python.driver"))
        versions = [each.version for each in found.packages if each.name == name]
        return Value(read(versions[0])) if versions else Value(None, f"{name} is not installed")

    return value


def worker_path(facts: Facts, side: str) -> Value:
    """The driver sends its own PYSPARK_PYTHON: the executors must have that very interpreter."""
    found, role = facts.interpreter("worker"), facts.python.worker
    if found is None:
        return Value(None, f"{role.requested}: {reason(facts, 'python.worker')}")
    return Value(role.requested if side == DRIVER else found.executable)


def java(read: Callable[[Java], str | None]) -> Read:
    """Return how a fact of Java is read."""
    return lambda facts, _: (
        Value(None, reason(facts, "java")) if facts.java is None else Value(read(facts.java))
    )


def spark(read: Callable[[Spark], str | None]) -> Read:
    """Return how a fact of Spark is read."""
    return lambda facts, _: (
        Value(None, reason(facts, "spark")) if facts.spark is None else Value(read(facts.spark))
    )


def zone(facts: Facts, _: str) -> Value:
    """Return the time zone, and its offsets from UTC in hours."""
    offsets = "/".join(f"{offset / 3600:+.3g} h" for offset in facts.timezone.offsets)
    return Value(f"{facts.timezone.name} ({offsets})")


def search_path(facts: Facts, side: str) -> Value:
    """Return where Python looks for packages; a user's and the system's come after the image's."""
    found = interpreter(facts, side)
    return Value(None) if found is None else Value(" ".join(found.directories))


def python_paths(facts: Facts, side: str) -> tuple[str, ...]:
    """Return where a side's interpreter is."""
    found = interpreter(facts, side)
    if found is None:
        return ()
    library = f"{found.base_prefix}/lib/python{'.'.join(found.version.split('.')[:2])}"
    binary = found.resolved
    return (found.executable, binary, library, f"{found.prefix}/pyvenv.cfg")


def package_paths(facts: Facts, side: str) -> tuple[str, ...]:
    """Return where the packages of a side's interpreter are."""
    found = interpreter(facts, side)
    return found.directories if found is not None else ()


def java_paths(facts: Facts, _: str) -> tuple[str, ...]:
    """Return where Java is."""
    if facts.java is None:
        return ()
    return tuple(sorted({facts.java.home, facts.java.resolved or "", facts.java.executable} - {""}))


def spark_paths(facts: Facts, _: str) -> tuple[str, ...]:
    """Return where Spark is."""
    return () if facts.spark is None else tuple(sorted({facts.spark.home, facts.spark.resolved}))


def system_paths(_facts: Facts, _side: str) -> tuple[str, ...]:
    """Return where the system's own libraries are."""
    return ("/lib", "/lib64", "/usr/lib")


def jar_paths(facts: Facts, _: str) -> tuple[str, ...]:
    """Return the directories of all jars."""
    return tuple(sorted({jar.path.rpartition("/")[0] for jar in facts.jars or ()}))


def conf_paths(facts: Facts, _: str) -> tuple[str, ...]:
    """Return where Spark's configuration is."""
    return (facts.conf.directory,) if facts.conf.directory else ()


def environment(facts: Facts, _: str) -> Mapping[str, str]:
    """Return the variables that a process acts on; of spark-env.sh, what it sets plainly."""
    return {name: value or EMPTY for name, value in facts.environment.items()}


def variables(facts: Facts, _: str) -> Mapping[str, str]:
    """Return the names of variables of no family."""
    return dict.fromkeys(facts.other_variables, "set")


def image(facts: Facts, _: str) -> Mapping[str, str]:
    """Return how an image is run, by the words of a Dockerfile."""
    return {_SHOWN[name]: facts.image[name] for name in CONFIG if facts.image.get(name)}


def executors_image(facts: Facts, side: str) -> Value:
    """Return which executors a driver's configuration names, and which an image is."""
    if side == DRIVER:
        return Value((facts.conf.defaults or {}).get(EXECUTORS_IMAGE, NOT_TOLD))
    return Value(facts.image.get(FINGERPRINT) or NOT_TOLD)


def process(facts: Facts, _: str) -> Mapping[str, str]:
    """Return account and limits of a process."""
    return facts.process


def files(facts: Facts, _: str) -> Mapping[str, str]:
    """Return the files of no package, and those of packages that are not as installed."""
    return {**facts.files, **dict(_altered(facts))}


def _altered(facts: Facts) -> list[tuple[str, str]]:
    packages = (facts.debian or {}).values()
    return [each for package in packages for each in package.altered.items()]


def without_mark(value: str) -> str:
    """Return the value of a file that is compared with another's."""
    return value.removesuffix(BUILT)


def debian(facts: Facts, _: str) -> Mapping[str, str] | None:
    """Return version and contents of each Debian package as it was installed."""
    if facts.debian is None:
        return None
    return {name: f"{each.version} {each.sha256}" for name, each in facts.debian.items()}


def compiled(facts: Facts, _: str) -> Mapping[str, str]:
    """Return the hash of each compiled Python file."""
    return {
        f"{directory}/__pycache__/{name}": sha256
        for directory, names in facts.compiled.items()
        for name, sha256 in names.items()
    }


def libraries(facts: Facts, _: str) -> Mapping[str, str]:
    """Return which file the loader gives for a library."""
    return {name: value.partition(" ")[0] for name, value in facts.libraries.items()}


def python_view(facts: Facts, side: str) -> Mapping[str, str] | None:
    """Return how a side's interpreter sees the world."""
    return _view(facts, side, of_environment=False)


def virtual(facts: Facts, side: str) -> Mapping[str, str] | None:
    """Return what the file of a virtual environment sets: which interpreter it stands on."""
    return _view(facts, side, of_environment=True)


def _view(facts: Facts, side: str, *, of_environment: bool) -> Mapping[str, str] | None:
    found = interpreter(facts, side)
    if found is None:
        return None
    return {
        name: value
        for name, value in found.view.items()
        if name.startswith("pyvenv.cfg ") is of_environment
    }


def java_view(facts: Facts, _: str) -> Mapping[str, str] | None:
    """Return what Java says of itself."""
    return None if facts.java is None else facts.java.settings


def jars(groups: Callable[[str], bool], named: Callable[[str, str], str]) -> ReadSet:
    """Return how the jars of some groups are read: their SHA-256 by name.

    Args:
        groups: tells whether a group is meant.
        named: gives a jar's name of its own name and its path.
    """

    def read(facts: Facts, _: str) -> Mapping[str, str] | None:
        if facts.jars is None:
            return None
        found: dict[str, str] = {}
        for jar in facts.jars:
            if groups(jar.group):
                # The same name twice: told apart by its directory, as a class path would.
                name = named(jar.name, jar.path)
                found[jar.path if name in found else name] = (
                    jar.sha256 or f"not readable: {jar.path}"
                )
        return found

    return read


def versions(facts: Facts, side: str) -> Mapping[str, str] | None:
    """Return the version of each package in a side's interpreter."""
    found = interpreter(facts, side)
    return None if found is None else {each.name: each.version for each in found.packages}


def contents(facts: Facts, side: str) -> Mapping[str, str] | None:
    """Return each package's file hash, and what became of its files since it was installed."""
    found = interpreter(facts, side)
    if found is None:
        return None
    return {
        each.name: (each.sha256 or f"not known: no RECORD ({each.directory})")
        + (f" (not as installed: {', '.join(each.altered[:2])})" if each.altered else "")
        + (f" (files gone: {', '.join(each.absent[:2])})" if each.absent else "")
        for each in found.packages
    }


def others(facts: Facts, _: str) -> Mapping[str, str]:
    """Return the packages that no interpreter of Spark's reads, by directory."""
    return {
        f"{each.name} in {each.directory}": f"{each.version} {each.sha256 or 'not known'}"
        for each in facts.other_packages
    }


def defaults(facts: Facts, _: str) -> Mapping[str, str] | None:
    """Return the keys and values of spark-defaults.conf."""
    return facts.conf.defaults


def r(facts: Facts, _: str) -> Mapping[str, str] | None:
    """Return the version of each R package."""
    return facts.r
