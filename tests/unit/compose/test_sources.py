"""Are the sources of Spark's properties read as Spark reads them, and their faults named?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.compose.conftest import WRONG, Site


@pytest.mark.parametrize(
    ("name", "line", "why"),
    [
        ("log4j2.properties", "<Configuration/>", "line 2 is no property"),
        ("log4j2.properties", "rootLogger.level = loud", "line 2 names a level that is none: loud"),
        ("log4j2.properties", "# as in C:\\\na.level = loud", "line 3 names a level that is none"),
        ("metrics.properties", "everything", "line 2 is no property"),
    ],
)
def test_wrong_properties_are_named_with_their_line(
    site: Site, name: str, line: str, why: str
) -> None:
    file = site.fragment(name, f"# of the site\n{line}\n")
    code, message = site.refused()
    assert code == WRONG
    assert f"{file}, {why}" in message


def test_properties_that_java_reads_are_taken_over(site: Site) -> None:
    text = "! ours\nrootLogger.level: WARN\nlogger.x.level = ${env:L:-info}\na = b\\\n  c d\n"
    site.fragment("log4j2.properties", text)
    directory = Path(site.exported(site.start())["SPARK_CONF_DIR"])
    assert (directory / "log4j2.properties").read_text() == text


def test_a_later_source_wins_over_an_earlier(site: Site, api: str) -> None:
    site.fragment("10-site.conf", "spark.executor.memory 3g\nspark.executor.cores=3\n")
    site.fragment("20-team.conf", "# ours\nspark.executor.cores  4\nspark.app.name two words\n")
    conf = site.conf(
        SPARK_MASTER=api, SPARK_DRIVER_HOST="driver.example.com", SPARK_EXECUTOR_MEMORY="5g"
    )
    assert conf["spark.executor.instances"] == "2", "of kubernetes.conf"
    assert conf["spark.executor.cores"] == "4", "of the later fragment"
    assert conf["spark.executor.memory"] == "5g", "of the environment"
    assert conf["spark.app.name"] == "two words"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SPARK_MASTER", "kubernetes"),
        ("SPARK_EXECUTOR_INSTANCES", "two"),
        ("SPARK_EXECUTOR_INSTANCES", "0"),
        ("SPARK_EXECUTOR_MEMORY", "2 GB"),
        ("SPARK_DRIVER_PORT", "70000"),
        ("SPARK_NAMESPACE", "a b"),
    ],
)
def test_a_variable_of_another_form_is_refused(site: Site, name: str, value: str) -> None:
    code, said = site.refused(**{name: value})
    assert code == WRONG
    assert f"{name}={value} is not " in said


@pytest.mark.parametrize("line", ["executor.memory 2g", "memory", "<configuration/>"])
def test_a_wrong_fragment_is_named_with_its_line(site: Site, line: str) -> None:
    file = site.fragment("10-site.conf", f"spark.executor.cores 1\n\n{line}\n")
    code, said = site.refused()
    assert code == WRONG
    assert f"{file}, line 3 is no Spark property" in said


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ("spark.a:b", "b"),
        ("spark.a=b\\\n   c", "bc"),
        ("spark.a  \\ b \\t", "b"),
        ("spark.a==b", "=b"),
        ("spark.a", ""),
        ("spark.a=", ""),
        ("! spark.a 1\nspark.a b#c", "b#c"),
        ("spark.a C:\\\\dir\\\\", "C:\\dir\\"),
        ("spark.a C:\\\\dir\\\\\n\n", "C:\\dir\\"),
        ("spark.a one\x85two\u2028three", "one\x85two\u2028three"),
        ("spark.a ${env:HOME}/${system:user.name}/${spark.app.name}", None),
        ("spark.hadoop.a ${env.USER}/${hadoop.tmp.dir}", None),
        ("spark.executor.extraJavaOptions -Da=${sys:b}", None),
    ],
)
def test_a_fragment_is_read_as_spark_reads_it_and_swallows_nothing(
    site: Site, lines: str, value: str | None
) -> None:
    site.fragment("10-site.conf", lines)
    conf = site.conf()
    key = next(key for key in conf if "a" in key.split(".") or key.endswith("JavaOptions"))
    assert conf.pop(key) == (lines.split(None, 1)[1] if value is None else value)
    (site.etc / "conf.d" / "10-site.conf").unlink()
    assert conf == site.conf()


def test_a_site_can_empty_a_default(site: Site, api: str) -> None:
    site.fragment("10-site.conf", "spark.plugins\nspark.driver.bindAddress =\n")
    conf = site.conf(SPARK_MASTER=api, SPARK_DRIVER_HOST="192.0.2.1")
    assert conf["spark.plugins"] == ""
    assert conf["spark.driver.bindAddress"] == "0.0.0.0", "composed in the place of nothing"  # noqa: S104


SECRET = "wJalrXUtnFEMI"  # noqa: S105 - nobody's


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"hadoop.fs.s3a.secret.key:{SECRET}", "line 1 is no Spark property."),
        (f"spark.hadoop.fs.s3a.secret.key\n  {SECRET}", "line 2 is no Spark property."),
        (f"spark.hadoop.fs.s3a.secret.key ${{{SECRET}}}", "has ${...}, which nothing replaces."),
        (f"spark.a b\\\n  spark.b.password {SECRET}", "line 2 would become a part of spark.a"),
        (f"spark.b.password {SECRET}\\u00", "line 1 has a \\u without"),
        ("spark.a ${HOME}/x", "line 1: spark.a has ${HOME}, which nothing replaces."),
        ("spark.a ${env:NOT_SET}", "spark.a has ${env:NOT_SET}, and the variable NOT_SET is not"),
        ("spark.hadoop.a ${HOME}", "spark.hadoop.a has ${HOME}, which nothing replaces."),
        ("spark.hadoop.a ${env:HOME}", "spark.hadoop.a has ${env:HOME}, which nothing replaces."),
        ("spark.executorEnv.A ${env:HOME}", "spark.executorEnv.A has ${env:HOME}, which nothing"),
    ],
)
def test_a_refused_line_is_named_without_its_secret(site: Site, text: str, why: str) -> None:
    file = site.fragment("10-site.conf", text)
    code, said = site.refused()
    assert code == WRONG
    assert f"{file}, " in said
    assert why in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "variables",
    [
        {"SPARK_MASTER": f"http://user:{SECRET}@host"},
        {"SPARK_MASTER": f"http://user:a/b@{SECRET}@host"},
        {"SPARK_MASTER": f"k8s://https://user:{SECRET}@host:99999"},
        {"SPARK_MASTER": f"k8s://https://user:{SECRET}@[host"},
        {"SPARK_EVENT_LOG_DIR": f"s3a://user:{SECRET}@bucket/a b"},
        {"SPARK_EVENT_LOG_DIR": f"https://host/?token={SECRET} b"},
    ],
)
def test_a_refused_variable_is_named_without_its_secret(
    site: Site, variables: dict[str, str]
) -> None:
    code, said = site.refused(**variables)
    assert code == WRONG
    assert SECRET not in said
