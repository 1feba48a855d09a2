"""Does a collector run in an image with any Python, end without a trace, and say why it cannot?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparkyard.command import Completed
from sparkyard.errors import CommandFailedError, InspectionError
from sparkyard.facts import facts, look_inside, ownership
from sparkyard.facts.identity import ImageIdentity
from sparkyard.facts.look_inside import Look

IMAGE = ImageIdentity("good:1", "sha256:aa", "amd64", (), {})

# In an engine's place: keeps what it was asked, and runs a container's command on this machine.
DOCKER = """#!/bin/sh
echo "$@" >>"$0.asked"
while [ "$1" != -c ]; do shift; done
exec /bin/sh "$@"
"""
COLLECTOR = """
import json, sys
print("a line of the shell's start")
print(json.dumps({"arguments": sys.argv[1:]}))
"""


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPARKYARD_CACHE", str(tmp_path / "cache"))


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = script(tmp_path / "bin" / "docker", DOCKER)
    monkeypatch.setenv("PATH", str(made.parent), prepend=":")
    return made


def test_the_document_is_read_and_kept_by_digest_and_collector(
    docker: Path, tmp_path: Path
) -> None:
    look = Look("demo", COLLECTOR, "", ("--user", "0"), ("--one", "two words"))
    document = look_inside.collect(IMAGE, look, json.loads)
    assert document["arguments"] == ["--one", "two words"]
    assert look_inside.collect(IMAGE, look, json.loads) == document
    [asked] = Path(f"{docker}.asked").read_text().split("run -i")[1:]
    assert "--network none" in asked
    assert "--user 0 --entrypoint /bin/sh sha256:aa" in asked
    [kept] = (tmp_path / "cache/demo").iterdir()
    assert kept.name.startswith("aa-amd64-")
    look_inside.collect(IMAGE, Look("demo", COLLECTOR + "#", ""), json.loads)
    assert len(list(kept.parent.iterdir())) == 2


@pytest.mark.usefixtures("docker")
def test_the_images_own_python_is_tried_first_and_passed_over_where_it_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = tmp_path / "bin" / "chosen"
    monkeypatch.setenv("PYSPARK_PYTHON", str(chosen))
    said = '#!/bin/sh\n[ "$4" = -c ] || echo "{\\"chosen\\": \\"$1 $2 $3\\"}"\n'
    for name, text in (("python", said), ("too-old", "#!/bin/sh\nexit 1\n")):
        script(chosen, text)
        document = look_inside.collect(IMAGE, Look(name, COLLECTOR, ""), json.loads)
        assert document.get("chosen") == ("-I -S -B" if name == "python" else None)
    assert document["arguments"] == []


@pytest.mark.usefixtures("docker")
def test_what_never_ends_in_an_interpreters_place_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYSPARK_PYTHON", str(script(tmp_path / "bin" / "chosen", "#!/bin/sh\n")))
    # In place of the system's, which would wait: it says at once that the time is over.
    says = '[ "$1" = 10 ] || exit 9\nshift\ncase $1 in *chosen) exit 124;; esac\nexec "$@"\n'
    script(tmp_path / "bin" / "timeout", f"#!/bin/sh\n{says}")
    assert look_inside.collect(IMAGE, Look("demo", COLLECTOR, ""), json.loads) == {"arguments": []}


def facts_of(image: ImageIdentity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "resolve", lambda _: image)
    facts.collect(image.reference)


def ownership_of(image: ImageIdentity, _: pytest.MonkeyPatch) -> None:
    ownership.collect(image)


@pytest.mark.parametrize(
    ("collect", "subject"),
    [
        (facts_of, "good:1 cannot be looked into"),
        (ownership_of, "The files of good:1 cannot be counted"),
    ],
)
@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (Completed(look_inside.NO_PYTHON, "", ""), "the image has no Python"),
        (Completed(126, "", "exec format error"), "the image cannot run /bin/sh"),
        (Completed(127, "", "no such file"), "the image cannot run /bin/sh"),
        (Completed(1, "{}", "token=hunter2"), "the collector failed with exit code 1"),
        (Completed(0, "nothing", ""), "the collector failed with exit code 0"),
    ],
)
def test_an_image_that_cannot_be_looked_into_says_why(
    collect: Callable[..., None],
    subject: str,
    ended: Completed,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(look_inside, "run", lambda *_, **__: ended)
    with pytest.raises(InspectionError) as refused:
        collect(IMAGE, monkeypatch)
    assert refused.value.what.startswith(f"{subject}: {told}")
    assert "hunter2" not in refused.value.detail


@pytest.mark.parametrize("end", [CommandFailedError("No end after 600 s", ""), KeyboardInterrupt()])
def test_a_collector_that_is_stopped_leaves_no_container(
    end: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []

    def run(argv: list[str], **_: Any) -> Completed:
        if argv[1] == "run":
            names.append(argv[argv.index("--name") + 1])
            raise end
        assert argv[:3] == ["docker", "rm", "--force"]
        names.append(argv[3])
        return Completed(0, "", "")

    monkeypatch.setattr(look_inside, "run", run)
    with pytest.raises(type(end)):
        look_inside.collect(IMAGE, Look("demo", COLLECTOR, ""), json.loads)
    assert len(names) == 2
    assert names[0] == names[1]
    assert names[0].startswith("sparkyard-demo-")


@pytest.mark.parametrize(
    ("labels", "told"), [({}, "{}"), ({"io.sparkyard.inputs": '{"a": "b"}'}, '{"a": "b"}')]
)
def test_files_are_counted_by_root_who_knows_what_the_image_was_built_from(
    labels: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(argv: list[str], **_: Any) -> Completed:
        asked.append(argv)
        return Completed(1, "", "")

    monkeypatch.setattr(look_inside, "run", run)
    with pytest.raises(InspectionError):
        ownership.collect(ImageIdentity("good:1", "sha256:aa", "amd64", (), labels))
    assert asked[0][-1] == told
    assert asked[0][asked[0].index("--user") + 1] == "0"
