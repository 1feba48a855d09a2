"""Do the tags of the built images say what the programs in them say of themselves?"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from sparkyard.commands import tags as command
from sparkyard.plan.plan import Site
from sparkyard.registry import oci
from sparkyard.tags import of_stack
from tests.support import Lab, must

ASK = """
python -V
java -version 2>&1 | head -n 1
ls $SPARK_HOME/jars | grep -E '^(spark-core|hadoop-client-api|scala-library)'
command -v R >/dev/null && R --version | head -n 1 || true
python -c 'import jupyterhub._version as hub; print(hub.__version__)' 2>/dev/null || true
"""


def said(text: str, pattern: str) -> str:
    found = re.search(pattern, text, re.M)
    return found.group(1) if found else ""


def borne(site: Site, *names: str) -> set[str]:
    """Return the tags that the site's stack has for some names."""
    return set(of_stack(names, site.project.name, site.family.default_stack))


def test_tags_are_what_the_programs_say(
    lab: Lab, site: Site, reference: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    names = [image.name for image in site.family.published]
    options = ["--json", "--stack", site.project.name, "--version", "1.4.0-rc.1"]
    assert command.main([*names, *options]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["not_built"] == {}
    images = {image["image"]: image for image in printed["images"]}
    assert sorted(images) == sorted(names)
    for name, image in images.items():
        text = must(lab.once(reference(name), "sh", "-c", ASK))
        spark = said(text, r"^spark-core_[^-]*-(.*)\.jar$")
        hadoop = said(text, r"^hadoop-client-api-(.*)\.jar$")
        scala = said(text, r"^scala-library-(\d+\.\d+)")
        python = said(text, r"^Python (\d+\.\d+)")
        java = said(text, r'version "(?:1\.)?(\d+)')
        kinds = {tag["tag"]: tag["kind"] for tag in image["tags"]}
        moving = {tag for tag, kind in kinds.items() if kind == "moving"}
        versions = f"{spark}-hadoop{hadoop}-scala{scala}-py{python}-java{java}"
        parts = (versions, f"spark-{spark}", f"python-{python}", f"java-{java}")
        assert {*borne(site, *parts), site.project.name} <= moving
        r = said(text, r"^R version (\S+)")
        assert {tag for tag in moving if tag.startswith("r-")} == (
            borne(site, f"r-{r}") if r else set()
        )
        hub = said(text, r"^(\d+\.\d+\.\d+)$")
        assert {tag for tag in moving if tag.startswith("jupyterhub-")} == (
            borne(site, f"jupyterhub-{hub}") if hub else set()
        )
        fingerprint = image["labels"]["io.sparkyard.fingerprint"]
        for tag in (f"{site.project.name}-{fingerprint}", *borne(site, "1.4.0-rc.1")):
            assert kinds[tag] == "immutable"
        for tag in kinds:
            assert oci.check_tag(tag)
            assert "None" not in tag


def test_the_table_names_kind_source_labels_and_evidence(
    site: Site, executor_image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = site.family[site.family.pair.executors].session
    assert command.main([name, "--stack", site.project.name]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(executor_image)
    for word in ("immutable", "moving", "computed from", "org.opencontainers.image", "parity"):
        assert word in printed
    assert "io.sparkyard.inputs" not in printed
