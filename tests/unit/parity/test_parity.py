"""Does each rule of the gate refuse what it is there for, and allow what it should?"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from sparkyard.commands import parity as command
from sparkyard.engine import engine
from sparkyard.errors import ImageMissingError, ParityError
from sparkyard.facts import facts, layers
from sparkyard.facts.collector.files import BUILT
from sparkyard.facts.collector.redaction import WITHHELD
from sparkyard.facts.facts import Facts
from sparkyard.facts.identity import ImageIdentity
from sparkyard.facts.layers import Layer, LayerComparison
from sparkyard.family import images as images_of_family
from sparkyard.family.images import SERVES
from sparkyard.parity import may_differ, parity, rules, shown
from sparkyard.parity.parity import Report
from sparkyard.parity.rows import Row, Verdict
from sparkyard.parity.rule import ABSENT, DRIVER, EXECUTORS, Policy
from sparkyard.plan import plan

SHA = {"a": "a" * 64, "b": "b" * 64}


def package(name: str, version: str = "1.0", sha256: str | None = SHA["a"]) -> facts.PythonPackage:
    basis = "RECORD" if sha256 else None
    return facts.PythonPackage(name, version, "uv", sha256, basis, 3, "/opt/venv/site", (), ())


def jar(name: str, sha256: str | None = SHA["a"], group: str = "spark") -> facts.Jar:
    return facts.Jar(name, f"/opt/{group}/{name}", group, sha256, 10)


def debian(
    version: str, needs: tuple[str, ...] = (), altered: dict[str, str] | None = None
) -> facts.DebianPackage:
    return facts.DebianPackage(version, "libs", needs, (), SHA["a"], 3, altered or {})


PYTHON = facts.Interpreter(
    executable="/opt/venv/bin/python",
    resolved="/usr/bin/python3.11",
    sha256=SHA["a"],
    names=("/opt/venv/bin/python", "/opt/venv/bin/python3", "python3"),
    version="3.11.2",
    full="3.11.2 (main)",
    build="main Oct 7",
    implementation="CPython",
    compiler="GCC 12.2.0",
    abi="cpython-311",
    prefix="/opt/venv",
    base_prefix="/usr",
    stdlib=("/usr/lib/python3.11",),
    directories=("/opt/venv/site",),
    locale="C.UTF-8",
    encoding="UTF-8",
    packages=(package("pandas", "2.3.3"), package("pyspark", "3.5.9")),
    view={"time zone": "UTC UTC 0 0", "user's own packages": "False"},
)
ROLE = facts.PythonRole("/opt/venv/bin/python", "PYSPARK_PYTHON", "/opt/venv/bin/python")
GOOD = Facts(
    schema=2,
    machine=facts.Machine("x86_64", "Linux", "Debian 13", "glibc 2.41"),
    user=facts.User(1000, 100, "jovyan"),
    process={"umask": "022", "account's name": "jovyan", "limit of stack": "8388608"},
    python=facts.Pythons(ROLE, ROLE),
    interpreters=(PYTHON,),
    other_packages=(),
    java=facts.Java(
        "Debian", "1.8.0_504", "1.8.0_504-b01", "OpenJDK", "52.0", "/usr/lib/jvm/8/jre",
        "/usr/lib/jvm/8/jre", "/usr/lib/jvm/8/bin/java", "JAVA_HOME",
        {"file.encoding": "UTF-8", "time zone": "UTC 0 0"},
    ),
    spark=facts.Spark(
        "/opt/spark", "/opt/spark", "SPARK_HOME", "3.5.9", "3.5.9", "abc", None, "2.12.18",
        "3.3.4", "3.5.9", "/opt/spark",
    ),
    jars=(jar("spark-core.jar"), jar("netty.jar"), jar("gcs.jar", group="extra")),
    conf=facts.Conf(
        "/opt/spark/conf",
        "/opt/spark/conf/spark-defaults.conf",
        {
            "spark.sql.shuffle.partitions": "8",
            "spark.driver.memory": "1g",
            "spark.kubernetes.container.image": "here/executors:spark-9-abcd",
        },
        {},
    ),
    environment={
        "PYSPARK_PYTHON": "/opt/venv/bin/python",
        "JAVA_HOME": "/usr/lib/jvm/8",
        "SPARK_HOME": "/opt/spark",
        "PYTHONHASHSEED": "0",
        "TZ": "UTC",
    },
    other_variables=("HOSTNAME",),
    timezone=facts.TimeZone("UTC", "TZ", (0,)),
    locale=facts.Locale("C.UTF-8", "UTF-8"),
    debian={"libc6": debian("2.41"), "libssl3": debian("3.5")},
    files={"/etc/hosts.conf": SHA["a"], "/opt/java": "-> /usr/lib/jvm/8"},
    made_for={},
    compiled={"/opt/venv/site/pandas": {"io.cpython-311.pyc": "aa"}},
    libraries={"libc.so.6 (ELF)": "/lib/libc.so.6 libc6"},
    r=None,
    missing={"r": "no R"},
)  # fmt: skip


def python(**changes: Any) -> Facts:
    changed = replace(PYTHON, **changes)
    role = replace(ROLE, requested=changed.executable, interpreter=changed.executable)
    return replace(GOOD, interpreters=(changed,), python=facts.Pythons(role, role))


def packages(*found: facts.PythonPackage) -> Facts:
    return python(packages=found)


def java(**changes: Any) -> Facts:
    assert GOOD.java is not None
    return replace(GOOD, java=replace(GOOD.java, **changes))


def spark(**changes: Any) -> Facts:
    assert GOOD.spark is not None
    return replace(GOOD, spark=replace(GOOD.spark, **changes))


def conf(**changes: Any) -> Facts:
    return replace(GOOD, conf=replace(GOOD.conf, **changes))


def defaults(**changes: str | None) -> Facts:
    """Change keys of spark-defaults.conf; __ stands for a dot, None takes a key away."""
    found = dict(GOOD.conf.defaults or {})
    for name, value in changes.items():
        key = name.replace("__", ".")
        if value is None:
            found.pop(key, None)
        else:
            found[key] = value
    return conf(defaults=found)


def env(**changes: str | None) -> Facts:
    changed = {**GOOD.environment, **changes}
    return replace(
        GOOD, environment={name: value for name, value in changed.items() if value is not None}
    )


def file(path: str, value: str = SHA["b"]) -> Facts:
    return replace(GOOD, files={**GOOD.files, path: value})


def with_debian(facts_: Facts, **packages_: facts.DebianPackage) -> Facts:
    found = {name.replace("_", "-"): each for name, each in packages_.items()}
    return replace(facts_, debian={**(facts_.debian or {}), **found})


def image(facts_: Facts = GOOD, **config: str) -> Facts:
    return replace(facts_, image=config)


def missing(part: str, name: str) -> Facts:
    changes: dict[str, Any] = {part: None, "missing": {name: "it is not there"}}
    return replace(GOOD, **changes)


def rows(report: Report) -> dict[str, Row]:
    return {row.name: row for row in report.rows}


def refused(executors: Facts, driver: Facts = GOOD) -> dict[str, Row]:
    return {row.name: row for row in parity.compare(driver, executors).failures}


def test_equal_facts_agree_in_every_row() -> None:
    report = parity.compare(GOOD, GOOD)
    assert report.holds
    assert {row.verdict for row in report.rows} == {Verdict.AGREES}
    assert report.summary == f"{len(report.rows)} rows: {len(report.rows)} agree, 0 differ"


REFUSALS = [
    ("Python version", python(version="3.11.3")),
    ("Python version", python(implementation="PyPy")),
    ("Python build", python(build="main Jan 1")),
    ("Python build", python(compiler="GCC 14")),
    ("Python binary", python(sha256=SHA["b"])),
    ("Python path of the workers", python(executable="/usr/bin/python3", names=())),
    ("Java vendor", java(vendor="Temurin")),
    ("Java version", java(runtime="1.8.0_402-b06")),
    ("Java class level", java(class_level="65.0")),
    ("Spark version", spark(version="3.5.8")),
    ("Spark revision", spark(revision="def")),
    ("PySpark version", spark(pyspark="3.5.8")),
    ("Scala version", spark(scala="2.13.8")),
    ("Hadoop version", spark(hadoop="3.3.6")),
    ("file /etc/hadoop/conf/core-site.xml", file("/etc/hadoop/conf/core-site.xml")),
    ("file /etc/hosts.conf", replace(GOOD, files={})),
    ("file /opt/java", file("/opt/java", "-> /usr/lib/jvm/21")),
    ("file /etc/x", file("/etc/x", "not readable")),
    ("file /lib/libc.so.6",
        with_debian(GOOD, libc6=debian("2.41", altered={"/lib/libc.so.6": SHA["b"]}))),
    ("Debian package libc6", with_debian(GOOD, libc6=debian("2.36"))),
    ("Debian package libfoo", with_debian(GOOD, libfoo=debian("1"))),
    ("compiled file /opt/venv/site/pandas/__pycache__/io.cpython-311.pyc",
        replace(GOOD, compiled={"/opt/venv/site/pandas": {"io.cpython-311.pyc": "bb"}})),
    ("library libc.so.6 (ELF)", replace(GOOD, libraries={"libc.so.6 (ELF)": "/opt/libc.so.6"})),
    ("Python's time zone", python(view={**PYTHON.view, "time zone": "JST JST -9 -9"})),
    ("Java's time zone", java(settings={"file.encoding": "UTF-8", "time zone": "Tokyo 540"})),
    ("image that the driver's executors are of", image(Fingerprint="0123")),
    ("Python search path", python(directories=("/mine", "/opt/venv/site"))),
    ("umask", replace(GOOD, process={**GOOD.process, "umask": "077"})),
    ("ENTRYPOINT", image(Entrypoint="env TZ=Asia/Tokyo tini")),
    ("uid:gid", replace(GOOD, user=facts.User(0, 0, "root"))),
    ("OMP_NUM_THREADS", env(OMP_NUM_THREADS="1")),
    ("PYSPARK_DRIVER_PYTHON", env(PYSPARK_DRIVER_PYTHON="jupyter")),
    ("jar /opt/livy/jars/livy.jar", replace(GOOD, jars=(*(GOOD.jars or ()),
        facts.Jar("livy.jar", "/opt/livy/jars/livy.jar", "/opt/livy/jars", SHA["a"], 10)))),
    ("package six in /opt/hub/site-packages", replace(GOOD, other_packages=(
        replace(package("six"), directory="/opt/hub/site-packages"),))),
    ("PYSPARK_PYTHON", env(PYSPARK_PYTHON="/usr/bin/python3")),
    ("PYSPARK_PYTHON", env(PYSPARK_PYTHON=None)),
    ("JAVA_HOME", env(JAVA_HOME="/usr/lib/jvm/21")),
    ("SPARK_HOME", env(SPARK_HOME="/srv/spark")),
    ("PYTHONHASHSEED", env(PYTHONHASHSEED=None)),
    ("PYTHONHASHSEED", env(PYTHONHASHSEED="")),
    ("PYTHONPATH", env(PYTHONPATH="/mine")),
    ("SPARK_DIST_CLASSPATH", env(SPARK_DIST_CLASSPATH="/mine/*")),
    ("Time zone", replace(GOOD, timezone=facts.TimeZone("Asia/Tokyo", "TZ", (32400,)))),
    ("Time zone", replace(GOOD, timezone=facts.TimeZone("UTC", "TZ", (3600,)))),
    ("Locale", replace(GOOD, locale=facts.Locale("C", "ANSI_X3.4-1968"))),
    ("C library", replace(GOOD, machine=replace(GOOD.machine, libc="glibc 2.36"))),
    ("Architecture", replace(GOOD, machine=replace(GOOD.machine, architecture="aarch64"))),
    ("Spark jar netty.jar", replace(GOOD, jars=(jar("spark-core.jar"),))),
    ("Spark jar netty.jar", replace(GOOD, jars=(jar("netty.jar", SHA["b"]),))),
    ("Spark jar more.jar", replace(GOOD, jars=(*(GOOD.jars or ()), jar("more.jar")))),
    ("extra jar gcs.jar", replace(GOOD, jars=(GOOD.jars or ())[:2])),
    ("extra jar s3.jar", replace(GOOD, jars=(*(GOOD.jars or ()), jar("s3.jar", group="extra")))),
    ("package pandas", packages(package("pandas", "2.2.3"), package("pyspark", "3.5.9"))),
    ("package six", packages(*PYTHON.packages, package("six"))),
    ("files of package pandas", packages(package("pandas", "2.3.3", SHA["b"]), PYTHON.packages[1])),
    ("conf spark.sql.shuffle.partitions", defaults(spark__sql__shuffle__partitions="7")),
    ("conf spark.sql.shuffle.partitions", defaults(spark__sql__shuffle__partitions=None)),
    ("conf spark.serializer", defaults(spark__serializer="kryo")),
    ("Spark configuration", conf(defaults=None)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "executors"), REFUSALS, ids=[name for name, _ in REFUSALS])
def test_a_difference_that_must_not_be_is_refused(name: str, executors: Facts) -> None:
    found = refused(executors)
    assert name in found, sorted(found)
    assert found[name].verdict is Verdict.DIFFERS
    assert found[name].why
    assert found[name].read_from
    alone = shown.failure("driver:1", "executors:1", Report((found[name],)))
    assert alone.exit_code == 40
    assert f"differ in 1 fact that must be equal: {name}" in alone.what
    assert "executors:1 (the executors)" in alone.remedy


def test_every_must_rule_is_seen_refusing() -> None:
    tried = {name for name, _ in REFUSALS}
    lines = may_differ.load().lines
    excused = {name for line in lines if line.kind == "fact" for name in line.names}
    assert {rule.name for rule in rules.RULES} - excused <= tried
    for rule in (*rules.BEFORE, *rules.AFTER):
        if not rule.may and rule.one:
            assert any(name.startswith(f"{rule.one} ") for name in tried), rule.one


ALLOWED = [
    ("Operating system", replace(GOOD, machine=replace(GOOD.machine, os="Ubuntu"))),
    ("PYTHONUNBUFFERED", env(PYTHONUNBUFFERED="1")),
    ("file /etc/motd", file("/etc/motd")),
    ("file /etc/spark/log4j2.properties", file("/etc/spark/log4j2.properties")),
    ("conf spark.driver.memory", defaults(spark__driver__memory="4g")),
    ("conf spark.driver.memory", defaults(spark__driver__memory=None)),
    ("conf spark.kubernetes.namespace", defaults(spark__kubernetes__namespace="x")),
    ("Debian package nano", with_debian(GOOD, nano=debian("8"))),
    ("ENTRYPOINT", image(Entrypoint="tini spark-entrypoint")),
    ("R packages", replace(GOOD, r={"ggplot2": "3"})),
    ("variables of no family", replace(GOOD, other_variables=("HOSTNAME", "TEAM_BUCKET"))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "executors"), ALLOWED, ids=[name for name, _ in ALLOWED])
def test_a_difference_that_may_be_is_shown_and_allowed(name: str, executors: Facts) -> None:
    driver = image(Entrypoint="tini") if executors.image else GOOD
    report = parity.compare(driver, executors)
    assert report.holds, [row.name for row in report.failures]
    assert rows(report)[name].verdict is Verdict.ALLOWED
    assert rows(report)[name].policy is Policy.MAY


UNKNOWN = [
    ("Python version", replace(GOOD, interpreters=(), missing={"python.worker": "no /x/python"})),
    ("Python binary", python(sha256=None)),
    ("Java version", missing("java", "java")),
    ("Spark version", missing("spark", "spark")),
    ("Spark jars", missing("jars", "jars")),
    ("extra jars", missing("jars", "jars")),
    ("Hadoop version", spark(hadoop=None)),
    ("PySpark version", spark(pyspark=None)),
    ("C library", replace(GOOD, machine=replace(GOOD.machine, libc=None))),
    ("Locale", replace(GOOD, locale=facts.Locale("C", None))),
    ("Python packages, versions", replace(GOOD, interpreters=())),
    ("Python packages, files", replace(GOOD, interpreters=())),
    ("Spark jar netty.jar", replace(GOOD, jars=(jar("netty.jar", None),))),
    ("files of package pandas", packages(package("pandas", "2.3.3", None), PYTHON.packages[1])),
]


@pytest.mark.parametrize(("name", "broken"), UNKNOWN, ids=[name for name, _ in UNKNOWN])
def test_a_fact_that_is_missing_fails_on_either_side_and_on_both(name: str, broken: Facts) -> None:
    for driver, executors in ((GOOD, broken), (broken, GOOD), (broken, broken)):
        found = refused(executors, driver)
        assert name in found, sorted(found)
        assert found[name].verdict is Verdict.UNKNOWN


def test_a_missing_fact_gives_its_reason_and_the_side_to_look_at() -> None:
    no_java = missing("java", "java")
    assert "it is not there" in refused(no_java)["Java version"].executors
    assert refused(no_java)["Java version"].look_at == EXECUTORS
    assert refused(GOOD, no_java)["Java version"].look_at == DRIVER


def needing(name: str, *requires: str) -> facts.PythonPackage:
    return replace(package(name), requires=requires)


def test_jupyter_and_what_it_alone_needs_may_be_on_the_driver_alone() -> None:
    jupyter = (
        needing("jupyterlab", "bleach[css]>=6", 'colorama; sys_platform == "win32"'),
        needing("bleach", 'tinycss2; extra == "css"', 'html5; extra == "other"'),
        *(package(name) for name in ("tinycss2", "html5", "colorama")),
    )
    report = parity.compare(packages(*PYTHON.packages, *jupyter), GOOD)
    assert {row.name for row in report.failures} == {"package colorama", "package html5"}
    row = rows(report)["Python packages, versions, driver only"]
    assert row.driver == "3: bleach, jupyterlab, tinycss2"
    assert "Jupyter" in row.why


def test_a_package_that_both_sides_need_is_not_jupyters() -> None:
    shared = needing("pandas", "six")
    driver = packages(shared, PYTHON.packages[1], needing("jupyterlab", "six"), package("six"))
    executors = packages(shared, PYTHON.packages[1])
    assert set(refused(executors, driver)) == {"package six"}


def test_what_r_needs_may_be_on_the_driver_alone_and_what_jobs_find_may_not() -> None:
    driver = with_debian(
        GOOD,
        r_base_core=debian("4", ("libcairo2", "libblas3 | libblas.so.3", "libssl3")),
        libcairo2=debian("1", ("libx11",)),
        libx11=debian("1"),
        libblas3=debian("3"),
        libother=debian("1"),
    )
    report = parity.compare(driver, GOOD)
    assert {row.name for row in report.failures} == {
        "Debian package libblas3",
        "Debian package libother",
    }
    assert (
        rows(report)["Debian packages, driver only"].driver == "3: libcairo2, libx11, r-base-core"
    )


def test_links_and_the_loaders_cache_go_with_the_package_that_they_lead_to() -> None:
    nano = replace(
        with_debian(GOOD, nano=debian("8")),
        files={**GOOD.files, "/etc/alternatives/e": "-> /bin/nano"},
        made_for={"/etc/alternatives/e": "nano"},
        libraries={**GOOD.libraries, "libnano.so (ELF)": "/lib/libnano.so nano"},
    )
    assert parity.compare(nano, GOOD).holds
    alone = replace(GOOD, libraries={**GOOD.libraries, "libz.so (ELF)": "/lib/libz.so libc6"})
    assert set(refused(alone)) == {"library libz.so (ELF)"}


def test_a_link_into_a_package_that_fails_is_told_by_the_packages_row() -> None:
    link = "/etc/alternatives/libblas.so.3"
    good = replace(
        GOOD, files={**GOOD.files, link: "-> /lib/serial.so"}, made_for={link: "libssl3"}
    )
    other = replace(
        with_debian(good, libopenblas0_pthread=debian("1")),
        files={**GOOD.files, link: "-> /lib/pthread.so"},
        made_for={link: "libopenblas0-pthread"},
    )
    assert set(refused(other, good)) == {"Debian package libopenblas0-pthread"}
    repointed = replace(other, debian=GOOD.debian, made_for={link: "libc6"})
    assert set(refused(repointed, good)) == {f"file {link}"}


def test_a_file_that_only_one_side_has_counts_as_its_own_build_copied_it() -> None:
    start = "/usr/local/bin/start-notebook"
    assert parity.compare(file(start, f"{SHA['a']} x{BUILT}"), GOOD).holds
    assert set(refused(GOOD, file(start, f"{SHA['a']} x"))) == {f"file {start}"}
    built, other = file("/etc/x", f"{SHA['a']}{BUILT}"), file("/etc/x", SHA["a"])
    assert parity.compare(built, other).holds


def test_many_files_of_one_directory_are_one_row_of_the_table_and_all_are_in_the_report() -> None:
    many = {f"/usr/tool/lib/{number}/x.py": SHA["b"] for number in range(40)}
    report = parity.compare(GOOD, replace(GOOD, files={**GOOD.files, **many, "/etc/y": SHA["b"]}))
    assert len(report.failures) == 41
    one, other = shown.gathered(report.failures)
    assert (one.name, other.name) == ("file /etc/y", "files in /usr/tool/lib")
    assert other.executors.startswith("40: /usr/tool/lib/0/x.py")
    assert other.driver == ABSENT
    assert "files in /usr/tool/lib (not there / 40:" in shown.failure("d", "e", report).what


def test_executors_have_the_variables_that_the_drivers_configuration_gives_them() -> None:
    driver = defaults(spark__executorEnv__TZ="Asia/Tokyo")
    assert "TZ" in refused(driver, driver)


def test_another_version_is_one_row_and_not_two() -> None:
    found = refused(packages(package("pandas", "2.2.3", SHA["b"]), PYTHON.packages[1]))
    assert list(found) == ["package pandas"]


def test_an_edited_file_is_named_and_its_side_looked_at() -> None:
    edited = packages(
        replace(package("pandas", "2.3.3", SHA["b"]), altered=("pandas/io.py",)),
        PYTHON.packages[1],
    )
    assert "pandas/io.py" in refused(edited)["files of package pandas"].executors
    assert refused(edited)["files of package pandas"].look_at == EXECUTORS
    assert refused(GOOD, edited)["files of package pandas"].look_at == DRIVER


def test_the_drivers_interpreter_is_held_against_the_executors_workers() -> None:
    notebook = replace(PYTHON, executable="/nb/python", version="3.12.0", names=("/nb/python",))
    role = facts.PythonRole("/nb/python", "PYSPARK_DRIVER_PYTHON", "/nb/python")
    driver = replace(GOOD, interpreters=(PYTHON, notebook), python=facts.Pythons(role, ROLE))
    found = refused(GOOD, driver)
    assert "Python version" in found
    assert "Python path of the workers" not in found


@pytest.mark.parametrize("asked", ["python3", "/opt/venv/bin/python3"])
def test_another_spelling_of_the_same_interpreter_is_the_same(asked: str) -> None:
    role = replace(ROLE, requested=asked)
    driver = replace(GOOD, python=facts.Pythons(role, role))
    assert "Python path of the workers" not in refused(GOOD, driver)


def test_secrets_are_compared_by_presence_only() -> None:
    with_secret = defaults(**{"spark.authenticate.secret": WITHHELD})
    assert parity.compare(with_secret, with_secret).holds
    assert "conf spark.authenticate.secret" in refused(with_secret)


def test_no_configuration_on_both_sides_agrees() -> None:
    assert parity.compare(conf(defaults=None), conf(defaults=None)).holds


def test_executors_of_the_tag_that_the_driver_names_are_its_own() -> None:
    assert parity.compare(GOOD, image(Fingerprint="abcd")).holds


def test_a_file_with_keys_of_the_driver_alone_against_none_is_allowed() -> None:
    driver = conf(defaults={"spark.driver.memory": "1g"})
    report = parity.compare(driver, conf(defaults=None))
    assert rows(report)["Spark configuration"].verdict is Verdict.ALLOWED


# --- layers ---------------------------------------------------------------------------------


def layer(name: str, *paths: str) -> Layer:
    return Layer(f"sha256:{name}", f"COPY {name}", 10, paths or None)


BASE, VENV, JVM = layer("base", "/"), layer("venv", "/opt/venv"), layer("jvm", "/usr/lib/jvm")
STATIC = layer("static", "/srv")


def proven(driver: list[Layer], executors: list[Layer]) -> set[str]:
    comparison = LayerComparison(tuple(driver), tuple(executors))
    report = parity.compare(GOOD, GOOD, comparison)
    return {row.name for row in report.rows if row.proven_by_layers}


def test_equal_layers_prove_rows() -> None:
    found = proven([BASE, JVM, VENV, STATIC], [BASE, JVM, VENV])
    assert {"Java version", "Python packages, files", "Python version", "C library"} <= found
    assert not {"PYSPARK_PYTHON", "Time zone", "Architecture"} & found


def test_a_run_of_unknown_effect_proves_nothing() -> None:
    assert proven([BASE, JVM, VENV, layer("run")], [BASE, JVM, VENV]) == set()


def test_another_venv_layer_proves_java_alone() -> None:
    found = proven([BASE, JVM, VENV], [BASE, JVM, layer("other", "/opt/venv/lib")])
    assert "Java version" in found
    assert "Python packages, files" not in found


def test_a_row_that_differs_is_never_proven() -> None:
    comparison = LayerComparison((BASE,), (BASE,))
    report = parity.compare(GOOD, java(runtime="9"), comparison)
    assert not rows(report)["Java version"].proven_by_layers
    assert rows(report)["Java vendor"].proven_by_layers


def test_without_layers_nothing_is_proven() -> None:
    assert not any(row.proven_by_layers for row in parity.compare(GOOD, GOOD).rows)


# --- the session ----------------------------------------------------------------------------


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> dict[str, Facts]:
    known = {"good": GOOD, "other": java(runtime="21")}
    shared = LayerComparison((BASE, VENV), (BASE, JVM))
    monkeypatch.setattr(facts, "collect", known.__getitem__)
    monkeypatch.setattr(facts, "resolve", lambda name: ImageIdentity(name, "", "", (), {}))
    monkeypatch.setattr(layers, "compare", lambda *_: shared)
    return known


@pytest.mark.usefixtures("images")
def test_the_session_prints_the_table_and_exits_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--driver", "good", "--executor", "good"]) == 0
    out = capsys.readouterr().out
    assert "1 of 2 in the executors are in the driver, too" in out
    assert "0 differ" in out
    assert "\x1b" not in out
    assert SHA["a"] not in out


@pytest.mark.usefixtures("images")
def test_the_session_refuses_and_names_row_and_image(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ParityError) as refusal:
        command.main(["--driver", "good", "--executor", "other"])
    assert "Java version (1.8.0_504-b01 / 21)" in refusal.value.what
    assert "Look at other (the executors)" in refusal.value.remedy
    assert "FAIL" in capsys.readouterr().out


@pytest.mark.usefixtures("images")
def test_the_session_speaks_json(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["--driver", "good", "--executor", "good", "--json"])
    report = json.loads(capsys.readouterr().out)
    [report] = report["pairs"]
    assert report["holds"] is True
    assert {row["policy"] for row in report["rows"]} == {"must be equal", "may differ"}
    assert len(report["layers"]["only_executors"]) == 1


@pytest.mark.parametrize("width", [100, 120, 160])
def test_the_table_fits_a_terminal(
    images: dict[str, Facts],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    report = parity.compare(images["good"], images["other"])
    shown.show("good", "other", report, LayerComparison((), ()), shown.ALL)
    plain = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)
    assert all(word in plain for row in report.rows for word in row.why.split())
    table = [line for line in plain.splitlines() if "Java" in line]
    assert table
    assert max(map(len, table)) <= width


def test_a_report_survives_json() -> None:
    report = parity.compare(GOOD, GOOD)
    assert json.loads(json.dumps(shown.as_json("a", "b", report, LayerComparison((), ()))))
    assert dataclasses.is_dataclass(report)


def serving(version: str | None) -> Facts:
    """Return an image with a version of JupyterHub, and neither Java nor Spark; None: without."""
    found = () if version is None else (package("jupyterhub", version),)
    return replace(packages(*found), java=None, spark=None)


@pytest.mark.parametrize(
    ("hub", "server", "failing"),
    [
        ("6.1.1", "6.1.1", False),
        ("6.1.1", "6.0.2", False),
        ("6.1.1", "5.5.0", True),
        ("10.0", "1.5", True),
        ("6.1.1", None, True),
        (None, "6.1.1", True),
    ],
)
def test_a_hub_and_its_servers_have_one_major_version_of_jupyterhub(
    hub: str | None, server: str | None, failing: bool
) -> None:
    report = parity.compare(serving(hub), serving(server), table=parity.TABLES[SERVES])
    assert [row.name for row in report.failures] == ["JupyterHub's major version"] * failing
    assert report.holds is not failing
    if failing:
        said = shown.failure("the/hub:1", "the/server:2", report)
        assert "The hub the/hub:1 and the server the/server:2 differ in 1 fact" in said.what
        assert "major version of jupyterhub" in said.remedy


def test_a_hub_that_is_built_is_compared_with_the_server_of_each_stack(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = images_of_family.load()
    first, hub = plan.sites()
    other = replace(first, project=replace(first.project, name="spark-9"))
    monkeypatch.setattr(plan, "sites", lambda _: (first, other, hub))
    monkeypatch.setattr(engine, "inspect", lambda names: {name: {} for name in names})
    found = command._pairs(command._parse(["--stack", "all"]))
    served = [(pair.driver, pair.executors) for pair in found if pair.table.first == "hub"]
    assert served == [
        (hub.name("jupyterhub-hub"), where.name("pyspark-notebook")) for where in (first, other)
    ]
    assert len(found) == len(served) + 2 * len(whole.pairs)
    monkeypatch.setattr(engine, "inspect", lambda _: {})
    without_hub = command._pairs(command._parse(["--stack", "all"]))
    assert without_hub == [pair for pair in found if pair.table.first != "hub"]
    assert "jupyterhub-hub:hub is not built, and not compared" in capsys.readouterr().err
    monkeypatch.setattr(plan, "sites", lambda _: (hub,))
    with pytest.raises(ImageMissingError, match="nothing was compared"):
        command._pairs(command._parse(["--stack", "hub"]))
