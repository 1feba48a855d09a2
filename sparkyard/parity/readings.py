"""How is a fact read off a side's document, and which paths of its image decide it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sparkyard.facts.facts import Facts, Interpreter, Java, Spark
from sparkyard.parity.rule import ABSENT, DRIVER, EMPTY, UNSET, Read, Value


def _interpreter(facts: Facts, side: str) -> Interpreter | None:
    """The code that must agree runs in the driver's interpreter, and in the executors' workers."""
    return facts.interpreter("driver" if side == DRIVER else "worker")


def reason(facts: Facts, *names: str) -> str:
    """Return why the first of these facts that is missing is missing."""
    return next((facts.missing[name] for name in names if name in facts.missing), "not collected")


def python(read: Callable[[Interpreter], str | None]) -> Read:
    """Return how a fact of a side's interpreter is read."""

    def value(facts: Facts, side: str) -> Value:
        found = _interpreter(facts, side)
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


def environment(name: str) -> Read:
    """Return how a variable of the environment is read."""

    def value(facts: Facts, _: str) -> Value:
        if name not in facts.environment:
            return Value(None, "not collected")
        told = facts.environment[name]
        return Value(UNSET if told is None else told or EMPTY)

    return value


def zone(facts: Facts, _: str) -> Value:
    """Return the time zone, and its offsets from UTC in hours."""
    offsets = "/".join(f"{offset / 3600:+.3g} h" for offset in facts.timezone.offsets)
    return Value(f"{facts.timezone.name} ({offsets})")


def no_paths(_facts: Facts, _side: str) -> tuple[str, ...]:
    """Return that no path of the image decides a fact."""
    return ()


def python_paths(facts: Facts, side: str) -> tuple[str, ...]:
    """Return where a side's interpreter is."""
    found = _interpreter(facts, side)
    if found is None:
        return ()
    library = f"{found.base_prefix}/lib/python{'.'.join(found.version.split('.')[:2])}"
    binary = found.resolved
    return (found.executable, binary, library, f"{found.prefix}/pyvenv.cfg")


def package_paths(facts: Facts, side: str) -> tuple[str, ...]:
    """Return where the packages of a side's interpreter are."""
    found = _interpreter(facts, side)
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


def jars(group: str) -> Callable[[Facts, str], Mapping[str, str] | None]:
    """Return how the jars of a group are read: their SHA-256 by name."""

    def read(facts: Facts, _: str) -> Mapping[str, str] | None:
        if facts.jars is None:
            return None
        found: dict[str, str] = {}
        for jar in facts.jars:
            if jar.group == group:
                # The same name twice: told apart by its directory, as a class path would.
                name = jar.path if jar.name in found else jar.name
                found[name] = jar.sha256 or f"not readable: {jar.path}"
        return found

    return read


def jar_paths(facts: Facts, _: str) -> tuple[str, ...]:
    """Return the directories of all jars."""
    return tuple(sorted({jar.path.rpartition("/")[0] for jar in facts.jars or ()}))


def versions(facts: Facts, side: str) -> Mapping[str, str] | None:
    """Return the version of each package in a side's interpreter."""
    found = _interpreter(facts, side)
    return None if found is None else {each.name: each.version for each in found.packages}


def contents(facts: Facts, side: str) -> Mapping[str, str] | None:
    """Return each package's file hash, and what became of its files since it was installed."""
    found = _interpreter(facts, side)
    if found is None:
        return None
    return {
        each.name: (each.sha256 or f"not known: no RECORD ({each.directory})")
        + (f" (not as installed: {', '.join(each.altered[:2])})" if each.altered else "")
        + (f" (files gone: {', '.join(each.absent[:2])})" if each.absent else "")
        for each in found.packages
    }


def unclaimed(facts: Facts, side: str) -> Mapping[str, str] | None:
    """Return the files beside packages that belong to none, by path."""
    found = _interpreter(facts, side)
    if found is None:
        return None
    if found.unclaimed.count > len(found.unclaimed.files):
        return {f"{found.unclaimed.count} files": found.unclaimed.sha256}
    return {path: sha or "not readable" for path, sha in found.unclaimed.files.items()}


def defaults(facts: Facts, _: str) -> Mapping[str, str] | None:
    """Return the keys and values of spark-defaults.conf."""
    return facts.conf.defaults


def conf_paths(facts: Facts, _: str) -> tuple[str, ...]:
    """Return where Spark's configuration is."""
    return (facts.conf.directory,) if facts.conf.directory else ()


def conf_file(name: str) -> Read:
    """Return how a file of Spark's configuration is read: its SHA-256."""

    def value(facts: Facts, _: str) -> Value:
        file = facts.conf.files.get(name)
        if file is None:
            return Value(ABSENT)
        return Value(file.sha256, f"{file.path} cannot be read")

    return value


def dpkg(facts: Facts, _: str) -> Mapping[str, str] | None:
    """Return the version of each Debian package."""
    return facts.dpkg


def r(facts: Facts, _: str) -> Mapping[str, str] | None:
    """Return the version of each R package."""
    return facts.r
