"""Does evidence speak for exactly the digest, and is everything short of it refused?"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparkyard import evidence
from sparkyard.commands import parity as parity_command
from sparkyard.errors import EvidenceMissingError, ParityError
from sparkyard.evidence import Evidence
from sparkyard.facts import facts, layers
from sparkyard.facts.facts import Facts
from sparkyard.facts.identity import ImageIdentity
from sparkyard.family import images
from sparkyard.family.images import Family, Image
from sparkyard.git import Checkout
from sparkyard.parity.parity import Report
from sparkyard.parity.rows import Row, Verdict
from sparkyard.parity.rule import MAY, MUST
from sparkyard.plan import plan
from sparkyard.record.record import ParityRow
from sparkyard.settings import Settings
from sparkyard.test_results import Group, Results, evidence_of, read
from tests.unit.parity.test_parity import GOOD, java, serving

DRIVER, EXECUTORS, PLAIN = (f"sha256:{digit * 64}" for digit in "abc")
FAMILY = Family(
    (
        Image("base", "x", "debian"),
        Image("plain", "x", "base", session="p"),
        Image("notebook", "x", "plain", session="n", drives="executors"),
        Image("executors", "x", "base", session="e"),
        Image("hub", "x", "base", session="h", project="hub", serves="notebook"),
    ),
    "s",
    "n",
)
ALL = {"plain": PLAIN, "notebook": DRIVER, "executors": EXECUTORS}
PARTS = Settings.evidence.split(",")
CHECKOUT = Checkout("7" * 40, "main", True, "2026-01-02T03:04:05Z", "")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SPARKYARD_CACHE", str(tmp_path))
    return tmp_path


def good(
    digest: str = DRIVER, image: str = "notebook", part: str = "images", **more: Any
) -> Evidence:
    made = Evidence(digest, image, part, 3, 0, 1, 1.5, "2026-01-02T03:04:05Z", "7" * 40, False)
    return replace(made, **more)


def prove_all() -> None:
    for name, digest in ALL.items():
        for part in evidence.needed(FAMILY, name, PARTS):
            evidence.record(good(digest, name, part))


def why(found: dict[str, str] = ALL) -> set[tuple[str, str, str]]:
    return {(gap.image, gap.part, gap.why) for gap in evidence.gaps(found, FAMILY, PARTS)}


def test_what_was_recorded_is_known_of_that_digest_alone() -> None:
    row = ParityRow("Python", "3.11", "3.11", "agrees", True, "x")
    one = good(part="parity", parity=(row,), beside={"executors": EXECUTORS}, failures=("a",))
    other = good()
    evidence.record(one)
    evidence.record(other)
    assert evidence.of(DRIVER) == (other, one)
    assert evidence.of(EXECUTORS) == ()


def test_the_last_outcome_counts_for_better_and_for_worse() -> None:
    for failed in (0, 2, 0):
        evidence.record(good(failed=failed))
        assert [known.good for known in evidence.of(DRIVER)] == [failed == 0]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"schema": 1}', "\x00", "[" * 10],
)
def test_a_damaged_record_is_as_none_and_told(
    cache: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    evidence.record(good())
    [file] = (cache / "evidence").rglob("*.json")
    file.write_text(text)
    assert evidence.of(DRIVER) == ()
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"digest": EXECUTORS}, {"part": "e2e"}, {"passed": "3"}, {"failed": None}],
)
def test_a_record_of_something_else_speaks_for_nothing(cache: Path, change: dict[str, Any]) -> None:
    evidence.record(good())
    [file] = (cache / "evidence").rglob("*.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert evidence.of(DRIVER) == ()


def test_no_half_a_record_is_ever_left(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence.record(good())

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        evidence.record(good(failed=1))
    assert evidence.of(DRIVER) == (good(),)
    assert len([file for file in (cache / "evidence").rglob("*") if file.is_file()]) == 1


def test_what_each_image_needs() -> None:
    assert evidence.needed(FAMILY, "plain", PARTS) == ("images", "e2e")
    assert evidence.needed(FAMILY, "hub", evidence.PARTS) == ("images", "parity")
    assert evidence.needed(FAMILY, "notebook", PARTS) == ("images", "e2e", "parity")
    assert evidence.needed(FAMILY, "executors", PARTS) == ("images", "e2e", "parity")
    assert evidence.needed(FAMILY, "plain", evidence.PARTS) == (
        "images", "e2e", "kubernetes", "nightly",
    )  # fmt: skip
    family = images.load()
    for image in family.published:
        assert evidence.needed(family, image.name, PARTS)


def test_images_of_which_all_is_proven_pass() -> None:
    prove_all()
    evidence.refuse(evidence.gaps(ALL, FAMILY, PARTS))


@pytest.mark.parametrize(
    ("image", "part"),
    [(name, part) for name in ALL for part in evidence.needed(FAMILY, name, PARTS)],
)
def test_each_part_that_is_missing_is_refused(cache: Path, image: str, part: str) -> None:
    prove_all()
    (cache / "evidence" / ALL[image].removeprefix("sha256:") / f"{part}.json").unlink()
    assert why() == {(image, part, "not run")}
    with pytest.raises(EvidenceMissingError) as refusal:
        evidence.refuse(evidence.gaps(ALL, FAMILY, PARTS))
    assert f"{image} {ALL[image][7:19]}: {part} (not run)" in refusal.value.what
    assert evidence.COMMANDS[part] in refusal.value.remedy
    assert refusal.value.exit_code == 63


def test_a_failed_part_is_refused_and_counted() -> None:
    prove_all()
    evidence.record(good(failed=2))
    assert why() == {("notebook", "images", "2 failed")}


def test_tests_that_all_were_skipped_prove_nothing() -> None:
    prove_all()
    evidence.record(good(passed=0, skipped=9))
    assert why() == {("notebook", "images", "nothing ran")}


def test_all_that_is_missing_stands_in_one_message() -> None:
    with pytest.raises(EvidenceMissingError) as refusal:
        evidence.refuse(evidence.gaps(ALL, FAMILY, PARTS))
    for name, digest in ALL.items():
        assert f"{name} {digest[7:19]}: images (not run), e2e (not run)" in refusal.value.what
    assert "`nox -s tests` and `nox -s parity`" in refusal.value.remedy


@pytest.mark.parametrize(
    ("part", "command"),
    [("kubernetes", "nox -s tests -- --only kubernetes"), ("nightly", "nox -s tests -- --nightly")],
)
def test_a_part_that_the_settings_name_is_asked_for(part: str, command: str) -> None:
    prove_all()
    with pytest.raises(EvidenceMissingError) as refusal:
        evidence.refuse(evidence.gaps(ALL, FAMILY, (*PARTS, part)))
    assert refusal.value.what.count(f"{part} (not run)") == len(ALL)
    assert refusal.value.remedy.startswith(f"Run `{command}`, then the same command again.")
    for name, digest in ALL.items():
        evidence.record(good(digest, name, part))
    evidence.refuse(evidence.gaps(ALL, FAMILY, (*PARTS, part)))


def test_one_command_runs_the_tests_on_the_cluster_too() -> None:
    with pytest.raises(EvidenceMissingError) as refusal:
        evidence.refuse(evidence.gaps(ALL, FAMILY, (*PARTS, "kubernetes")))
    assert refusal.value.remedy.startswith("Run `nox -s tests` and `nox -s parity`, then")


def test_a_pair_that_was_never_together_is_refused() -> None:
    prove_all()
    before = "sha256:" + "d" * 64
    evidence.record(good(part="parity", beside={"executors": before}))
    assert why() == {("notebook", "parity", "run beside executors dddddddddddd")}
    assert why({"notebook": DRIVER}) == set()


def test_nothing_is_asked_of_no_image() -> None:
    evidence.refuse(evidence.gaps({}, FAMILY, PARTS))


def group(collected: int = 3, **changes: Any) -> Group:
    return replace(Group(collected, collected, 0, 0, 1.0), **changes)


def results(**changes: Group | None) -> Results:
    """Return a full run in which all passed; `__` stands for the stroke of a group's name."""
    groups: dict[str, Group | None] = {
        "unit": group(), "e2e": group(9), "images/plain": group(), "images/notebook": group(5),
        "images/executors": group(), "shared/pair": group(2),
    }  # fmt: skip
    groups |= {name.replace("__", "/"): value for name, value in changes.items()}
    here = {name: value for name, value in groups.items() if value}
    return Results({FAMILY.project: here, "other": {"e2e": group(failed=1)}}, 0, ())


