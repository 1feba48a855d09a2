"""How is the family built once for a comparison, without cache and without anybody's tags?

Run as a module in a process of its own, so that it can be given another environment:
    python -m sparkyard.builds.reproduce_build STACK TAG RESULT [IMAGE...]
RESULT gets the digest of each image, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from sparkyard import console
from sparkyard.builds import bake, build, supply
from sparkyard.command import run
from sparkyard.engine import engine
from sparkyard.errors import SparkyardError
from sparkyard.plan import plan

REPOSITORY = "sparkyard-reproduce"


def main(stack: str, tag: str, result: Path, wanted: tuple[str, ...]) -> int:
    """Build, and return the exit code."""
    where = plan.site(stack, locked=True)
    try:
        engine.ensure()
        base = supply.base(where, plan.published(where.family, wanted))
        planned = plan.make(where, wanted, base).all_anew()
        build._place_uv()
        bake.write_mirrors(where.settings)
        document = bake.definition(planned, where, base)
        names = rename(document, tag)
        file = bake.write(document, result.with_name("bake.json"))
        build._bake(file, no_cache=True)
        built = engine.inspect(names.values())
        result.write_text(json.dumps({image: built[name]["Id"] for image, name in names.items()}))
    except SparkyardError as error:
        return console.fail(error)
    return 0


def rename(document: dict[str, Any], tag: str) -> dict[str, str]:
    """Give the images of a definition names of their own, and return these by image.

    Nothing else about them changes: what they are called is no part of an image.
    """
    names = {}
    for target, entry in document["target"].items():
        if "tags" in entry:
            names[target] = f"{REPOSITORY}/{target}:{tag}"
            entry["tags"] = [names[target]]
    return names


def remove(tag: str) -> None:
    """Remove the images that were built under a tag from the engine."""
    form = "{{.Repository}}:{{.Tag}}"
    listed = run(["docker", "image", "ls", "--format", form], check=False).stdout.split()
    mine = [n for n in listed if n.startswith(f"{REPOSITORY}/") and n.endswith(f":{tag}")]
    if mine:
        run(["docker", "image", "rm", "--force", *mine], check=False)


if __name__ == "__main__":
    os.umask(int(os.environ.get("SPARKYARD_REPRODUCE_UMASK", "022"), 8))
    sys.exit(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), tuple(sys.argv[4:])))
