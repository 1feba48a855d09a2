"""Pin the base images by digest, from a registry that answers.

The digests are written into conf/pins.toml.
"""

from __future__ import annotations

from sparkyard import commands
from sparkyard.builds import turn
from sparkyard.plan import base_image, plan


def main(argv: list[str]) -> int:
    """Write conf/pins.toml."""
    parser = commands.parser("pins", __doc__)
    parser.parse_args(argv)
    with turn.taken():
        where = plan.site()  # all stacks stand on one Debian
        digest = base_image.pin(where.project, where.settings)
        print(f"{base_image.reference(where.project, where.settings)}@{digest}")
    return 0
