"""Start the registry on this machine's loopback that serves where none is named."""

from __future__ import annotations

import dataclasses
import json

from sparkyard import commands, console
from sparkyard.plan import plan
from sparkyard.services import local_registry


def main(argv: list[str]) -> int:
    """Start the registry on loopback, or do with it what an option says.

    Raises:
        SettingsError: something else has its port.
        SparkyardError: see `local_registry.ensure`.
    """
    parser = commands.parser("registry", __doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--stop", action="store_true", help="stop it; what it holds stays")
    what.add_argument("--remove", action="store_true", help="stop it and delete what it holds")
    parser.add_argument("--json", action="store_true", help="print a JSON document")
    chosen = parser.parse_args(argv)
    where = plan.site()
    if chosen.stop:
        was = local_registry.stop()
        console.note("stopped; what it holds is kept" if was else "it was not running")
    elif chosen.remove:
        was = local_registry.remove()
        console.note(
            "removed, with its volume and all images in it" if was else "there was none to remove"
        )
    else:
        local_registry.ensure(where)
    now = local_registry.state(where.settings)
    if chosen.json:
        print(json.dumps(dataclasses.asdict(now), indent=2))
    elif now.running:
        print(f"{now.host} answers; images: {now.host}/{_namespace(where)}/IMAGE:TAG")
    if where.settings.registry:
        console.note(f"REGISTRY is set: pushes go to {where.settings.registry}, not here")
    return 0


def _namespace(where: plan.Site) -> str:
    return where.settings.namespace or where.family.namespace
