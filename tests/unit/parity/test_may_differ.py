"""Is the table of what may differ read right, a site's lines too, and a mistake in them named?"""

from __future__ import annotations

from pathlib import Path

import pytest

from sparkyard import paths
from sparkyard.errors import MalformedFileError
from sparkyard.facts.collector.files import BUILT
from sparkyard.parity import may_differ, parity, shown
from sparkyard.parity.may_differ import KINDS, Line
from sparkyard.parity.rows import Verdict
from sparkyard.parity.rule import ABSENT, UNSET
from sparkyard.parity.rules import AFTER, BEFORE
from tests.unit.parity.test_parity import GOOD, file


def test_each_line_that_is_shipped_has_a_reason_and_a_kind_that_rows_have() -> None:
    lines = may_differ.load(live=True, own=Path("/nowhere")).lines
    kinds = {rule.kind for rule in (*BEFORE, *AFTER) if not rule.may} | {"fact"}
    assert kinds == set(KINDS)
    assert {line.kind for line in lines} <= kinds
    assert all(line.why and not line.source for line in lines)
    assert any(line.live for line in lines)
    assert not any(line.as_built for line in lines)
    assert not any(line.live for line in may_differ.load(own=Path("/nowhere")).lines)


@pytest.mark.parametrize(
    ("line", "driver", "executors", "allowed"),
    [
        (Line("file", ("/a*",), "w"), "1", "2", True),
        (Line("file", ("/b",), "w"), "1", "2", False),
        (Line("file", ("/a*",), "w", only="driver"), "1", ABSENT, True),
        (Line("file", ("/a*",), "w", only="driver"), "1", "2", False),
        (Line("file", ("/a*",), "w", only="driver"), ABSENT, "2", False),
        (Line("file", ("/a*",), "w", only="executors"), UNSET, "2", True),
        (Line("file", ("/a*",), "w", driver="{executors}:/home/*"), "/bin:/home/x", "/bin", True),
        (Line("file", ("/a*",), "w", driver="{executors}:/home/*"), "/x:/home/x", "/bin", False),
        (Line("file", ("/a*",), "w", executors="{driver} more"), "x", "x more", True),
        (Line("file", ("/a*",), "w", executors="{driver} more"), "x", "y more", False),
        (Line("file", ("/a*",), "w", as_built=True), f"1{BUILT}", ABSENT, True),
        (Line("file", ("/a*",), "w", as_built=True), "1", ABSENT, False),
    ],
)
def test_a_line_allows_what_it_says_and_no_more(
    line: Line, driver: str, executors: str, allowed: bool
) -> None:
    assert line.allows("/abc", driver, executors) is allowed


OWN = """
[[may_differ]]
kind = "file"
name = ["/etc/site/*", "/etc/other"]
only = "driver"
why = "the portal's settings"
"""


def test_a_sites_own_lines_count_and_the_report_names_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(may_differ, "OWN", own := tmp_path / "parity.toml")
    own.write_text(OWN)
    may = may_differ.load(own=own)
    driver = file("/etc/site/portal.json")
    report = parity.compare(driver, GOOD, may=may)
    [row] = [row for row in report.rows if row.verdict is Verdict.ALLOWED]
    assert report.holds
    assert row.why == "the portal's settings (parity.toml)"
    assert not parity.compare(GOOD, driver, may=may).holds
    shown.show_rows(["driver", "executors"], report)
    assert "own rules  1 of parity.toml" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("x", "is not TOML", "Mend that line"),
        ("[[may_difer]]", "unknown key 'may_difer'", "Did you mean may_differ?"),
        ("may_differ = 1", "may_differ is not a list of tables", "[[may_differ]]"),
        (OWN.replace("name", "nam"), "unknown key 'nam'", "Did you mean name?"),
        (OWN.replace('"file"', '"fiel"'), 'there is no kind "fiel"', "Did you mean file?"),
        (OWN.replace('kind = "file"', ""), 'no text "kind"', "kind ="),
        (OWN.replace("why = ", "# "), 'no text "why"', "why ="),
        (OWN.replace("name = ", "# "), "has no name", "name ="),
        (OWN.replace('["/etc/site/*", "/etc/other"]', "[1]"), "not a list of texts", "name ="),
        (OWN.replace('"driver"', '"hub"'), '"only" is "hub"', "Write driver or executors."),
        (OWN + "live = 1", '"live" is not true or false', "Write true."),
        (OWN + "needs = true", '"needs" is for packages', "package, debian"),
        (OWN + "driver = 3", 'no text "driver"', "driver ="),
    ],
)  # fmt: skip
def test_a_mistake_in_it_is_named_with_its_place(
    tmp_path: Path, text: str, what: str, remedy: str
) -> None:
    own = tmp_path / "parity.toml"
    own.write_text(text)
    with pytest.raises(MalformedFileError) as refused:
        may_differ.load(own=own)
    assert what in refused.value.what
    assert str(own) in refused.value.what
    assert remedy in refused.value.remedy
