"""Does the collector see what is there, say what is not, and keep secrets to itself?"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sparkyard.facts import facts
from sparkyard.facts.collector import configuration, environment, interpreters, spark, system
from sparkyard.facts.collector.configuration import Configuration
from sparkyard.facts.collector.inspection import Hashes, Inspection
from sparkyard.facts.collector.java import java_facts
from sparkyard.facts.collector.packages import package_facts
from sparkyard.facts.collector.redaction import WITHHELD, without_secrets
from sparkyard.facts.collector.spark import jar_facts
from sparkyard.facts.inside.properties import properties
from tests.unit.facts import small_python


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a Spark with three jars, one of which tells Spark's version from within."""
    directory = tmp_path / "spark"
    (directory / "jars").mkdir(parents=True)
    (directory / "conf").mkdir()
    with zipfile.ZipFile(directory / "jars" / "spark-core_2.12-3.5.9.jar", "w") as jar:
        jar.writestr("spark-version-info.properties", "version=3.5.7\nrevision=abc\n")
    with zipfile.ZipFile(directory / "jars" / "scala-library-2.12.18.jar", "w") as jar:
        jar.writestr("library.properties", "version.number=2.12.18\n")
    (directory / "jars" / "hadoop-client-api-3.3.4.jar").write_bytes(b"no zip at all")
    return directory


def look(**env: str) -> Inspection:
    return Inspection({"PATH": "/usr/bin:/bin", **env})


def site(tmp_path: Path, record: str | None = None) -> Path:
    directory = tmp_path / "site-packages"
    (directory / "Demo_Pkg-1.2.dist-info").mkdir(parents=True)
    (directory / "demo_pkg").mkdir()
    (directory / "demo_pkg" / "__init__.py").write_text("x = 1\n")
    info = directory / "Demo_Pkg-1.2.dist-info"
    (info / "METADATA").write_text("Name: Demo.Pkg\nVersion: 1.2\n\nVersion: 9\n")
    (info / "INSTALLER").write_text("uv\n")
    if record is not None:
        (info / "RECORD").write_text(record)
    return directory


RECORD = (
    "demo_pkg/__init__.py,sha256=J5w8Q7v0KYqF,6\n"
    "demo_pkg/__pycache__/__init__.pyc,,\n"
    "Demo_Pkg-1.2.dist-info/METADATA,,\n"
    "Demo_Pkg-1.2.dist-info/RECORD,,\n"
    "Demo_Pkg-1.2.dist-info/INSTALLER,,\n"
)


def test_a_package_is_hashed_by_its_files_and_not_by_its_record(tmp_path: Path) -> None:
    directory = site(tmp_path, RECORD)
    [before], _ = package_facts(Hashes(), [str(directory)])
    assert (before["name"], before["version"], before["installer"]) == ("demo-pkg", "1.2", "uv")
    assert before["basis"] == "RECORD"
    assert before["altered"] == ["demo_pkg/__init__.py"]  # the RECORD's claim is invented
    (directory / "demo_pkg" / "__init__.py").write_text("x = 2\n")
    [after], _ = package_facts(Hashes(), [str(directory)])
    assert before["sha256"] != after["sha256"]


def test_installer_notes_and_byte_code_do_not_count(tmp_path: Path) -> None:
    directory = site(tmp_path, RECORD)
    [before], _ = package_facts(Hashes(), [str(directory)])
    info = directory / "Demo_Pkg-1.2.dist-info"
    (info / "INSTALLER").write_text("pip\n")
    (info / "RECORD").write_text("".join(reversed(RECORD.splitlines(keepends=True))))
    (directory / "demo_pkg" / "__pycache__").mkdir()
    (directory / "demo_pkg" / "__pycache__" / "__init__.pyc").write_bytes(b"now")
    (info / "licenses").mkdir()
    (info / "licenses" / "LICENSE").write_text("do what you like")
    [after], _ = package_facts(Hashes(), [str(directory)])
    assert before["sha256"] == after["sha256"]


def test_a_file_that_the_record_lists_and_is_gone_is_named(tmp_path: Path) -> None:
    directory = site(tmp_path, RECORD)
    (directory / "demo_pkg" / "__init__.py").unlink()
    [package], _ = package_facts(Hashes(), [str(directory)])
    assert package["absent"] == ["demo_pkg/__init__.py"]


