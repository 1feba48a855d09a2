"""Does a run of tests become evidence for the digests that it ran on, and for no others?"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sparkyard import evidence, paths, test_results
from sparkyard.commands import parity, tests
from sparkyard.errors import EvidenceMissingError
from sparkyard.plan.plan import Site

SUITE = {
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\n',
    "tests/images/pair/test_pair.py": "def test_both_agree(): pass\n",
    "tests/images/os/test_os.py": """
import os, pytest

@pytest.mark.parametrize("image", os.environ["IMAGES"].split())
def test_it_is_whole(image): assert image != os.environ["BROKEN"]

@pytest.mark.parametrize("image", os.environ["IMAGES"].split())
def test_it_ends_well(image): pass

def test_all_of_them_together(): assert os.environ["BROKEN"] != "base"
""",
    "tests/e2e/test_all.py": """
import pytest

def test_it_works(): pass

@pytest.mark.nightly
def test_it_works_at_greater_length(): pass
""",
    "tests/kubernetes/test_pods.py": """
import os, pytest

pytestmark = pytest.mark.skipif(not os.environ.get("CLUSTER"), reason="no cluster")

def test_pods_start(): assert os.environ["CLUSTER"] != "broken"
""",
}
"""A suite of the same form as the real one, which takes minutes."""

PARTS = ("images", "e2e", "parity")

Suite = Callable[..., test_results.Results | None]


@pytest.fixture
def suite(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Runs the suite, and gives what pytest counted; evidence goes to a cache of its own."""
    cache = tmp_path / "cache"
    cache.mkdir()
    for kept in ("facts", "layers"):
        (paths.cache() / kept).mkdir(parents=True, exist_ok=True)
        (cache / kept).symlink_to(paths.cache() / kept)
    monkeypatch.setenv("SPARKYARD_CACHE", str(cache))
    for name, text in SUITE.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(*options: str, broken: str = "") -> test_results.Results | None:
        results = tmp_path / "results.json"
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest"]
        argv += ["-p", "no:cacheprovider", "--results", str(results), *options, "tests"]
        names = " ".join(image.name for image in site.family.published)
        environment = {"PYTHONPATH": str(paths.ROOT), "IMAGES": names, "BROKEN": broken}
        subprocess.run(
            argv, cwd=tmp_path, env={**os.environ, **environment}, capture_output=True, check=False
        )
        return test_results.read(results)

    return run


@pytest.fixture
def digests(site: Site, driver_image: str, executor_image: str) -> Mapping[str, str]:
    """The digests of the built images."""
    assert driver_image != executor_image
    return tests._digests(site)


def test_tests_and_parity_open_the_gate_for_the_built_digests(
    suite: Suite, site: Site, digests: Mapping[str, str]
) -> None:
    with pytest.raises(EvidenceMissingError):
        evidence.refuse(evidence.gaps(digests, site.family, PARTS))
    tests._record(site, suite(), digests)
    missing = evidence.gaps(digests, site.family, PARTS)
    assert {gap.part for gap in missing} == {"parity"}
    assert len(missing) == 2
    assert parity.main(["--stack", site.project.name, "--failures"]) == 0
    evidence.refuse(evidence.gaps(digests, site.family, PARTS))
    rows = evidence.of(digests[site.family.pair.driver])[-1].parity
    assert "Python version" in [row.name for row in rows]


def test_a_failed_run_shuts_the_gate_again_and_the_next_good_one_opens_it(
    suite: Suite, site: Site, digests: Mapping[str, str]
) -> None:
    name = site.family.published[0].name
    assert not site.family.role(name)
    only = {name: digests[name]}
    for broken, gaps in (("", []), (name, ["images"]), ("", [])):
        tests._record(site, suite(broken=broken), digests)
        assert [gap.part for gap in evidence.gaps(only, site.family, PARTS)] == gaps


def test_a_test_of_the_base_counts_for_all(
    suite: Suite, site: Site, digests: Mapping[str, str]
) -> None:
    tests._record(site, suite(broken="base"), digests)
    failed = {
        gap.image for gap in evidence.gaps(digests, site.family, PARTS) if gap.part == "images"
    }
    assert failed == digests.keys()


def test_a_run_of_some_tests_is_no_evidence(
    suite: Suite, site: Site, digests: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    tests._record(site, suite("-k", "not ends_well"), digests)
    assert "nothing was recorded" in capsys.readouterr().err
    assert all(evidence.of(digest) == () for digest in digests.values())


def proven(digests: Mapping[str, str]) -> dict[str, bool]:
    """Return the parts known of all images, and whether each is good; they must be the same."""
    known = [{one.part: one.good for one in evidence.of(digest)} for digest in digests.values()]
    assert all(each == known[0] for each in known)
    return known[0]


def test_tests_on_kubernetes_are_a_part_that_a_run_without_a_cluster_leaves_as_it_is(
    suite: Suite, site: Site, digests: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for cluster, part in (
        ("", {}),
        ("broken", {"kubernetes": False}),
        ("good", {"kubernetes": True}),
        ("", {"kubernetes": True}),
    ):
        monkeypatch.setenv("CLUSTER", cluster)
        tests._record(site, suite(), digests)
        assert proven(digests) == {"images": True, "e2e": True, **part}


def test_a_nightly_run_records_its_own_part_alone_and_no_other_run_does(
    suite: Suite, site: Site, digests: Mapping[str, str]
) -> None:
    tests._record(site, suite("--nightly"), digests)
    assert proven(digests) == {"nightly": True}
    [first] = evidence.of(next(iter(digests.values())))
    assert (first.passed, first.skipped) == (1, 0)
    tests._record(site, suite(), digests)
    assert proven(digests) == {"images": True, "e2e": True, "nightly": True}


def test_images_built_anew_meanwhile_are_not_taken_for_those_tested(
    suite: Suite, site: Site, digests: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = dict.fromkeys(digests, "sha256:" + "0" * 64)
    tests._record(site, suite(), before)
    assert "built anew" in capsys.readouterr().err
    assert all(evidence.of(d) == () for d in (*digests.values(), *before.values()))
