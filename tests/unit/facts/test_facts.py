"""Do facts survive the way to disk and back, and are they kept by what they are facts of?"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from sparkyard.command import Completed
from sparkyard.errors import EngineMissingError, ImageMissingError, InspectionError
from sparkyard.facts import facts, look_inside
from sparkyard.facts.collector.document import collect
from tests.unit.facts import small_python


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> str:
    python = small_python.make(tmp_path_factory.mktemp("python") / "venv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", str(python))
        patch.delenv("PYSPARK_DRIVER_PYTHON", raising=False)
        patch.setenv("HOME", str(python.parent))
        patch.setenv("PATH", "/nowhere")
        return json.dumps(collect(roots=str(python.parent)))


def test_what_the_collector_writes_is_what_the_types_say(document: str) -> None:
    parsed = facts.parse(document)
    assert [package.name for package in parsed.interpreters[0].packages] == ["demo-pkg"]
    assert {"loose.py", "pyvenv.cfg"} <= {path.rpartition("/")[2] for path in parsed.files}
    assert facts.parse(json.dumps(dataclasses.asdict(parsed))) == parsed
    assert set(json.loads(document)) | {"subject", "image"} == {
        field.name for field in dataclasses.fields(facts.Facts)
    }


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda data: data.update(schema=99), "schema 99"),
        (lambda data: data.pop("machine"), "machine"),
        (lambda data: data["machine"].pop("libc"), "libc"),
        (lambda data: data["user"].update(uid="root"), "facts.user.uid"),
        (lambda data: data.update(interpreters={}), "facts.interpreters"),
        (lambda data: data.update(environment=[]), "facts.environment"),
    ],
)
def test_a_document_that_is_none_is_refused_by_place(
    document: str, break_it: Any, told: str
) -> None:
    data = json.loads(document)
    break_it(data)
    with pytest.raises(InspectionError, match=told):
        facts.parse(json.dumps(data))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "<html>"])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(InspectionError):
        facts.parse(text)


class Engine:
    """Answers in the engine's place, and counts what it was asked."""

    def __init__(self, document: str) -> None:
        self.images = {"good:1": "sha256:aa", "good:2": "sha256:aa", "moved:1": "sha256:bb"}
        self.document = Completed(0, document + "\n", "")
        self.asked: list[str] = []

    def run(self, argv: list[str], **_: Any) -> Completed:
        self.asked.append(" ".join(argv[1:3]))
        if argv[1] == "image":
            digest = self.images.get(argv[-1])
            if digest is None:
                return Completed(1, "", "Error: No such image")
            return Completed(0, json.dumps([{"Id": digest, "Architecture": "amd64"}]), "")
        if argv[1] == "pull":
            return Completed(1, "", "dial tcp: https://me:hunter2@host no such host")
        return self.document


@pytest.fixture
def engine(document: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    made = Engine(document)
    for module in (facts, look_inside):
        monkeypatch.setattr(module, "run", made.run)
    monkeypatch.setenv("SPARKYARD_CACHE", str(tmp_path))
    return made


def looks(engine: Engine) -> int:
    return sum(command.startswith("run") for command in engine.asked)


def test_a_digest_is_looked_into_once_whatever_it_is_called(engine: Engine) -> None:
    first, second = facts.collect("good:1"), facts.collect("good:2")
    assert first == second
    assert first.subject == "sha256:aa"
    assert looks(engine) == 1


def test_a_tag_that_moves_is_looked_into_again(engine: Engine) -> None:
    facts.collect("moved:1")
    engine.images["moved:1"] = "sha256:cc"
    assert facts.collect("moved:1").subject == "sha256:cc"
    assert looks(engine) == 2


def test_another_collector_does_not_read_the_old_ones_facts(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts.collect("good:1")
    monkeypatch.setattr(facts, "collector_source", lambda: "another")
    facts.collect("good:1")
    assert looks(engine) == 2


def test_a_damaged_cache_is_not_believed(engine: Engine, tmp_path: Path) -> None:
    facts.collect("good:1")
    [kept] = (tmp_path / "facts").iterdir()
    for damaged in (kept.read_bytes()[:100], b"\xff"):
        kept.write_bytes(damaged)
        facts.collect("good:1")
    assert looks(engine) == 3


def test_a_cache_that_cannot_be_written_is_done_without(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARKYARD_CACHE", "/dev/null")
    facts.collect("good:1")
    assert looks(engine) == 1


def test_an_image_that_is_nowhere_is_pulled_for_once_and_named(engine: Engine) -> None:
    with pytest.raises(ImageMissingError, match="nowhere:1") as missing:
        facts.collect("nowhere:1")
    assert "pull --quiet" in engine.asked
    assert "pulling it failed" in missing.value.what
    assert "hunter2" not in missing.value.detail


def test_no_engine_is_said_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Completed(1, "", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock")
    monkeypatch.setattr(facts, "run", lambda *_, **__: answer)
    with pytest.raises(EngineMissingError):
        facts.resolve("good:1")