def of_run(run: Results) -> dict[tuple[str, str], Evidence]:
    found = evidence_of(run, FAMILY, ALL, CHECKOUT, "2026-01-02T03:04:05Z")
    return {(each.image, each.part): each for each in found}


def test_a_full_run_proves_both_parts_of_all_images() -> None:
    found = of_run(results())
    assert found.keys() == {(name, part) for name in ALL for part in ("images", "e2e")}
    assert all(each.good for each in found.values())
    notebook = found["notebook", "images"]
    assert (notebook.digest, notebook.passed, notebook.beside) == (DRIVER, 7, {})
    assert (notebook.revision, notebook.dirty) == (CHECKOUT.revision, True)
    assert found["plain", "images"].passed == 3
    assert found["notebook", "e2e"].beside == {"plain": PLAIN, "executors": EXECUTORS}


@pytest.mark.parametrize("part", ["kubernetes", "nightly"])
def test_a_group_of_the_whole_family_is_a_part_of_all_images(part: str) -> None:
    found = of_run(results(**{part: group(4, passed=3, skipped=1)}))
    assert {(name, part) for name in ALL} <= found.keys()
    assert found["notebook", part].good
    assert found["notebook", part].beside == {"plain": PLAIN, "executors": EXECUTORS}
    assert found["plain", part].skipped == 1
    failed = of_run(results(**{part: group(4, passed=3, failed=1)}))
    assert not failed["executors", part].good


