"""Lock the Python and Debian packages and the jars, and export them for builds."""

from __future__ import annotations

from sparkyard import commands, console, paths, settings
from sparkyard.builds import apt_resolver, bake
from sparkyard.engine import engine
from sparkyard.family import images, stack
from sparkyard.locks import apt_lock, dependencies, jar_resolver, jars, spark_jars
from sparkyard.plan import base_image, plan


def main(argv: list[str]) -> int:
    """Write poetry.lock, requirements/, jars/ and the locks of apt/ of a stack, or of all."""
    parser = commands.parser("dependencies", __doc__)
    commands.add_stack(parser, default="all")
    parser.add_argument(
        "--upgrade", nargs="*", metavar="PACKAGE", default=None,
        help="let these Python packages move to newer versions; all without names",
    )  # fmt: skip
    parser.add_argument("--check", action="store_true", help="only check that all is current")
    parser.add_argument("--apt", action="store_true", help="lock the Debian packages alone")
    parser.add_argument("--tools", action="store_true", help="lock Sparkyard's own tools instead")
    chosen = parser.parse_args(argv)
    if chosen.tools:
        dependencies.lock_tools(paths.ROOT, settings.load())
        return 0
    for name in [chosen.stack] if chosen.stack else stack.known():
        where = plan.site(name)
        directory = where.stack.dependencies
        if not chosen.check:
            upgrade = ["."] if chosen.upgrade == [] else chosen.upgrade or []
            engine.ensure()
            if not chosen.apt:
                dependencies.lock(directory, where.settings, upgrade=upgrade)
            apt_resolver.lock(where)
            if not chosen.apt:
                _lock_jars(where)
        dependencies.check_current(directory)
        dependencies.check_closed(directory, images.load())
        jars.check_current(directory)
        apt_lock.check_current(where.stack)
        console.note(f"{name}: locks and exports are current.")
    return 0


def _lock_jars(where: plan.Site) -> None:
    """Resolve the jars in a container on the stack's own base."""
    bundle = settings.ca_bundle(where.settings)
    base = base_image.named(where.stack, where.settings)
    bake.write_mirrors(where.settings)
    secrets = bake.secrets(where.settings)
    jars.lock(
        where.stack.dependencies,
        resolve=jar_resolver.in_container(base, where.stack.debian, secrets=secrets),
        spark_jars=spark_jars.names(
            where.stack.dependencies,
            index=where.settings.pypi_index or settings.PYPI,
            ca_bundle=bundle,
        ),
        class_level=where.stack.class_level,
    )
