"""Do two builds of the same inputs give the same images? And if not, which files differ?

The first build is one of the everyday engine, without its cache. The second begins with nothing: an
engine of its own that lives under another host name, on one processor, later, in another time zone
and with another umask. What cannot be varied is said in docs/reproducible.md.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparkyard import console, paths
from sparkyard.builds.reproduce_build import remove
from sparkyard.command import run
from sparkyard.engine.second import elsewhere, second_engine
from sparkyard.errors import BuildFailedError, NotReproducibleError
from sparkyard.facts import layer_difference, layers
from sparkyard.facts.layer_difference import FileDifference
from sparkyard.fetch import store
from sparkyard.plan.plan import Site

DATA = Path("/var/tmp")  # noqa: S108 - a directory of its own is made in it
"""Where an engine's data fits: /tmp is memory on many machines."""
SHOWN = 12
"""Files that are named of each differing layer; --json has them all."""
_SECOND = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "SPARKYARD_REPRODUCE_UMASK": "077"}
"""What the second build's process has otherwise."""


@dataclass(frozen=True)
class LayerDifference:
    """A layer that differs: which from below, what made it, its digests, its files that differ.

    Without any files, the same ones were written in another order or compressed otherwise, or the
    engines' stores could not be read.
    """

    number: int
    created_by: str
    first: str
    second: str
    files: tuple[FileDifference, ...]


@dataclass(frozen=True)
class Compared:
    """One image, built twice: its digests, and in what they differ."""

    image: str
    first: str
    second: str
    layers: tuple[LayerDifference, ...] = ()
    configuration: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Tell whether both builds gave the same image."""
        return self.first == self.second


@dataclass(frozen=True)
class Reproduced:
    """All images compared, and how long each build took, in seconds."""

    images: tuple[Compared, ...]
    seconds: tuple[float, float]

    def as_json(self) -> str:
        """Return the document that `nox -s reproduce -- --json` prints."""
        return json.dumps({"same": all(i.same for i in self.images), **asdict(self)}, indent=2)


def reproduce(
    where: Site, wanted: tuple[str, ...], *, second: str = "", place: Path = DATA
) -> Reproduced:
    """Build twice without cache and compare; nothing that carries a tag is touched.

    Args:
        where: what is built, for which site.
        wanted: names of images or of their sessions; all published when empty.
        second: DOCKER_HOST of the engine for the second build; one that is started for it if empty.
        place: where the data of such an engine is meanwhile.

    Raises:
        EngineMissingError: an engine for the second build cannot be started here.
        SparkyardError: what stopped a build.
    """
    tag = uuid.uuid4().hex[:12]
    paths.BUILD.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="reproduce-", dir=paths.BUILD))
    try:
        console.note("first build, by the everyday engine, without its cache")
        first, took = _build(where, wanted, tag, work / "first")
        console.note(f"first build: {took:.0f} s; second build, elsewhere")
        if second:
            other = {**_SECOND, "DOCKER_HOST": second}
            again, took_again = _build(where, wanted, tag, work / "second", other)
            compared = _compare(first, again, "", second)
            with _engine(second):
                remove(tag)
        else:
            with second_engine(place) as own:
                other = {**_SECOND, "DOCKER_HOST": own.host}
                again, took_again = _build(where, wanted, tag, work / "second", other)
                compared = _compare(first, again, "", own.host)
    finally:
        remove(tag)
        shutil.rmtree(work, ignore_errors=True)
    return Reproduced(compared, (took, took_again))


def check(reproduced: Reproduced) -> None:
    """Refuse images that are not the same.

    Raises:
        NotReproducibleError: the message names the images, the detail the layers and files.
    """
    differing = [image for image in reproduced.images if not image.same]
    if differing:
        raise NotReproducibleError(
            f"{len(differing)} of {len(reproduced.images)} images came out otherwise the second "
            f"time: {', '.join(image.image for image in differing)}.",
            "The lines above name the files: let the step that writes them leave out what changes, "
            "or end in `settle`; see docs/reproducible.md.",
            detail="\n".join(line for image in differing for line in described(image)),
        )


def described(image: Compared) -> list[str]:
    """Return lines that say in what an image's two builds differ."""
    lines = [f"{image.image}:"]
    lines += [f"  configuration: {name} differs" for name in image.configuration]
    for layer in image.layers:
        lines.append(f"  layer {layer.number}, made by: {layer.created_by[:100]}")
        lines += [f"    {file.path}: {', '.join(file.what)}" for file in layer.files[:SHOWN]]
        if len(layer.files) > SHOWN:
            lines.append(f"    and {len(layer.files) - SHOWN} more; --json has them all")
        if not layer.files:
            lines.append("    no file differs, or the layers could not be read here")
    return lines