def test_a_package_without_record_is_known_by_its_modules(tmp_path: Path) -> None:
    directory = site(tmp_path)
    (directory / "Demo_Pkg-1.2.dist-info" / "top_level.txt").write_text("demo_pkg\n")
    [package], claimed = package_facts(Hashes(), [str(directory)])
    assert package["basis"] == "top_level.txt"
    assert package["sha256"]
    assert str(directory / "demo_pkg" / "__init__.py") in claimed


def test_a_package_of_which_no_file_is_known_has_no_hash(tmp_path: Path) -> None:
    directory = tmp_path / "site-packages"
    directory.mkdir()
    (directory / "ghost-1.0.egg-info").write_text("Name: ghost\nVersion: 1.0\n")
    [package], _ = package_facts(Hashes(), [str(directory)])
    assert package["sha256"] is None


def test_the_first_directory_on_the_path_wins_and_a_second_copy_is_listed(tmp_path: Path) -> None:
    first, second = site(tmp_path / "a", RECORD), site(tmp_path / "b", RECORD)
    (second / "Demo_Pkg-1.2.dist-info" / "METADATA").write_text("Name: demo_pkg\nVersion: 7\n")
    packages, _ = package_facts(Hashes(), [str(first), str(second)])
    versions = {package["name"]: package["version"] for package in packages}
    assert versions == {"demo-pkg": "1.2", f"demo-pkg in {second}": "7"}


def test_spark_is_read_from_inside_its_jars(home: Path) -> None:
    written = spark.spark_facts(str(home), "SPARK_HOME")
    assert written["version"] == "3.5.7"
    assert written["version_of_jar_name"] == "3.5.9"
    assert (written["scala"], written["hadoop"], written["revision"]) == ("2.12.18", "3.3.4", "abc")


def test_a_spark_home_without_jars_is_a_reason() -> None:
    directory, why = spark.find_spark_home({"SPARK_HOME": "/nowhere"})
    assert directory is None
    assert "/nowhere" in why


def test_extra_jars_come_from_the_class_path_and_each_file_counts_once(
    home: Path, tmp_path: Path
) -> None:
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "one.jar").write_bytes(b"1")
    (extra / "two.jar").write_bytes(b"2")
    inspection = look(SPARK_DIST_CLASSPATH=f"{extra}/*:{home}/jars/scala-library-2.12.18.jar")
    conf = Configuration(defaults={"spark.executor.extraClassPath": f"{extra}/one.jar:/etc/hadoop"})
    jars = jar_facts(inspection, conf, str(home))
    assert jars is not None
    assert [jar["name"] for jar in jars if jar["group"] == "extra"] == ["one.jar", "two.jar"]
    assert len(jars) == 5


def test_jars_of_another_class_path_are_of_the_group_of_their_directory(
    home: Path, tmp_path: Path
) -> None:
    livy = tmp_path / "livy" / "livy.jar"
    livy.parent.mkdir()
    livy.write_bytes(b"1")
    jars = jar_facts(look(), Configuration(), str(home), [str(livy)])
    assert jars is not None
    assert [jar["group"] for jar in jars if jar["name"] == "livy.jar"] == [str(livy.parent)]


def test_no_spark_no_jars_and_a_reason() -> None:
    inspection = look()
    assert jar_facts(inspection, Configuration(), None) is None
    assert inspection.missing["jars"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("spark.a b", {"spark.a": "b"}),
        ("spark.a=b", {"spark.a": "b"}),
        ("spark.a : b c", {"spark.a": "b c"}),
        ("  spark.a\tb = c  ", {"spark.a": "b = c"}),
        ("spark.a", {"spark.a": ""}),
        ("# spark.a b", {}),
        ("", {}),
        ("spark.a=b\\\n  c\nspark.\\u0064 e", {"spark.a": "bc", "spark.d": "e"}),
    ],
)
def test_spark_defaults_is_parsed_as_spark_does(line: str, expected: dict[str, str]) -> None:
    assert properties(line) == expected