def test_a_group_of_which_all_was_skipped_is_not_recorded() -> None:
    skipped = group(4, passed=0, skipped=4)
    assert of_run(results(kubernetes=skipped)).keys() == of_run(results()).keys()
    assert ("notebook", "e2e") not in of_run(results(e2e=skipped))
    assert ("plain", "images") not in of_run(results(images__plain=skipped))


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"e2e": None}, {("plain", "e2e"), ("notebook", "e2e"), ("executors", "e2e")}),
        ({"images__plain": None}, {("plain", "images")}),
        ({"images__plain": group(3, passed=2)}, {("plain", "images")}),
        ({"shared__pair": group(2, passed=1)}, {("notebook", "images"), ("executors", "images")}),
    ],
)
def test_tests_that_did_not_all_run_prove_nothing(
    changes: dict[str, Group | None], missing: set[tuple[str, str]]
) -> None:
    assert of_run(results()).keys() - of_run(results(**changes)).keys() == missing


@pytest.mark.parametrize("changes", [{"deselected": 1}, {"broken": ("test_x.py",)}])
def test_a_run_that_left_tests_out_proves_nothing(changes: dict[str, Any]) -> None:
    assert of_run(replace(results(), **changes)) == {}


def test_a_failed_test_counts_against_its_images_even_when_the_run_stopped_there() -> None:
    bad = group(5, passed=1, failed=1, failures=("it",))
    found = of_run(results(images__notebook=bad))
    assert {key for key, each in found.items() if not each.good} == {("notebook", "images")}
    assert found["notebook", "images"].failures == ("it",)
    pair = of_run(results(shared__pair=group(2, passed=1, failed=1)))
    assert {key[0] for key, each in pair.items() if not each.good} == {"notebook", "executors"}


def test_a_test_of_a_capability_that_is_of_no_one_image_counts_for_all_that_have_it() -> None:
    found = of_run(results(shared__plain=group(2, passed=1, failed=1)))
    assert {key for key, each in found.items() if not each.good} == {
        ("plain", "images"), ("notebook", "images"),
    }  # fmt: skip
    assert found["executors", "images"].good
    assert of_run(results(shared__base=group()))["executors", "images"].passed == 8


def test_no_checkout_is_needed() -> None:
    [plain, *_] = evidence_of(results(), FAMILY, {"plain": PLAIN}, None, "now")
    assert (plain.revision, plain.dirty) == ("", False)


def test_results_survive_the_way_through_a_file(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    assert read(file) is None
    file.write_text(json.dumps(results().as_document()))
    assert read(file) == results()
    file.write_text(file.read_text()[:40])
    assert read(file) is None


def report(*verdicts: Verdict) -> Report:
    rows = (
        Row(f"r{n}", "1", "2", "x", MAY if verdict is Verdict.ALLOWED else MUST, "why", verdict)
        for n, verdict in enumerate(verdicts)
    )
    return Report(tuple(rows))


@pytest.mark.parametrize(
    ("verdicts", "good_"),
    [
        ((Verdict.AGREES, Verdict.ALLOWED), True),
        ((Verdict.AGREES, Verdict.DIFFERS), False),
        ((Verdict.UNKNOWN,), False),
    ],
)
def test_a_parity_report_is_evidence_for_both_sides(
    verdicts: tuple[Verdict, ...], good_: bool
) -> None:
    names, digests = ["notebook", "executors"], [DRIVER, EXECUTORS]
    driver, executors = parity_command.evidence_of(names, digests, report(*verdicts), 1.0)
    assert (driver.digest, driver.beside) == (DRIVER, {"executors": EXECUTORS})
    assert (executors.digest, executors.beside) == (EXECUTORS, {"notebook": DRIVER})
    assert driver.good is executors.good is good_
    assert len(driver.parity) == len(verdicts)
    assert [row.must for row in driver.parity] == [v is not Verdict.ALLOWED for v in verdicts]


def test_of_several_comparisons_each_counts_and_no_later_one_hides_a_failure() -> None:
    first = good(part="parity", failed=1, failures=("Java",), beside={"executors": EXECUTORS})
    second = good(part="parity", beside={"others": PLAIN})
    both, other = evidence.together([first, good(EXECUTORS), second])
    assert other == good(EXECUTORS)
    assert (both.passed, both.failed, both.failures, both.good) == (6, 1, ("Java",), False)
    assert both.beside == {"executors": EXECUTORS, "others": PLAIN}


def test_evidence_stands_in_a_record_as_counts() -> None:
    recorded: Callable[[], Any] = good().recorded
    assert dataclasses.asdict(recorded()) == {
        "part": "images", "passed": 3, "failed": 0, "skipped": 1, "seconds": 1.5,
        "at": "2026-01-02T03:04:05Z", "revision": "7" * 40,
    }  # fmt: skip


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Facts], None]:
    """An engine with the family's own pair; the executors' facts can be set."""
    site = plan.site()
    found: dict[str, Facts] = {}
    identities = {}
    pair = site.family.pair
    for role, name, digest in (
        ("driver", pair.driver, DRIVER),
        ("executor", pair.executors, EXECUTORS),
    ):
        labels = {"io.sparkyard.image": name}
        for reference in (site.name(name), role):
            identities[reference] = ImageIdentity(reference, digest, "amd64", (), labels)
            found[reference] = GOOD
    monkeypatch.setattr("sparkyard.engine.engine.inspect", lambda _: {})  # no hub is built
    monkeypatch.setattr(facts, "resolve", identities.__getitem__)
    monkeypatch.setattr(facts, "collect", found.__getitem__)
    monkeypatch.setattr(layers, "compare", lambda *_: layers.LayerComparison((), ()))

    def executors(are: Facts) -> None:
        found["executor"] = found[site.name(pair.executors)] = are

    return executors


