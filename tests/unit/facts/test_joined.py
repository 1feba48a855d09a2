"""Is a program made of modules whole, and does it need nothing beside it?"""

from __future__ import annotations

import ast
import gc
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sparkyard.facts import joined

ENTRIES = ("sparkyard.facts.collector.document", "sparkyard.facts.ownership_collector.document")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "top/__init__.py": "raise SystemExit('is not sent in, as nothing imports it by name')",
        "top/one/__init__.py": "WORD = 'word'",
        "top/one/entry.py": "from top.one import WORD, other\n\n"
        "def collect(argument='none'):\n    return [WORD, other.NUMBER, argument]\n",
        "top/one/other.py": "import beside\nNUMBER = beside.NUMBER",
        "compose/beside.py": "NUMBER = 7",
        "compose/unused.py": "",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr(joined, "_PLACES", (tmp_path, tmp_path / "compose"))
    return tmp_path


def run(program: str) -> str:
    argv = [sys.executable, "-I", "-S", "-B", "-", "an argument"]
    return subprocess.run(
        argv, input=program, env={}, cwd="/", capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.usefixtures("checkout")
def test_a_program_brings_along_what_its_modules_import_and_no_more() -> None:
    program = joined.program("top.one.entry")
    assert run(program) == '["word", 7, "an argument"]\n'
    assert "unused" not in program
    assert "is not sent in" not in program


@pytest.mark.usefixtures("checkout")
def test_what_executes_a_program_under_another_name_calls_it_itself() -> None:
    program = joined.program("top.one.entry")
    code = f"names = {{'__name__': 'x'}}\nexec({program!r}, names)\nprint(names['collect']())"
    assert run(code) == "['word', 7, 'none']\n"


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_collector_imports_nothing_that_is_not_sent_in_or_of_the_standard_library(
    entry: str,
) -> None:
    program = joined.program(entry)
    sent = next(
        ast.literal_eval(node)
        for node in ast.walk(ast.parse(program))
        if isinstance(node, ast.Dict)
    )
    assert {"java_properties", entry} <= set(sent)
    for name, text in sent.items():
        tree = ast.parse(text, feature_version=(3, 9))
        for node in ast.walk(tree):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in modules:
                known = module in sent or any(other.startswith(f"{module}.") for other in sent)
                assert known or module.partition(".")[0] in sys.stdlib_module_names, (name, module)


@pytest.fixture
def threads_that_take_turns_in_the_parser() -> Iterator[None]:
    """Garbage is collected all the time, and another thread goes on meanwhile."""

    def let_another_go_on(*_: object) -> None:
        for _step in range(30):
            pass

    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    gc.callbacks.append(let_another_go_on)
    yield
    gc.callbacks.remove(let_another_go_on)
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("threads_that_take_turns_in_the_parser")
def test_programs_are_made_by_many_threads_at_once() -> None:
    with ThreadPoolExecutor(6) as pool:
        programs = list(pool.map(joined.program, ENTRIES * 12))
    assert len(set(programs)) == len(ENTRIES)