def test_defaults_that_java_refuses_are_a_reason(home: Path) -> None:
    (home / "conf" / "spark-defaults.conf").write_text("spark.a b\nspark.b \\u12\n")
    inspection = look()
    conf = configuration.read(inspection, str(home))
    assert conf.shown()["defaults"] is None
    assert "line 2" in inspection.missing["conf.defaults"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spark.hadoop.fs.s3a.secret.key", "hunter2"),
        ("spark.hadoop.fs.s3a.access.key", "hunter2"),
        ("spark.authenticate.secret", "hunter2"),
        ("spark.ssl.keyPassword", "hunter2"),
        ("spark.hadoop.fs.s3a.session.token", "hunter2"),
        ("spark.hadoop.fs.azure.account.key.x.dfs", "hunter2"),
        ("spark.hadoop.fs.s3a.endpoint", "https://me:hunter2@host/"),
        (
            "spark.driver.extraJavaOptions",
            "-Xmx1g -Djavax.net.ssl.trustStorePassword=hunter2 -Da=b",
        ),
    ],
)
def test_a_secret_never_ends_in_facts(home: Path, key: str, value: str) -> None:
    (home / "conf" / "spark-defaults.conf").write_text(f"{key} {value}\n")
    (home / "conf" / "spark-env.sh").write_text("export AWS_SECRET_ACCESS_KEY=hunter2\n")
    (home / "conf" / "core-site.xml").write_text("<configuration>hunter2</configuration>")
    conf = configuration.read(look(SPARK_HOME=str(home)), str(home)).shown()
    assert key in conf["defaults"]
    assert "hunter2" not in json.dumps(conf)
    assert WITHHELD in conf["defaults"][key]


def test_a_usual_value_is_kept_as_it_is() -> None:
    for key, value in (("spark.sql.shuffle.partitions", "8"), ("spark.master", "k8s://https://h")):
        assert without_secrets(key, value) == value


def test_configuration_outranks_the_environment() -> None:
    env = {"PYSPARK_PYTHON": "/env/python"}
    chosen = interpreters.choose_pythons(env, Configuration())
    assert chosen["worker"] == chosen["driver"] == ("/env/python", "PYSPARK_PYTHON")
    conf = Configuration(defaults={"spark.pyspark.python": "/conf/python"})
    chosen = interpreters.choose_pythons(env, conf)
    assert chosen["worker"] == ("/conf/python", "spark.pyspark.python")
    assert interpreters.choose_pythons({}, Configuration())["worker"][0] == "python3"


def test_jupyter_as_driver_python_leads_to_its_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "jupyter"
    script.write_text(f"#!{sys.executable}\n")
    script.chmod(0o755)
    path, _ = interpreters.interpreter_of("jupyter", {"PATH": str(tmp_path)})
    assert path == sys.executable


def test_an_interpreter_that_is_not_there_is_a_reason() -> None:
    inspection = look(PYSPARK_PYTHON="/no/python")
    roles, usable = interpreters.python_facts(inspection, Configuration())
    assert roles["worker"]["interpreter"] is None
    assert usable == []
    assert "/no/python" in inspection.missing["python.worker"]


def test_an_interpreter_that_does_not_run_is_a_reason(tmp_path: Path) -> None:
    script = tmp_path / "python3"
    script.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    script.chmod(0o755)
    said, why = interpreters.probe(str(script))
    assert said is None
    assert "exit code 3" in why
    assert "broken" in why


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"JAVA_HOME": "/no/java"}, "JAVA_HOME is /no/java"),
        ({"PATH": "/nowhere"}, "no java is on PATH"),
    ],
)
def test_no_java_is_a_reason(env: dict[str, str], reason: str) -> None:
    inspection = look(**env)
    assert java_facts(inspection, None) is None
    assert reason in inspection.missing["java"]


JAVA = """#!/bin/sh
case "$*" in
*SimpleCompiler*) grep -q 'class Probe' || exit 1
    [ -f "$3" ] || exit 1
    echo 'Probe:'; echo '    charset = UTF-8'; echo '    time zone = UTC 0 0' ;;
esac
cat >&2 <<'END'
Picked up JAVA_TOOL_OPTIONS: -Xmx1g
VM settings:
    Max. Heap Size (Estimated): 3.00G
Property settings:
    java.class.version = 52.0
    java.home = /x/jre
    java.library.path = /usr/lib
        /lib
    java.runtime.version = 1.8.0_504-b01
    java.vendor = Debian
    java.version = 1.8.0_504
    java.vm.name = OpenJDK 64-Bit Server VM
    user.timezone =
Locale settings:
    default locale = English
    available locales = ar, de,
        en
END
"""


