"""Are the locked jars in the directories of their class paths, and do those of a JVM fit there?"""

from __future__ import annotations

from sparkyard.family import images
from sparkyard.locks import jars
from sparkyard.locks.class_paths import OF_SPARK
from sparkyard.locks.jar_checks import check, name_of
from sparkyard.plan.plan import Site
from tests.support import Container


def test_locked_jars_are_on_their_class_path_and_fit(
    container: Container, site: Site, image: str
) -> None:
    stack = site.project
    layers = site.family.takes(image)
    groups = [
        group
        for group in jars.declared(stack.dependencies)
        if f"{images.JARS}{group.name}" in layers
    ]
    class_paths = {group.class_path for group in groups}
    if any(class_path.has_spark for class_path in class_paths):
        class_paths.add(OF_SPARK)
    directories = {
        class_path: class_path.directory or stack.arguments["JARS_DIRECTORY"]
        for class_path in class_paths
    }
    files = {
        class_path.name: container.exec("ls", directory).stdout.split()
        for class_path, directory in directories.items()
    }
    for group in groups:
        locked = {jar.name for jar in jars.locked_group(stack.dependencies, group)}
        assert locked
        assert locked <= set(files[group.class_path.name])
    jvms = [
        [name_of(file, where=image) for path in class_path.jvm for file in files.get(path, ())]
        for class_path in directories
    ]
    check(jvms, stack.class_level)