def compare(
    image: str, digests: tuple[str, str], stores: tuple[Path | None, Path | None]
) -> Compared:
    """Return how two builds of an image compare, whose contents lie in two stores of blobs."""
    if digests[0] == digests[1] or stores[0] is None or stores[1] is None:
        return Compared(image, *digests)
    both = (stores[0], stores[1])
    manifests = [_read(store, digest) for store, digest in zip(both, digests, strict=True)]
    configs = [_read(s, m["config"]["digest"]) for s, m in zip(both, manifests, strict=True)]
    made_by = [
        str(entry.get("created_by", ""))
        for entry in configs[0].get("history", ())
        if not entry.get("empty_layer")
    ]
    differences = []
    pairs = zip(*([layer["digest"] for layer in m["layers"]] for m in manifests), strict=False)
    for number, pair in enumerate(pairs, 1):
        if pair[0] != pair[1]:
            files = layer_difference.of_stores(both, pair)
            by = made_by[number - 1] if number <= len(made_by) else "?"
            differences.append(LayerDifference(number, by, pair[0], pair[1], files))
    return Compared(image, *digests, tuple(differences), _configuration(*configs))


def _configuration(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of what differs in two image configurations, apart from their layers."""
    names = set(first) | set(second)
    differing = {name for name in names - {"rootfs"} if first.get(name) != second.get(name)}
    if "config" in differing:
        one, other = first.get("config", {}), second.get("config", {})
        differing |= {f"config.{n}" for n in set(one) | set(other) if one.get(n) != other.get(n)}
        differing -= {"config"}
    if len(first["rootfs"]["diff_ids"]) != len(second["rootfs"]["diff_ids"]):
        differing |= {"the number of layers"}
    return tuple(sorted(differing))


def _build(
    where: Site,
    wanted: tuple[str, ...],
    tag: str,
    work: Path,
    environment: Mapping[str, str] | None = None,
) -> tuple[dict[str, str], float]:
    """Return the digest of each image built, and the seconds that took."""
    work.mkdir()
    result = work / "images.json"
    argv = [sys.executable, "-m", "sparkyard.builds.reproduce_build", where.project.name, tag]
    argv += [str(result), *wanted]
    if environment:
        # A cache of its own: Debian is bootstrapped anew as well, under the other host name.
        environment = {**environment, "SPARKYARD_CACHE": str(work / "cache")}
        (work / "cache").mkdir()
        # Debian's archive may have deleted what is locked: the store may be the last that has it.
        (work / "cache" / store.NAME).symlink_to(store.directory())
        argv = elsewhere(argv) if os.geteuid() == 0 else argv
    started = time.monotonic()
    ended = run(argv, capture=False, check=False, env=environment, cwd=paths.ROOT)
    if ended.exit_code != 0:
        which = "second" if environment else "first"
        raise BuildFailedError(
            f"The {which} build failed, with exit code {ended.exit_code}.",
            "It said why above: mend that and run the same command again.",
        )
    digests: dict[str, str] = json.loads(result.read_text())
    return digests, time.monotonic() - started


def _compare(
    first: Mapping[str, str], second: Mapping[str, str], *hosts: str
) -> tuple[Compared, ...]:
    sample = [next(iter(digests.values())) for digests in (first, second)]
    stores = []
    for host, digest in zip(hosts, sample, strict=True):
        with _engine(host):
            stores.append(layers.content_store(digest))
    return tuple(
        compare(image, (digest, second[image]), (stores[0], stores[1]))
        for image, digest in first.items()
    )


@contextmanager
def _engine(host: str) -> Iterator[None]:
    """Let commands of the block speak to another engine; to the everyday one if empty."""
    before = os.environ.get("DOCKER_HOST")
    if host:
        os.environ["DOCKER_HOST"] = host
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("DOCKER_HOST", None)
        else:
            os.environ["DOCKER_HOST"] = before


def _read(store: Path, digest: str) -> dict[str, Any]:
    return dict(json.loads((store / digest.replace(":", "/")).read_text(encoding="utf-8")))