@pytest.mark.parametrize("with_compiler", [True, False])
def test_java_is_read_from_its_own_settings_and_from_a_class_that_asks(
    tmp_path: Path, with_compiler: bool
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(JAVA)
    java.chmod(0o755)
    jars = tmp_path / "jars"
    jars.mkdir()
    if with_compiler:
        (jars / "janino-3.1.9.jar").touch()
    written = java_facts(look(JAVA_HOME=str(tmp_path)), str(tmp_path))
    assert written is not None
    assert (written["vendor"], written["version"], written["class_level"]) == (
        "Debian",
        "1.8.0_504",
        "52.0",
    )
    assert written["runtime"] == "1.8.0_504-b01"
    settings = written["settings"]
    assert settings["java.library.path"] == "/usr/lib /lib"
    assert settings["user.timezone"] == ""
    assert settings["default locale"] == "English"
    assert settings.get("time zone") == ("UTC 0 0" if with_compiler else None)


@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC", "GMT", ":UTC"])
def test_the_names_of_utc_are_one_zone(zone: str) -> None:
    assert system.timezone_facts({"TZ": zone})["name"] == "UTC"


def test_of_a_variable_of_no_family_only_the_name_is_written() -> None:
    variables = {
        "MY_DSN": "hunter2",
        "OMP_NUM_THREADS": "1",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "JAVA_TOOL_OPTIONS": "-Dpassword=hunter2 -Duser.timezone=UTC",
        "https_proxy": "http://me:hunter2@proxy",
        "SPARK_EXECUTOR_ID": "7",
    }
    written = environment.of_families(variables)
    assert environment.of_no_family(variables) == ["MY_DSN"]
    assert written == {
        "AWS_SECRET_ACCESS_KEY": WITHHELD,
        "JAVA_TOOL_OPTIONS": f"-Dpassword={WITHHELD} -Duser.timezone=UTC",
        "OMP_NUM_THREADS": "1",
        "https_proxy": f"http://me:{WITHHELD}@proxy",
    }


def test_each_family_has_a_source_and_patterns() -> None:
    for name, source, patterns in environment.FAMILIES:
        assert name, source
        assert source
        assert patterns
    assert environment.family_of("LD_PRELOAD") == "loader"
    assert environment.family_of("TEAM_BUCKET") is None
    assert set(map(environment.family_of, environment.POINTERS)) <= {
        name for name, _, _ in environment.FAMILIES
    }


def test_variables_lead_to_places() -> None:
    env = {"PYTHONPATH": "/a:/b/", "CLASSPATH": "/c/*:x", "LD_PRELOAD": "libx.so /d", "HOME": "/h"}
    assert environment.places(env) == ["/a", "/b", "/c", "/d"]


def run_program(env: dict[str, str], *arguments: str) -> str:
    argv = [sys.executable, "-I", "-S", "-B", "-", *arguments]
    source = facts.collector_source()
    ended = subprocess.run(
        argv, input=source, env=env, cwd="/", capture_output=True, text=True, check=True
    )
    return ended.stdout


def test_as_one_program_in_an_empty_environment_it_gives_reasons_and_is_typed() -> None:
    written = facts.parse(run_program({"PATH": "/nowhere"}, "{}", "/nowhere"))
    assert written.spark is None
    assert written.java is None
    assert {"java", "spark", "jars", "python.worker"} <= set(written.missing)


@pytest.mark.parametrize("given", [{}, {"LC_CTYPE": "POSIX"}])
def test_the_locale_is_the_one_that_the_collector_was_given(given: dict[str, str]) -> None:
    env = {"PATH": "/nowhere", "LANG": "C", **given}
    written = json.loads(run_program(env, "{}", "/nowhere"))
    assert written["environment"] == {"LANG": "C", "PATH": "/nowhere", **given}


def test_two_looks_at_one_machine_give_one_document(tmp_path: Path) -> None:
    python = str(small_python.make(tmp_path / "venv"))
    env = {"PATH": "/nowhere", "PYSPARK_PYTHON": python, "HOME": str(tmp_path)}
    one, other = (run_program(env, "{}", str(tmp_path)) for _ in "ab")
    assert '"demo-pkg"' in one
    assert one == other
