"""Is the Python the project's, and every locked package there, in its version, whole and usable?"""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

from sparkyard.plan.plan import Site
from tests.images.packages import check_command, failing, locked
from tests.support import Container

NOT_IMPORTED = {
    # Of use only to who draws with matplotlib, and does not ask for it.
    "matplotlib-inline": "import matplotlib_inline: "
    "ModuleNotFoundError: No module named 'matplotlib'",
}
"""What is known to be wrong with a package, with the reason why that is no fault of the image."""


@pytest.mark.where_added
def test_every_locked_package_imports(container: Container, site: Site, image: str) -> None:
    wanted = locked(site, image)
    assert wanted
    wrong = failing(container, wanted)
    assert {name: why for name, why in wrong.items() if NOT_IMPORTED.get(name) != why} == {}


def test_nothing_but_the_locked_packages_is_there(
    container: Container, site: Site, image: str
) -> None:
    names = container.python(
        "import importlib.metadata as m, json, re; print(json.dumps(sorted("
        "re.sub('[-_.]+', '-', d.metadata['Name']).lower() for d in m.distributions())))"
    )
    assert sorted(set(json.loads(names))) == sorted(locked(site, image))


def test_packages_have_what_they_need(container: Container) -> None:
    ended = container.exec(*check_command(), check=False)
    assert ended.exit_code == 0, ended.stderr


def test_python_is_the_projects(container: Container, site: Site) -> None:
    told = json.loads(
        container.python(
            "import json, locale, sys; print(json.dumps(["
            "'%d.%d' % sys.version_info[:2], sys.prefix, locale.getpreferredencoding()]))"
        )
    )
    assert told == [site.project.python, site.project.prefix, "UTF-8"]


def test_time_is_utc(host: Host, container: Container) -> None:
    assert host.run("date +%Z%z").stdout.strip() == "UTC+0000"
    assert container.python("import time; print(time.tzname, time.timezone)") == (
        "('UTC', 'UTC') 0"
    )


def test_the_user_does_not_write_into_the_environment(host: Host, site: Site) -> None:
    assert host.file(site.project.prefix).is_directory
    assert host.run("touch %s", f"{site.project.prefix}/probe").rc != 0
