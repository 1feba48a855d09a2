"""Writes a record of the images that are in the engine, to look at its page.

    python -m tests.unit.records.make FILE

What the engine knows is real: layers, packages, parity. The rest (tests, SBOMs, the build's times,
the registry) is made up, as no release has to be made to look at its page.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sparkyard.facts import facts, layer_names, layers
from sparkyard.family.images import Pair
from sparkyard.locks import jar_checks
from sparkyard.parity import parity
from sparkyard.parity.rule import MUST
from sparkyard.plan import plan
from sparkyard.record.record import (
    SCHEMA,
    BuildStep,
    Packages,
    ParityRow,
    Record,
    RecordedBuild,
    RecordedImage,
    RecordedLayer,
    RecordedPair,
    RecordedSbom,
    RecordedStack,
    RecordedTests,
)

REVISION = "7c14a3c28b141cc97a330c4d0f5d2a6da7267f85"
ELEMENTS = "3.5.9-hadoop3.3.4-scala2.12-py3.11-java8"


def make(version: str = "1.4.0") -> Record:
    """Return a record of the family's images in the engine."""
    site = plan.site()
    images = tuple(_image(site, image.name, version) for image in site.family.published)
    pairs = tuple(_pair(site, pair) for pair in site.family.pairs)
    stack = RecordedStack(site.project.name, site.is_default, (), images, pairs, _build())
    return Record(
        SCHEMA, version, REVISION, "main", "https://forge.example.com/data/sparkyard",
        "2026-11-20T16:03:11Z", "2026-11-21T09:30:00Z", "", (stack,),
    )  # fmt: skip


def _pair(site: plan.Site, pair: Pair) -> RecordedPair:
    driver, executors = map(site.name, pair)
    compared = parity.compare(
        facts.collect(driver), facts.collect(executors), layers.compare(driver, executors)
    )
    rows = tuple(
        ParityRow(r.name, r.driver, r.executors, r.verdict.value, r.policy is MUST, r.why)
        for r in compared.rows
    )
    return RecordedPair(*pair, rows)


def _image(site: plan.Site, name: str, version: str) -> RecordedImage:
    reference = site.name(name)
    image = site.family[name]
    identity, inside = facts.resolve(reference), facts.collect(reference)
    own = layers.compare(reference, reference).driver
    words = layer_names.of_image(site.family, name, len(own))
    recorded = tuple(
        RecordedLayer(
            layer.digest or "", layer.diff_id, layer.compressed or 0, layer.size or 0,
            layer.created_by, word,
        )
        for layer, word in zip(own, words, strict=True)
    )  # fmt: skip
    python = {p.name: p.version for each in inside.interpreters for p in each.packages}
    jars = {}
    for jar in inside.jars or ():
        named = jar_checks.name_of(jar.name, where="")
        jars[f"{named.artifact}{named.classifier and '-' + named.classifier}"] = named.version
    tests = tuple(
        RecordedTests(part, passed, 0, skipped, seconds, "2026-11-21T09:12:44Z", REVISION)
        for part, passed, skipped, seconds in (
            ("images", 20 + len(own), 0, 31.4), ("e2e", 41, 2, 142.8), ("parity", 28, 0, 3.1),
        )
    )  # fmt: skip
    files = 1000 * len(own) + len(python) * 97
    sbom = RecordedSbom(
        f"{name}.spdx.json",
        f"{name}.cdx.json",
        len(python) + len(jars),
        files,
        files - 12 * len(own),
    )
    fingerprint = identity.labels["io.sparkyard.fingerprint"]
    packages = Packages(dict(inside.dpkg or {}), python, jars, dict(inside.r or {}))
    return RecordedImage(
        name, image.summary, image.parent,
        f"registry.example.com:5000/sparkyard/{name}", identity.digest,
        "sha256:" + identity.digest[:6:-1], fingerprint,
        (version, REVISION[:12], f"{site.project.name}-{fingerprint[:12]}"),
        ("latest", "main", site.project.name, ELEMENTS),
        sum(layer.compressed for layer in recorded), sum(layer.unpacked for layer in recorded),
        recorded, packages, tests, sbom,
    )  # fmt: skip


STEPS = """
0.6 0.6 [base 1/5] ADD rootfs.tar /
0.7 0.7 [base 2/5] RUN apt-install python3.11 openjdk-8-jre-headless tini
0.8 47.9 [python-spark install 1/2] RUN uv pip install --requirements spark.txt
0.8 9.1 [python-common install 1/2] RUN uv pip install --requirements common.txt
0.8 28.6 [python-dataframes install 1/2] RUN uv pip install --requirements dataframes.txt
9.2 61.0 [python-notebook install 1/2] RUN uv pip install --requirements notebook.txt
28.7 58.2 [python-science install 1/2] RUN uv pip install --requirements science.txt
48.0 51.3 [python-team install 1/2] RUN uv pip install --requirements team.txt
0.8 12.4 [jars-s3a fetch 1/2] RUN python3.11 /run/fetch.py /run/jars.lock
0.8 4.2 [jars-gcs fetch 1/2] RUN python3.11 /run/fetch.py /run/jars.lock
51.4 88.3 [apt-r 1/1] RUN apt-install r-base-core r-cran-irkernel
61.1 62.0 [pyspark-notebook stage-0 2/4] COPY --link --from=python-spark /opt/venv /opt/venv
88.4 88.6 [all-spark-notebook stage-0 2/3] COPY --link --from=kernels ir /usr/local/share/ir
88.6 88.8 [datascience-notebook stage-1 4/7] COPY --link --from=python-team /opt/venv /opt/venv
62.1 84.5 [spark-executors] exporting to image
62.4 93.0 [pyspark-notebook] exporting to image
88.9 104.2 [all-spark-notebook] exporting to image
89.0 118.6 [datascience-notebook] exporting to image
"""


def _build() -> RecordedBuild:
    lines = [line.split(" ", 2) for line in STEPS.strip().splitlines()]
    steps = tuple(
        BuildStep(name, float(began), float(ended), began == ended) for began, ended, name in lines
    )
    return RecordedBuild("2026-11-21T08:58:02Z", 119.4, steps)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(make().as_document(), indent=1, sort_keys=True) + "\n")
