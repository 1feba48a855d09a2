"""Do the images' SBOMs say what dpkg, Python, R and the file system say themselves?"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sparkyard.command import run
from sparkyard.commands import sbom as command
from sparkyard.facts import facts, joined, ownership
from sparkyard.plan import plan
from sparkyard.record.record import Packages
from sparkyard.sbom import sbom
from sparkyard.sbom.components import JAR, PYTHON, R
from sparkyard.sbom.sbom import Sbom
from tests.support import Lab, must

CREATED = "2026-01-31T12:00:00Z"

FLOOR = 0.9999
"""Measured: 100 % without R, 99.995 % with it (two leftovers of packages that others replaced)."""

PUBLISHED = [image.name for image in plan.site().family.published]

# Asks dpkg itself about files of which the collector says that dpkg lists them, and of others.
ASK_DPKG = """
import json, subprocess, sys
exec(sys.stdin.read(), {"__name__": "collector"})
from sparkyard.facts.ownership_collector.document import account
owners, _ = account()
files = sorted(owners.tree.sizes)
sample = files[::97]
told = subprocess.run(["dpkg", "-S", "--", *sample], stdout=subprocess.PIPE, text=True).stdout
said = {}
for line in told.splitlines():
    packages, _, path = line.rpartition(": ")
    said[path] = sorted(name.partition(":")[0] for name in packages.split(", "))
print(json.dumps({path: [said.get(path), owners.of.get(path)] for path in sample}))
"""
DISTRIBUTIONS = """
import importlib.metadata, json
installed = importlib.metadata.distributions()
print(json.dumps(sorted([one.metadata["Name"], one.version] for one in installed)))
"""
R_PACKAGES = 'p <- installed.packages(); cat(paste(p[, "Package"], p[, "Version"]), sep = "\\n")'


@pytest.fixture(scope="module")
def made(reference: Callable[[str], str]) -> Callable[[str], Sbom]:
    """Gives the SBOM of an image of the family, made once."""
    known: dict[str, Sbom] = {}

    def make(name: str) -> Sbom:
        if name not in known:
            known[name] = sbom.of_image(reference(name), CREATED)
        return known[name]

    return make


def names(bill: Sbom, kind: str) -> set[tuple[str, str]]:
    return {(part.name, part.version) for part in bill.components if part.kind == kind}


@pytest.mark.parametrize("name", PUBLISHED)
def test_nearly_every_file_of_an_image_is_accounted_for(
    name: str, made: Callable[[str], Sbom]
) -> None:
    coverage = made(name).coverage
    assert coverage.share >= FLOOR, coverage.unaccounted
    assert coverage.files > 10_000
    assert len(coverage.unaccounted) == coverage.files - coverage.covered


@pytest.mark.parametrize("name", PUBLISHED)
def test_python_itself_finds_the_same_distributions(
    name: str, made: Callable[[str], Sbom], reference: Callable[[str], str], lab: Lab
) -> None:
    run_python = ("--entrypoint", "/opt/venv/bin/python", "--network", "none")
    told = json.loads(must(lab.once(reference(name), "-c", DISTRIBUTIONS, options=run_python)))
    normal = {(re.sub(r"[_.]", "-", title).lower(), version) for title, version in told}
    assert names(made(name), PYTHON) == normal


OURS = "sparkyard-kubernetes.jar"
"""The one jar that the family's build compiles, and no repository has."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_jar_of_the_file_system_is_a_component(
    name: str, made: Callable[[str], Sbom], reference: Callable[[str], str], lab: Lab
) -> None:
    options = ("--entrypoint", "find", "--user", "0", "--network", "none")
    words = ("/", "-xdev", "-type", "f", "-name", "*.jar")
    files = must(lab.once(reference(name), *words, options=options)).splitlines()
    jars = [part for part in made(name).components if part.kind == JAR]
    assert sorted(jar.path for jar in jars) == sorted(files)
    spark = [jar for jar in jars if "/pyspark/jars/" in jar.path]
    other = [jar for jar in spark if not jar.purl.startswith("pkg:maven/")]
    assert {Path(jar.path).name for jar in other} <= {OURS}
    assert all(jar.purl.startswith("pkg:generic/") for jar in other)
    known = {jar.sha256 for jar in facts.collect(reference(name)).jars or ()}
    assert known <= {jar.sha256 for jar in jars}


