"""Each check on jars refuses what it is for, names both sides, and lets the rest pass."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from sparkyard.errors import JarConflictError
from sparkyard.locks.jar_checks import Jar, check, name_of, read_jar


def jar(file: str, where: str = "group a", level: int = 52) -> Jar:
    return replace(name_of(file, where=where), class_level=level, class_name="a/B.class")


def class_file(level: int) -> bytes:
    return b"\xca\xfe\xba\xbe\x00\x00" + level.to_bytes(2, "big") + b"rest"


def fits(*jars: Jar) -> None:
    """Check the jars of one JVM on Java 8, those of Spark last."""
    check([jars], 52)


SPARK = (
    jar("hadoop-client-api-3.3.4.jar", "Spark's jars"),
    jar("guava-14.0.1.jar", "Spark's jars"),
)


@pytest.mark.parametrize(
    ("file", "artifact", "version", "classifier"),
    [
        ("guava-14.0.1.jar", "guava", "14.0.1", ""),
        ("spark-core_2.12-3.5.9.jar", "spark-core_2.12", "3.5.9", ""),
        ("hive-shims-0.23-2.3.9.jar", "hive-shims-0.23", "2.3.9", ""),
        ("hive-exec-2.3.9-core.jar", "hive-exec", "2.3.9", "core"),
        ("zstd-jni-1.5.5-4.jar", "zstd-jni", "1.5.5-4", ""),
        ("json4s-core_2.12-3.7.0-M11.jar", "json4s-core_2.12", "3.7.0-M11", ""),
        ("javax.jdo-3.2.0-m3.jar", "javax.jdo", "3.2.0-m3", ""),
        ("javassist-3.30.2-GA.jar", "javassist", "3.30.2-GA", ""),
        ("netty-x-4.1.96.Final-linux-x86_64.jar", "netty-x", "4.1.96.Final", "linux-x86_64"),
        ("log4j-1.2-api-2.20.0.jar", "log4j-1.2-api", "2.20.0", ""),
        ("okio-3.jar", "okio", "3", ""),
        ("nameless.jar", "nameless", "", ""),
    ],
)
def test_file_names(file: str, artifact: str, version: str, classifier: str) -> None:
    found = name_of(file, where="here")
    assert (found.artifact, found.version, found.classifier) == (artifact, version, classifier)


def test_what_fits_passes() -> None:
    fits(jar("hadoop-aws-3.3.4.jar"), jar("x-1.0.jar"), jar("x-1.0-tests.jar"), *SPARK)


def test_another_hadoop_is_refused_with_the_one_to_ask_for() -> None:
    with pytest.raises(JarConflictError) as raised:
        fits(jar("hadoop-aws-3.3.6.jar"), *SPARK)
    for said in ("hadoop-aws-3.3.6.jar (group a)", "hadoop-client-api-3.3.4.jar", "aws:3.3.4"):
        assert said in raised.value.what
    assert "nox -s dependencies" in raised.value.remedy


def test_a_hadoop_module_without_hadoop_is_refused() -> None:
    with pytest.raises(JarConflictError, match="no hadoop-client-api"):
        fits(jar("hadoop-aws-3.3.4.jar"))


def test_a_second_version_of_spark_s_jar_is_refused() -> None:
    with pytest.raises(JarConflictError) as raised:
        fits(jar("guava-32.0.jar"), *SPARK)
    assert "guava-32.0.jar (group a)" in raised.value.what
    assert "guava-14.0.1.jar (Spark's jars)" in raised.value.what


def test_two_versions_in_two_groups_are_refused() -> None:
    both = r"x-1\.0\.jar \(group a\) and x-1\.1\.jar \(group b\)"
    with pytest.raises(JarConflictError, match=both):
        fits(jar("x-1.0.jar"), jar("x-1.1.jar", "group b"), *SPARK)


def test_one_name_from_two_maven_groups_is_refused() -> None:
    one, other = replace(jar("x-1.0.jar"), group="a.b"), replace(jar("x-1.0.jar"), group="c.d")
    with pytest.raises(JarConflictError, match=r"two Maven groups: a\.b"):
        fits(one, other, *SPARK)


def test_a_too_new_class_is_refused() -> None:
    with pytest.raises(JarConflictError, match=r"x-1\.0\.jar .*needs Java 11.*has Java 8: a/B"):
        fits(jar("x-1.0.jar", level=55), *SPARK)


SCALA = (*SPARK, jar("scala-library-2.12.18.jar", "Spark's jars"), jar("spire_2.12-0.17.0.jar"))


def test_a_jar_for_another_scala_is_refused_with_the_near_one_and_without_its_library() -> None:
    with pytest.raises(JarConflictError) as raised:
        fits(jar("delta-spark_2.13-3.3.0.jar"), jar("scala-library-2.13.15.jar"), *SCALA)
    assert raised.value.what == (
        "delta-spark_2.13-3.3.0.jar (group a) is compiled for Scala 2.13, and its class path has "
        "Scala 2.12. Ask for delta-spark_2.12, in a version that is published for it."
    )


def test_another_scala_3_is_refused() -> None:
    with pytest.raises(JarConflictError, match=r"Scala 3,.*Ask for cats-core_2\.12"):
        fits(jar("cats-core_3-2.1.jar"), *SCALA)


def test_what_only_looks_like_a_scala_passes() -> None:
    names = ("delta-spark_2.12-3.3.0.jar", "jta_1.1_spec-1.1.jar", "x_2-1.0.jar", "y-2.13-1.0.jar")
    fits(*(jar(name) for name in names), *SCALA)
    fits(jar("delta-spark_2.13-3.3.0.jar"), *SPARK)  # no Scala is there to compare it with


def test_two_versions_of_the_stacks_own_scala_are_refused() -> None:
    with pytest.raises(JarConflictError, match="scala-library is there in 2 versions"):
        fits(jar("scala-library-2.12.10.jar"), *SCALA)


def test_all_conflicts_are_told_at_once() -> None:
    with pytest.raises(JarConflictError) as raised:
        fits(jar("guava-1.0.jar"), jar("hadoop-aws-1.0.jar"), jar("x-1.0.jar", level=61), *SPARK)
    assert len(raised.value.what.splitlines()) == 3


def test_the_class_level_is_read_past_what_an_old_jre_ignores(tmp_path: Path) -> None:
    path = tmp_path / "org" / "a" / "x" / "1.0" / "x-1.0-shaded.jar"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/B.class", class_file(52))
        archive.writestr("a/Old.class", class_file(49))
        archive.writestr("a/NotOne.class", b"text")
        archive.writestr("META-INF/versions/11/a/B.class", class_file(55))
        archive.writestr("module-info.class", class_file(53))
        archive.writestr("a/package-info.class", class_file(53))
    found = read_jar(path, where="w", layout=tmp_path)
    assert found == Jar("x", "1.0", "shaded", path.name, "w", 52, "a/B.class", "org.a")


def test_a_file_that_is_no_jar_is_named(tmp_path: Path) -> None:
    (tmp_path / "x-1.0.jar").write_text("<html>")
    with pytest.raises(JarConflictError, match=r"x-1\.0\.jar"):
        read_jar(tmp_path / "x-1.0.jar", where="w")


def test_each_jvm_is_checked_by_itself_and_a_shared_conflict_is_told_once() -> None:
    own, other = jar("guava-32.0.jar", "group own"), jar("guava-32.0.jar", "group other")
    check([SPARK, [own]], 52)
    with pytest.raises(JarConflictError, match=r"guava-32\.0\.jar \(group other\)") as raised:
        check([[own], [other, *SPARK], [jar("x-1.0.jar"), other, *SPARK]], 52)
    assert len(raised.value.what.splitlines()) == 1


def test_a_jvm_without_spark_has_its_own_hadoop_and_scala() -> None:
    check([SCALA, [jar("hadoop-aws-3.4.1.jar"), jar("hadoop-common-3.4.1.jar")]], 52)
    check([SCALA, [jar("cats-core_2.13-2.1.jar"), jar("scala-library-2.13.15.jar")]], 52)
    with pytest.raises(JarConflictError) as raised:
        fits(jar("hadoop-aws-3.4.1.jar"), jar("hadoop-common-3.3.6.jar"))
    assert "Ask for org.apache.hadoop:hadoop-aws:3.3.6." in raised.value.what
