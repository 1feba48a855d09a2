"""Do the jars of each class path fit together in the images, as they did when they were locked?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sparkyard.locks import jars
from sparkyard.locks.class_paths import OF_SPARK, SPARK
from sparkyard.locks.jar_checks import Jar, check, name_of
from sparkyard.plan.plan import Site
from tests.support import Container


@pytest.mark.parametrize("side", ["driver_image", "executor_image"])
def test_the_jars_of_each_jvm_fit(
    request: pytest.FixtureRequest,
    containers: Callable[[str], Container],
    site: Site,
    side: str,
) -> None:
    container = containers(request.getfixturevalue(side))
    groups = jars.declared(site.stack.dependencies)
    class_paths = {OF_SPARK, *(group.class_path for group in groups)}
    found: dict[str, list[Jar]] = {}
    for class_path in class_paths:
        directory = class_path.directory or site.stack.arguments["JARS_DIRECTORY"]
        listed = container.exec("ls", directory, check=class_path == OF_SPARK).stdout.split()
        found[class_path.name] = [name_of(file, where=directory) for file in listed]
    assert len(found[SPARK]) > 200
    jvms = [[jar for name in class_path.jvm for jar in found[name]] for class_path in class_paths]
    check(jvms, site.stack.class_level)
