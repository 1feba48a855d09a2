"""What does a notebook say of a wrong SPARK_HOME, of a driver that ended, of a second copy?"""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path
from types import ModuleType

import pytest

from sparkyard import paths

SOURCE = paths.IMAGES / "pyspark-notebook" / "sparkyard_notebook"


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"notebook_{name}", SOURCE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


homes, ending, packages = module("homes"), module("ending"), module("packages")


def program(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o755)
    return file


def test_homes_that_are_right_or_unset_say_nothing(tmp_path: Path) -> None:
    program(tmp_path / "bin/spark-submit")
    program(tmp_path / "bin/java")
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars/spark-core_2.12-3.5.9.jar").touch()
    here = str(tmp_path)
    assert homes.wrong_home({"SPARK_HOME": here, "JAVA_HOME": here}, "3.5.9") == ""
    assert homes.wrong_home({}, "3.5.9") == ""


@pytest.mark.parametrize("variable", ["SPARK_HOME", "JAVA_HOME"])
def test_a_home_that_is_not_there_is_named(variable: str) -> None:
    said = homes.wrong_home({variable: "/usr/local/else"}, "3.5.9")
    assert said.startswith(f"{variable} is /usr/local/else, and no ")
    assert f"Unset {variable}" in said
    assert "\n" not in said


def test_a_spark_of_another_version_is_named(tmp_path: Path) -> None:
    program(tmp_path / "bin/spark-submit")
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars/spark-core_2.13-4.0.1.jar").touch()
    said = homes.wrong_home({"SPARK_HOME": str(tmp_path)}, "3.5.9")
    assert "which is Spark 4.0.1; this notebook's PySpark is 3.5.9" in said


def test_a_driver_out_of_memory_names_the_setting_and_a_larger_value() -> None:
    said = ending.why(52, "512m")
    assert "ran out of memory: spark.driver.memory is 512m" in said
    assert '.config("spark.driver.memory", "1024m").getOrCreate()' in said
    assert "SPARK_DRIVER_MEMORY=1024m" in said


@pytest.mark.parametrize(
    ("code", "for_memory", "said"),
    [
        (-signal.SIGKILL, True, "reached its memory limit"),
        (-signal.SIGKILL, False, "was killed (SIGKILL), by a person or"),
        (-signal.SIGTERM, False, "was told to stop (SIGTERM)"),
        (143, False, "was told to stop (SIGTERM)"),
        (-signal.SIGABRT, False, "crashed (SIGABRT); a file hs_err_pid*.log"),
        (53, False, "could not write below spark.local.dir"),
        (1, False, "ended with exit code 1"),
    ],
)
def test_each_end_of_a_driver_has_its_cause(code: int, for_memory: bool, said: str) -> None:
    told = ending.why(code, "1g", for_memory=for_memory)
    assert said in told
    assert "SparkSession.builder.getOrCreate() starts a new one" in told


def test_kills_for_memory_are_counted_in_both_kinds_of_cgroups(tmp_path: Path) -> None:
    assert ending.killed_for_memory(tmp_path) == 0
    old = tmp_path / "memory" / "memory.oom_control"
    old.parent.mkdir()
    old.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert ending.killed_for_memory(tmp_path) == 2
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n")
    assert ending.killed_for_memory(tmp_path) == 1


def test_the_containers_limit_is_read_and_none_is_none(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("max\n")
    assert ending.limit(tmp_path) == ""
    limit.write_text(f"{3 << 30}\n")
    assert ending.limit(tmp_path) == "3072 MiB"


def test_a_copy_that_is_not_used_is_named(tmp_path: Path) -> None:
    before, image, after = (tmp_path / name for name in ("before", "image", "after"))
    for directory, version in ((before, "2.0"), (image, "1.26"), (after, "3.0")):
        (directory / f"num_py-{version}.dist-info").mkdir(parents=True)
    (after / "own-1.0.dist-info").mkdir()
    path = ["", str(before), str(image), str(after), "/nowhere"]
    (second,) = packages.second_copies(path, str(image))
    assert second.startswith(f"num-py 3.0 of {after} is not used: the image's 1.26 comes first.")


def test_a_module_that_is_taken_from_elsewhere_is_named(tmp_path: Path) -> None:
    image, before, after = (tmp_path / name for name in ("image", "before", "after"))
    for directory in (image, before, after):
        (directory / "numpy").mkdir(parents=True)
        (directory / "numpy/__init__.py").touch()
        (directory / "six.py").touch()
    (before / "own.py").touch()
    (image / "pyspark/python/numpy").mkdir(parents=True)  # Spark's own entry in PYTHONPATH
    path = [str(image / "pyspark/python"), str(before), "/a.zip", str(image), str(after)]
    (line,) = packages.shadows(path, str(image))
    assert line.startswith(
        f"Python takes numpy, six from {before}, in the place of the image's own"
    )
    assert "PYTHONPATH" in line