def test_r_itself_finds_the_same_packages(
    made: Callable[[str], Sbom], driver_image: str, lab: Lab
) -> None:
    options = ("--entrypoint", "Rscript", "--network", "none")
    told = must(lab.once(driver_image, "-e", R_PACKAGES, options=options))
    listed = {tuple(line.split(" ", 1)) for line in told.splitlines()}
    extra = names(made("datascience-notebook"), R) - listed
    assert listed <= names(made("datascience-notebook"), R)
    # R's catalogues of messages have a version, and no code for R to list.
    assert {name for name, _ in extra} == {"translations"}


def test_dpkg_itself_names_the_same_owners(driver_image: str, lab: Lab) -> None:
    source = joined.program("sparkyard.facts.ownership_collector.document")
    options = ("--entrypoint", "/opt/venv/bin/python", "--user", "0", "--network", "none")
    code = ("-I", "-B", "-c", ASK_DPKG)
    asked = json.loads(must(lab.once(driver_image, *code, options=options, stdin=source)))
    confirmed = 0
    for path, (dpkg, owners) in asked.items():
        if dpkg:
            assert owners, path
            assert owners[0].partition(":")[2] in dpkg, path
            confirmed += 1
    assert len(asked) > 400
    assert confirmed > 50


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_documents_of_an_image_pass_their_check(
    name: str, made: Callable[[str], Sbom], reference: Callable[[str], str]
) -> None:
    inside, bill = facts.collect(reference(name)), made(name)
    installed = (package for python in inside.interpreters for package in python.packages)
    python = {package.name: package.version for package in installed}
    packages = Packages(inside.dpkg or {}, python, {}, inside.r or {})
    sbom.check(bill.spdx, bill.cyclonedx, facts.resolve(reference(name)).digest, packages)


@pytest.fixture(scope="module")
def planted(lab: Lab, executor_image: str) -> Iterator[str]:
    """A child of the executors' image with files that no package brought."""
    tag = lab.name("planted")
    recipe = (
        f"FROM {executor_image}\nUSER root\n"
        "RUN echo miner >/usr/bin/miner && echo x >/etc/planted && ln -s /bin/sh /opt/backdoor"
        " && cd /opt/venv/lib/python3*/site-packages && echo evil=1 >pandas/planted.py"
        " && mkdir smuggled-9.9.dist-info && cd smuggled-9.9.dist-info"
        " && printf 'Name: smuggled\\nVersion: 9.9\\n\\n' >METADATA"
        " && printf 'smuggled-9.9.dist-info/%s,,\\n' METADATA RECORD >RECORD\n"
    )
    words = ["docker", "build", "--quiet", "--label", lab.label, "--tag", tag, "-"]
    run(words, stdin=recipe, timeout=120)
    try:
        yield tag
    finally:
        if not lab.keep:
            run(["docker", "image", "rm", "--force", tag], check=False)


def test_files_that_no_package_brought_are_told(planted: str, made: Callable[[str], Sbom]) -> None:
    bill, before = sbom.of_image(planted, CREATED), made("spark-executors")
    new = set(bill.coverage.unaccounted) - set(before.coverage.unaccounted)
    [inside] = [path for path in new if path.endswith("pandas/planted.py")]
    assert new == {"/usr/bin/miner", "/etc/planted", "/opt/backdoor", inside}
    assert names(bill, PYTHON) - names(before, PYTHON) == {("smuggled", "9.9")}


def test_an_image_looked_into_anew_gives_the_same_bytes(
    planted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = facts.resolve(planted)
    seen, first = facts.collect(planted), ownership.collect(image)
    monkeypatch.setenv("SPARKYARD_CACHE", str(tmp_path))
    second = ownership.collect(image)
    assert (tmp_path / "ownership").is_dir()
    one, other = (sbom.make(image, seen, owned, CREATED) for owned in (first, second))
    assert one == other
    assert ownership.collect(dataclasses.replace(image, reference="unused")) == second


def test_the_command_writes_both_documents_and_tells_the_coverage(
    planted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([planted, "--output", str(tmp_path), "--json"]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert "/etc/planted" in told["coverage"]["unaccounted"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{planted}.{kind}.json" for kind in ("cdx", "spdx")
    )
    assert command.main([planted, "--output", str(tmp_path)]) == 0
    assert "/usr/bin/miner" in capsys.readouterr().out
