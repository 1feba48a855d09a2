"""Does the collector see each file that a process can act on, its owner, and what became of it?"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sparkyard.facts.collector import debian, files, tree
from sparkyard.facts.collector.debian import debian_facts
from sparkyard.facts.collector.files import BUILT, as_built, file_facts
from sparkyard.facts.collector.inspection import Hashes
from sparkyard.facts.collector.process import process_facts
from sparkyard.facts.inside import packages


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write(path: Path, text: str = "x", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def seen(*led_to: Path, home: str = "", mounts: dict[str, str] | None = None) -> tree.Tree:
    return tree.tree(home, [str(path) for path in led_to], mounts or {})


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def shown(found: tree.Tree) -> dict[str, str]:
    return {path: found.shown(path, Hashes()) for path in found.files}


def test_files_are_told_by_content_and_rights_and_links_by_their_target(tmp_path: Path) -> None:
    top = tmp_path / "top"
    plain, program = write(top / "a" / "plain"), write(top / "program", mode=0o755)
    special = write(top / "special", mode=0o4755)
    (top / "link").symlink_to("a/plain")
    (tmp_path / "other").symlink_to(top)
    found = seen(tmp_path / "other")
    assert shown(found) == {
        str(plain): sha("x"),
        str(program): f"{sha('x')} x",
        str(special): f"{sha('x')} x setuid",
    }
    assert found.links == {str(top / "link"): "a/plain", str(tmp_path / "other"): str(top)}


def test_the_home_and_the_working_directory_are_looked_through_and_caches_are_not(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    write(home / ".netrc")
    write(home / ".cache" / "pip" / "much")
    write(tmp_path / "here" / "statistics.py")
    found = {os.path.relpath(path, tmp_path) for path in seen(home=str(home)).files}
    assert found == {"home/.netrc", "here/statistics.py"}


def test_a_home_that_is_mounted_is_the_users_own(tmp_path: Path) -> None:
    write(tmp_path / "home" / "notebook.ipynb")
    home = str(tmp_path / "home")
    found = seen(home=home, mounts={"/": "overlay", home: "ext4"})
    assert found.files == {}
    assert found.passed_over == {home: "mounted: the user's own files"}


def test_what_is_not_looked_at_has_a_reason_and_too_wide_a_place_is_not_entered() -> None:
    assert all(reason for _, reason in tree.UNREAD)
    assert tree.is_unread("/usr/share/doc/x/README")
    assert not tree.is_unread("/usr/share/zoneinfo/UTC")
    assert seen(Path("/"), Path("/proc/self")).files == {}


INSTALLED = {"lib/plain": "p", "lib/edited": "e", "lib/gone": "g"}


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the files of a Debian package, as it was installed."""
    top = tmp_path / "top"
    for name, text in INSTALLED.items():
        write(top / name, text)
    (top / "lib" / "link.so").symlink_to("plain")
    write(top / "etc" / "conf", "c")
    info = tmp_path / "dpkg" / "info"
    listed = [f"{top}/{name}" for name in (*INSTALLED, "lib", "lib/link.so", "etc/conf")]
    write(info / "demo:amd64.list", "\n".join(["/.", *listed]))
    sums = (
        f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}  {f'{top}/{name}'[1:]}"
        for name, text in INSTALLED.items()
    )
    write(info / "demo:amd64.md5sums", "\n".join(sums))
    conf = hashlib.md5(b"c", usedforsecurity=False).hexdigest()
    write(
        tmp_path / "dpkg" / "status",
        "Package: demo\nStatus: install ok installed\nSection: non-free/libs\nVersion: 1.2\n"
        "Depends: libc6 (>= 2.3), libone | libother:any\nPre-Depends: dpkg\n"
        "Provides: demo-1 (= 1)\n"
        f"Conffiles:\n {top}/etc/conf {conf}\nDescription: d\n",
    )
    for module in (packages, debian):
        monkeypatch.setattr(module, "DPKG", str(tmp_path / "dpkg"))
    return top


def of_demo(top: Path) -> tuple[dict[str, Any], dict[str, str]]:
    written, owners = debian_facts(seen(top), Hashes())
    return written["demo"], owners