def test_parity_of_the_familys_own_pair_counts_for_better_and_for_worse(
    engine: Callable[[Facts], None],
) -> None:
    assert parity_command.main([]) == 0
    assert [each.good for digest in (DRIVER, EXECUTORS) for each in evidence.of(digest)] == [
        True
    ] * 2
    engine(java(runtime="21"))
    with pytest.raises(ParityError):
        parity_command.main([])
    assert [each.good for digest in (DRIVER, EXECUTORS) for each in evidence.of(digest)] == [
        False
    ] * 2
    assert evidence.of(DRIVER)[0].failures


def test_parity_of_named_images_counts_only_when_they_agree(
    engine: Callable[[Facts], None],
) -> None:
    named = ["--driver", "driver", "--executor", "executor"]
    assert parity_command.main(named) == 0
    engine(java(runtime="21"))
    with pytest.raises(ParityError):
        parity_command.main(named)
    assert [each.good for each in evidence.of(DRIVER)] == [True]


@pytest.mark.parametrize("server", ["5.4.0", "4.1.6"])
def test_parity_of_a_hub_with_the_servers_of_both_stacks_is_evidence_of_the_hub_alone(
    monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    versions = {"hub": "5.5.0", "spark-3.5": "5.5.0", "spark-4": server}
    digests = {name: f"sha256:{at}" for at, name in enumerate(versions)}

    def resolve(reference: str) -> ImageIdentity:
        image, _, of_stack = reference.rpartition("/")[2].partition(":")
        labels = {"io.sparkyard.image": image, "io.sparkyard.stack": of_stack}
        return ImageIdentity(reference, digests[of_stack], "amd64", (), labels)

    monkeypatch.setattr("sparkyard.engine.engine.inspect", lambda names: {n: {} for n in names})
    monkeypatch.setattr(facts, "resolve", resolve)
    monkeypatch.setattr(facts, "collect", lambda name: serving(versions[name.partition(":")[2]]))
    monkeypatch.setattr(layers, "compare", lambda *_: layers.LayerComparison((), ()))
    agrees = server.startswith("5.")
    with nullcontext() if agrees else pytest.raises(ParityError, match="major version"):
        parity_command.main(["--stack", "hub"])
    [hub] = evidence.of(digests["hub"])
    assert (hub.image, hub.part, hub.good) == ("jupyterhub-hub", "parity", agrees)
    assert hub.beside == {
        f"pyspark-notebook:{name}": digests[name] for name in ("spark-3.5", "spark-4")
    }
    assert evidence.of(digests["spark-3.5"]) == evidence.of(digests["spark-4"]) == ()


@pytest.mark.usefixtures("engine")
def test_parity_of_an_image_with_itself_is_no_evidence() -> None:
    assert parity_command.main(["--driver", "executor", "--executor", "executor"]) == 0
    assert evidence.of(EXECUTORS) == ()


@pytest.mark.usefixtures("engine")
def test_parity_is_not_recorded_when_a_tag_moved_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, asked = facts.resolve, []

    def moving(reference: str) -> ImageIdentity:
        asked.append(reference)
        return replace(before(reference), digest=f"sha256:{len(asked)}")

    monkeypatch.setattr(facts, "resolve", moving)
    assert parity_command.main([]) == 0
    assert all(evidence.of(f"sha256:{n}") == () for n in range(len(asked) + 1))
