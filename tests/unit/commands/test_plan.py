"""Does the document of a plan hold all that was asked for?"""

from __future__ import annotations

import json

import pytest

from sparkyard.commands import plan
from sparkyard.engine import engine


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ([], ["spark-3.5", "hub"]),
        (["--stack", "all"], ["spark-3.5", "spark-4", "hub"]),
        (["--stack", "hub"], ["hub"]),
        (["spark-executors"], ["spark-3.5"]),
    ],
)
def test_each_stack_and_project_is_in_the_document(
    asked: list[str],
    names: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "inspect", lambda _: {})
    assert plan.main([*asked, "--json"]) == 0
    documents = json.loads(capsys.readouterr().out)["stacks"]
    assert [document["stack"] for document in documents] == names
    assert all(document["images"] for document in documents)
