"""Pin the base images by digest, from a registry that answers."""

from __future__ import annotations

import argparse

from sparkyard.family import stack
from sparkyard.plan import base_image, plan


def main(argv: list[str]) -> int:
    """Write conf/pins.toml."""
    parser = argparse.ArgumentParser(
        prog="nox -s pins --",
        description="Ask the registry for the base images' digests and pin them in conf/pins.toml.",
    )
    parser.parse_args(argv)
    for name in stack.known():
        where = plan.site(name)
        digest = base_image.pin(where.stack, where.settings)
        print(f"{base_image.reference(where.stack, where.settings)}@{digest}")
    return 0
