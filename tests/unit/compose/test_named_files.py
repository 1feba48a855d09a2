"""Is a file or a Python that a session names, and that is not there, refused?"""

from __future__ import annotations

import sys

import pytest

from tests.unit.compose.conftest import WRONG, Site


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (["--jars", "a.jar,/no/b.jar"], {}, "spark.jars names /no/b.jar, which cannot be read: No"),
        (["--conf", "spark.jars=file:///no/b%20c.jar"], {}, "/no/b c.jar, which cannot be read"),
        (["--conf", "spark.jars=local:/no/b.jar"], {}, "/no/b.jar, which cannot be read"),
        (["--jars", "/no/*.jar"], {}, "/no/*.jar, which cannot be read: no file matches"),
        (["--py-files", "/no/b.py"], {}, "spark.submit.pyFiles names /no/b.py, which cannot be"),
        ([], {"PYSPARK_PYTHON": "/no/python"}, "PYSPARK_PYTHON=/no/python cannot be run: No such"),
        (
            [],
            {"PYSPARK_PYTHON": f"{sys.executable} "},
            "PYSPARK_PYTHON begins or ends with a blank",
        ),
        (["pyspark-shell"], {"PYSPARK_PYTHON": ""}, "PYSPARK_PYTHON= cannot be run: No such"),
        ([], {"PYSPARK_PYTHON": "no-python"}, "PYSPARK_PYTHON=no-python cannot be run: No such"),
        ([], {"PYSPARK_PYTHON": "/"}, "PYSPARK_PYTHON=/ cannot be run: Is a directory"),
        ([], {"PYSPARK_PYTHON": __file__}, "cannot be run: Permission denied"),
        (["a.py"], {"PYSPARK_DRIVER_PYTHON": "/no/python"}, "PYSPARK_DRIVER_PYTHON=/no/python"),
        (
            ["--master", "spark://host:7077"],
            {"PYSPARK_PYTHON": "/opt/venv/bin/python3.99"},
            "PYSPARK_PYTHON=/opt/venv/bin/python3.99 cannot be run: No such file or directory",
        ),
        (["--conf", "spark.pyspark.python=/no/python"], {}, "spark.pyspark.python=/no/python"),
        (
            ["--conf", "spark.pyspark.driver.python=/no/python"],
            {},
            "spark.pyspark.driver.python=/no/python",
        ),
    ],
)
def test_what_a_session_names_and_is_not_there_is_refused(
    site: Site, words: list[str], variables: dict[str, str], said: str
) -> None:
    (site.root / "work" / "a.jar").touch()
    code, message = site.refused(*words, **variables)
    assert code == WRONG
    assert said in message


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (["--jars", "a.jar,file:a.jar,https://host/b.jar,hdfs:///c.jar,*.jar,a.jar#name"], {}),
        (["--deploy-mode", "cluster", "--jars", "local:/in/the/pod.jar"], {}),
        (["--deploy-mode", "cluster"], {"PYSPARK_PYTHON": "/in/the/pod"}),
        (["--master", "spark://host:7077"], {"PYSPARK_PYTHON": "/of/the/workers/python"}),
        ([], {"PYSPARK_PYTHON": "./environment/bin/python"}),
        ([], {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}),
        ([], {"PYSPARK_PYTHON": "sh"}),
        ([], {"PYSPARK_PYTHON": "", "PYSPARK_DRIVER_PYTHON": ""}),
        (["--jars", "https://[host/a.jar"], {}),
        (["pyspark-shell"], {"PYSPARK_DRIVER_PYTHON": "/not/started/by/spark"}),
    ],
)
def test_what_is_there_or_may_be_elsewhere_is_taken(
    site: Site, words: list[str], variables: dict[str, str]
) -> None:
    (site.root / "work" / "a.jar").touch()
    assert site.start(*words, **variables).returncode == 0


def test_a_history_server_needs_no_python_of_a_session(site: Site) -> None:
    started = site.start(
        command="org.apache.spark.deploy.history.HistoryServer", PYSPARK_PYTHON="/no/python"
    )
    assert started.returncode == 0, started.stderr