def test_a_debian_package_is_what_was_installed_and_what_it_needs(top: Path) -> None:
    demo, owners = of_demo(top)
    assert demo["altered"] == {}
    assert demo["files"] == len(owners) == 5
    assert (demo["version"], demo["section"]) == ("1.2", "libs")
    assert demo["needs"] == ["dpkg", "libc6", "libone | libother"]
    assert demo["provides"] == ["demo-1"]


def test_a_file_that_is_not_as_installed_is_named_and_the_package_stays_the_same(top: Path) -> None:
    before, _ = of_demo(top)
    write(top / "lib" / "edited", "another")
    assert of_demo(top)[0]["sha256"] == before["sha256"]
    (top / "lib" / "gone").unlink()
    write(top / "etc" / "conf", "of a site")
    write(top / "lib" / "plain", "p", 0o4755)
    after, _ = of_demo(top)
    assert after["altered"] == {
        f"{top}/etc/conf": sha("of a site"),
        f"{top}/lib/edited": sha("another"),
        f"{top}/lib/gone": "not there",
        f"{top}/lib/plain": f"{sha('p')} x setuid",
    }
    assert (after["version"], after["files"]) == (before["version"], 4)


def test_a_link_that_leads_elsewhere_makes_it_another_package(top: Path) -> None:
    before, _ = of_demo(top)
    (top / "lib" / "link.so").unlink()
    (top / "lib" / "link.so").symlink_to("edited")
    assert of_demo(top)[0]["sha256"] != before["sha256"]


def test_more_files_than_are_named_still_count(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "_MANY", 1)
    named = []
    for text in ("1", "2"):
        write(top / "lib" / "edited", "another")
        write(top / "lib" / "plain", text)
        named.append(of_demo(top)[0]["altered"])
    assert all("and 1 more" in each for each in named)
    assert named[0] != named[1]


def test_files_of_no_package_links_into_one_and_compiled_files(top: Path) -> None:
    loose = write(top / "own.txt")
    (top / "editor").symlink_to(top / "lib" / "plain")
    compiled = top / "mod" / "__pycache__" / "m.cpython-311.pyc"
    write(compiled, f"{'h' * 16}code")
    claimed = write(top / "claimed")
    found = seen(top)
    _, owners = debian_facts(found, Hashes())
    written = file_facts(found, Hashes(), owners, {str(claimed)}.__contains__)
    assert written["files"] == {
        str(loose): sha("x"),
        str(top / "editor"): f"-> {top / 'lib' / 'plain'}",
    }
    assert written["made_for"] == {str(top / "editor"): "demo"}
    assert written["compiled"] == {
        str(top / "mod"): {"m.cpython-311.pyc": sha("code")[: files._DIGITS]}
    }


def test_the_time_in_a_compiled_file_does_not_count(top: Path) -> None:
    compiled = top / "mod" / "__pycache__" / "m.cpython-311.pyc"
    codes = []
    for header in "ab":
        write(compiled, f"{header * 16}code")
        codes.append(file_facts(seen(top), Hashes(), {}, bool)["compiled"])
    assert codes[0] == codes[1]


def test_a_file_that_an_images_build_copied_is_marked(tmp_path: Path) -> None:
    start, other = write(tmp_path / "start", "s", 0o755), write(tmp_path / "other", "o")
    values = {str(start): f"{sha('s')} x", str(other): sha("o"), "/link": "-> /x"}
    label = json.dumps({"images/x/start": sha("xs")[: files._DIGITS], "PYTHON": "3.11"})
    assert as_built(values, label) == {**values, str(start): f"{sha('s')} x{BUILT}"}
    for wrong in ("{}", "x", "[]", "1"):
        assert as_built(values, wrong) == values


def test_a_process_tells_its_account_and_its_limits(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        written = process_facts({"HOME": str(tmp_path), "TMPDIR": "/nowhere"})
    finally:
        os.umask(before)
    assert written["umask"] == "027"
    assert written["HOME"] == str(tmp_path)
    assert written["HOME is writable"] == "yes"
    assert written["the temporary directory is writable"] == "not there"
    assert int(written["limit of open files"]) > 0
    made = process_facts({"HOME": "/nowhere/names.Ab12/home", "TMPDIR": "/nowhere"})
    assert made["HOME"] == "/nowhere/names.*"
