"""How quick are builds, and how small are images? Ratios and aims, all measured in one run."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import floor
from bench.table import Measure
from sparkyard import console, paths
from sparkyard.builds import bake
from sparkyard.command import run
from sparkyard.engine import engine
from sparkyard.facts import layers
from sparkyard.facts.layers import Layer
from sparkyard.fetch import sources
from sparkyard.locks import dependencies
from sparkyard.plan import plan

NAMESPACE = "sparkyard-bench"
_NOOP_RUNS = 5
BUMPED = "tabulate"
"""The package whose bump is measured: pure Python, of the team's group."""


def measure() -> list[Measure]:
    """Measure everything; the engine's build cache is emptied on the way.

    Works on a copy of the checkout and in a namespace of its own, so images and files stay.
    """
    with _copy_of_checkout() as copy:
        site = plan.site()
        bake.write_mirrors(site.settings)
        console.note("the floor: fetch and unpack the same inputs")
        bare = floor.seconds(site)
        console.note("cold build of the family")
        engine.client("buildx", "prune", "--all", "--force")
        cold = copy.build()
        console.note("nothing to do")
        idle = [copy.timed("make", "jupyterhub") for _ in range(_NOOP_RUNS)]
        before = copy.layers()
        console.note("a one-line change in a leaf")
        with (copy.root / "conf/kernels/scala/kernel.py").open("a") as file:
            file.write("# one more line\n")
        leaf = copy.timed("make", "jupyterhub")
        console.note("one pure-Python package bumped")
        bump(copy.root)
        bumped = copy.build()
        after = copy.layers()
    return [
        Measure("fetch and unpack, the floor", bare["all"], "s"),
        Measure("cold build of the family", cold, "s"),
        Measure("cold build over the floor", cold / bare["all"], "x", 1.5),
        Measure("make jupyterhub with nothing to do, median", statistics.median(idle), "s", 1),
        Measure("one-line leaf change", leaf, "s", 10),
        Measure("one package bumped, both images", bumped, "s"),
        *_sizes(before, after),
    ]


def _sizes(before: layers.LayerComparison, after: layers.LayerComparison) -> list[Measure]:
    driver, executors = _compressed(before.driver), _compressed(before.executors)
    s3a = _compressed(tuple(x for x in before.executors if _is_s3a(x)))
    sent = _new(before.driver, after.driver)
    return [
        Measure("compressed bytes of changed layers, datascience-notebook", sent, "B"),
        Measure("the same over the image's bytes", 100 * sent / driver, "%", 5),
        Measure(
            "compressed bytes of changed layers, spark-executors",
            _new(before.executors, after.executors),
            "B",
        ),
        Measure(
            "bytes the executors add to a node that has the notebook",
            _compressed(before.only_executors),
            "B",
            20e6,
        ),
        Measure("datascience-notebook compressed", driver, "B", 1.2e9),
        Measure("spark-executors compressed", executors, "B"),
        Measure("spark-executors compressed without S3A", executors - s3a, "B", 500e6),
    ]


def _is_s3a(layer: Layer) -> bool:
    return any("aws-java-sdk-bundle" in path for path in layer.paths or ())


def _compressed(these: tuple[Layer, ...]) -> float:
    return float(sum(layer.compressed or 0 for layer in these))


def _new(before: tuple[Layer, ...], after: tuple[Layer, ...]) -> float:
    known = {layer.diff_id for layer in before}
    return _compressed(tuple(layer for layer in after if layer.diff_id not in known))


class _Copy:
    """A copy of the checkout that builds into the bench's own namespace, from a cold cache."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        # MAKEFLAGS would hand the options of a `make bench` to the make that is measured.
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        self.environment = {
            **kept,
            "SPARKYARD_NAMESPACE": NAMESPACE,
            "SPARKYARD_CACHE": str(cache),
            "CI": "true",
        }

    def timed(self, *argv: str) -> float:
        """Run a command in the copy and return its seconds."""
        started = time.monotonic()
        with (self.root / "bench.log").open("ab") as log:
            subprocess.run(
                argv, cwd=self.root, env=self.environment, stdout=log, stderr=log, check=True
            )
        return time.monotonic() - started

    def build(self) -> float:
        """Build the whole family and return the seconds it took."""
        return self.timed(sys.executable, "-m", "sparkyard", "build")

    def layers(self) -> layers.LayerComparison:
        """Return the layers of the pair as they are now."""
        site = plan.site()
        driver, executors = (f"{NAMESPACE}/{name}:{site.project.name}" for name in site.family.pair)
        return layers.compare(driver, executors, list_shared=True)


def bump(root: Path) -> None:
    """Lock the measured package, in a checkout, at the release before the one that is locked.

    Raises:
        SparkyardError: as `dependencies.lock`.
    """
    where = plan.site()
    directory = root / where.project.dependencies.relative_to(paths.ROOT)
    declaration = directory / "pyproject.toml"
    lock = (directory / "poetry.lock").read_text()
    declaration.write_text(older(declaration.read_text(), lock))
    dependencies.lock(directory, where.settings, sources.archive)


def older(declared: str, lock: str) -> str:
    """Return a declaration that asks for less of the measured package than is locked.

    Args:
        declared: pyproject.toml, whatever it asks for now.
        lock: the poetry.lock that belongs to it.
    """
    now = lock.split(f'name = "{BUMPED}"\nversion = "')[1].split('"', maxsplit=1)[0]
    return re.sub(rf'^{BUMPED} = ".*"$', f'{BUMPED} = "<{now}"', declared, flags=re.MULTILINE)


def files_of_checkout() -> list[str]:
    """Return the files of the checkout that are or will be in a commit."""
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=paths.ROOT)
    return [file for file in listed.stdout.splitlines() if (paths.ROOT / file).is_file()]


@contextmanager
def _copy_of_checkout() -> Iterator[_Copy]:
    paths.BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=paths.BUILD) as name:
        root = Path(name) / "checkout"
        for file in files_of_checkout():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(paths.ROOT / file, root / file)
        (root / ".venv").symlink_to(paths.ROOT / ".venv")
        copy = _Copy(root, Path(name) / "cache")
        try:
            yield copy
        finally:
            _remove_images()


def _remove_images() -> None:
    listed = engine.client("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    ours = [tag for tag in listed if tag.startswith(f"{NAMESPACE}/")]
    if ours:
        engine.client("image", "rm", "--force", *ours)
