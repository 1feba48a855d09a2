"""Makes PySpark at home in a notebook. Every Python of the images imports this at its start.

So it does little here: `driver` takes care of each JVM that PySpark starts, once PySpark is
imported, and a user's packages are found, once there are some.
"""

import os
import site
import sys


class _WaitForPySpark:
    """Hands PySpark's launcher of JVMs to `driver`, before another module takes names from it."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def] # noqa: ARG002
        if name != "pyspark.java_gateway":
            return None
        sys.meta_path.remove(self)
        from importlib.machinery import PathFinder  # noqa: PLC0415

        spec = PathFinder.find_spec(name, path)
        loader = spec.loader

        def execute_and_attend(module):  # type: ignore[no-untyped-def]
            del loader.exec_module  # the loader of a zip has other modules to load
            loader.exec_module(module)
            from . import driver  # noqa: PLC0415

            driver.attend(module)

        loader.exec_module = execute_and_attend
        return spec


class _WaitForPackages:
    """Finds a user's first package: its directory was not there when this Python started."""

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def] # noqa: ARG002
        if path is not None or not add_packages():
            return None
        from importlib.machinery import PathFinder  # noqa: PLC0415

        return PathFinder.find_spec(name, [site.getusersitepackages()])


def add_packages() -> bool:
    """Let Python find the user's packages; return whether it did not before."""
    home = site.getusersitepackages() if site.ENABLE_USER_SITE else ""
    if home in sys.path or not os.path.isdir(home):
        return False
    sys.path.append(home)
    sys.path_importer_cache.pop(home, None)
    return True


sys.meta_path.insert(0, _WaitForPySpark())  # type: ignore[arg-type]
sys.meta_path.append(_WaitForPackages())  # type: ignore[arg-type]
