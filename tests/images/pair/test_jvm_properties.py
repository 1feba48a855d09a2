"""Do the JVM of the images and Spark read properties as conf/spark/compose does?"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis.strategies import SearchStrategy

from tests.compose_modules import java_properties
from tests.property_texts import properties, texts
from tests.support import Container

SITE = "/tmp/site-of-properties"  # noqa: S108 - in the container
FRAGMENT = """\
spark.empty
spark.serializer
spark.trailing=C:\\\\dir\\\\
spark.colon:value
spark.equals==x
spark.long = one,\\
             two
spark.next  one\x85two\u2028three \\u00e9 \\ud83d\\ude00
spark.metrics.namespace ${env:HOME}
spark.hadoop.of.variable ${env.HOME}/${user.name}
"""
ASK = f"""
import json, os, subprocess, sys
asked = json.load(sys.stdin)
subprocess.run(["cp", "-rT", "/etc/spark", {SITE!r}], check=True)
os.makedirs({SITE!r} + "/conf.d", exist_ok=True)
with open({SITE!r} + "/conf.d/10-site.conf", "w") as file:
    file.write(asked["fragment"])
os.environ["SPARK_SITE_CONF_DIR"] = {SITE!r}
from py4j.protocol import Py4JJavaError
from pyspark.java_gateway import launch_gateway
java = launch_gateway().jvm

def read(text):
    properties = java.java.util.Properties()
    try:
        properties.load(java.java.io.StringReader(text))
    except Py4JJavaError:  # of a malformed escape
        return None
    return {{key: properties.getProperty(key) for key in properties.stringPropertyNames()}}

conf = java.org.apache.spark.SparkConf()
known = getattr(getattr(java.org.apache.spark.internal.config, "package$"), "MODULE$")
hadoop = java.org.apache.spark.deploy.SparkHadoopUtil.get().newConfiguration(conf)
print(json.dumps({{
    "conf": {{each._1(): each._2() for each in conf.getAll()}},
    "replaced": conf.get(known.METRICS_NAMESPACE()).get(),
    "hadoop": hadoop.get("of.variable"),
    "read": [read(text) for text in asked["texts"]],
}}))
"""


def examples(of: SearchStrategy[Any], count: int) -> list[Any]:
    """Return what hypothesis would try, for one look at all of it."""
    seen: list[Any] = []

    @settings(max_examples=count, phases=[Phase.generate])
    @given(of)
    def keep(example: Any) -> None:
        seen.append(example)

    keep()
    return seen


@pytest.fixture(scope="module")
def told(
    containers: Callable[[str], Container], executor_image: str
) -> tuple[list[str], list[dict[str, str]], dict[str, Any]]:
    """The texts and properties that were tried, and what one JVM says of all of them."""
    read, written = examples(texts, 600), examples(properties, 300)
    asked = {
        "fragment": FRAGMENT,
        "texts": [*read, *map(java_properties.write, written)],
    }
    ended = containers(executor_image).exec(
        "/opt/venv/bin/python", "-c", ASK, stdin=json.dumps(asked)
    )
    return read, written, json.loads(ended.stdout.splitlines()[-1])


def here(text: str) -> dict[str, str] | None:
    """Return what we read, None where that cannot be compared."""
    try:
        found = {each.key: each.value for each in java_properties.parse(text)}
        "".join([*found, *found.values()]).encode()  # the way to the JVM takes no half characters
    except (java_properties.MalformedError, UnicodeEncodeError):
        return None
    return found


def test_the_jvm_reads_the_same(told: tuple[list[str], Any, dict[str, Any]]) -> None:
    tried, _, said = told
    compared = 0
    for text, jvms in zip(tried, said["read"], strict=False):
        ours = here(text)
        # Of an escape that the text's end cuts off, Java reads on in what its buffer had before;
        # of a backslash alone it makes a property without a name, which Spark leaves out.
        if ours is not None:
            compared += 1
            assert jvms is not None, text
            ours.pop("", None), jvms.pop("", None)
            assert ours == jvms, text
    assert compared > 300


def test_the_jvm_reads_what_is_written(told: tuple[Any, list[dict[str, str]], Any]) -> None:
    tried, _ = told[0], told[1]
    said = told[2]["read"][len(tried) :]
    assert said == told[1]


def test_spark_has_the_values_of_a_fragment(told: tuple[Any, Any, dict[str, Any]]) -> None:
    conf = told[2]["conf"]
    assert conf["spark.empty"] == conf["spark.serializer"] == "", "Spark keeps an empty value"
    assert conf["spark.trailing"] == "C:\\dir\\"
    assert conf["spark.colon"] == "value"
    assert conf["spark.equals"] == "=x"
    assert conf["spark.long"] == "one,two"
    assert conf["spark.next"] == "one\x85two\u2028three é \U0001f600"
    assert "spark.sql.execution.arrow.pyspark.enabled" in conf, "nothing was swallowed"


def test_variables_are_replaced_as_messages_say(told: tuple[Any, Any, dict[str, Any]]) -> None:
    assert told[2]["replaced"] == "/home/jovyan"
    assert told[2]["hadoop"] == "/home/jovyan/jovyan"
