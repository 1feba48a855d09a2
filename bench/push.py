"""How quick is a push, over what `docker push` takes for the same? Measured in one run.

Both push the same images into fresh repositories of the same registry, one after the other. What is
sent is counted by the registry's client; the engine does not tell.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.table import Measure
from sparkyard import console
from sparkyard.command import run
from sparkyard.engine import engine
from sparkyard.plan import plan
from sparkyard.plan.plan import Site
from sparkyard.push import push
from sparkyard.push.push import Upload
from sparkyard.registry import blobs
from sparkyard.registry.http import Limits
from sparkyard.registry.registry import Registry, Sent
from sparkyard.services import local_registry

_UNCHANGED_RUNS = 5
_NAME = "sparkyard-bench-registry"
_PATIENT = Limits(retries=8, backoff=0.1)
_BUMPED = "push-bench-bump"


@dataclass(frozen=True)
class Timed:
    """Seconds of our push and of the engine's, and what ours sent.

    `changed` images have another digest after the engine's push: it compressed them anew.
    """

    seconds: float
    sent: Sent
    engine: float
    changed: int


def measure(site: Site | None = None) -> list[Measure]:
    """Return the measures of pushing the family; it must be built.

    A first push, an unchanged one (median of 5), and one after a layer of a package's size changed
    in the notebook and the executors, each over the same with `docker push`.

    Raises:
        ImageMissingError: an image is not built.
        SparkyardError: see `local_registry.ensure`.
    """
    where = site or plan.site()
    names = [image.name for image in where.family.published]
    references = {name: where.name(name) for name in names}
    with (
        _registry(where) as registry,
        _bumped({n: references[n] for n in where.family.pair}) as bumped,
    ):
        console.note("first push")
        first = _both(registry, references)
        console.note("unchanged push")
        same = [_both(registry, references) for _ in range(_UNCHANGED_RUNS)]
        console.note("push after a bump in both images")
        after = _both(registry, bumped)
    idle = statistics.median(timed.seconds for timed in same)
    theirs = statistics.median(timed.engine for timed in same)
    return [
        Measure("first push of the family", first.seconds, "s"),
        Measure("the same with docker push", first.engine, "s"),
        Measure("first push over docker push", first.seconds / first.engine, "x"),
        Measure("images that docker push compressed anew", first.changed, ""),
        Measure("bytes of blobs sent by the first push", first.sent.bytes, "B"),
        Measure("bytes of blobs mounted by it", first.sent.mounted_bytes, "B"),
        Measure("unchanged push, median", idle, "s", 1),
        Measure("unchanged push over docker push", idle / theirs, "x"),
        Measure("blobs sent by unchanged pushes", sum(timed.sent.blobs for timed in same), "", 0),
        Measure("push after a bump in both images", after.seconds, "s"),
        Measure("push after a bump over docker push", after.seconds / after.engine, "x"),
        Measure("bytes of blobs sent after a bump", after.sent.bytes, "B"),
    ]


def _both(registry: Registry, references: Mapping[str, str]) -> Timed:
    inspected = engine.inspect(references.values())
    content = blobs.of_engine(references.values())
    uploads = [
        Upload(f"ours/{name}", str(inspected[tag]["Id"]), content)
        for name, tag in references.items()
    ]
    began = time.monotonic()
    sent = push.upload(registry, uploads)
    for image in uploads:
        push.set_tag(registry, image.repository, "newest", image.manifest, immutable=False)
    seconds = time.monotonic() - began
    theirs = _by_engine(registry.host, references)
    changed = 0
    for name, tag in references.items():
        there = registry.resolve(f"engine/{name}", "newest")
        changed += there is None or there.digest != inspected[tag]["Id"]
    return Timed(seconds, sent, theirs, changed)


def _by_engine(host: str, references: Mapping[str, str]) -> float:
    """Return the seconds that `docker push` takes for the same, one image after the other."""
    named = {tag: f"{host}/engine/{name}:newest" for name, tag in references.items()}
    for tag, target in named.items():
        run(["docker", "tag", tag, target])
    try:
        return _seconds(lambda: [run(["docker", "push", "--quiet", n]) for n in named.values()])
    finally:
        run(["docker", "image", "rm", *named.values()], check=False)


def _seconds(what: Callable[[], object]) -> float:
    began = time.monotonic()
    what()
    return time.monotonic() - began


@contextmanager
def _registry(site: Site) -> Iterator[Registry]:
    """Give an empty registry on a port that the engine chooses."""
    image = local_registry.build(site)
    volume = ["--volume", "/var/lib/docker-registry"]
    argv = ["docker", "run", "--detach", "--rm", "--name", _NAME, "--publish", "127.0.0.1::5000"]
    run([*argv, *volume, image])
    try:
        shown = json.loads(run(["docker", "container", "inspect", _NAME]).stdout)[0]
        port = shown["NetworkSettings"]["Ports"]["5000/tcp"][0]["HostPort"]
        registry = Registry(f"127.0.0.1:{port}", site.settings, limits=_PATIENT)
        registry.ping()
        yield registry
    finally:
        run(["docker", "rm", "--force", "--volumes", _NAME], check=False)


@contextmanager
def _bumped(references: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Give the images with one more layer, the same in all, of about a package's size."""
    made = {name: f"{_BUMPED}/{name}:newest" for name in references}
    with tempfile.TemporaryDirectory(prefix="sparkyard-bump-") as directory:
        root = Path(directory)
        (root / "package.py").write_text("\n".join(f"x{n} = {n * n}" for n in range(40_000)))
        text = "ARG PARENT\nFROM ${PARENT}\nCOPY --link package.py /opt/bump/package.py\n"
        (root / "Dockerfile").write_text(text)
        try:
            for name, target in made.items():
                argv = ["docker", "buildx", "build", "--quiet", "--provenance=false"]
                argv += ["--build-arg", f"PARENT={references[name]}", directory]
                run([*argv, "--output", _output(target)])
            yield made
        finally:
            run(["docker", "image", "rm", *made.values()], check=False)


def _output(target: str) -> str:
    return f"type=image,name={target},oci-mediatypes=true,compression=zstd"
