"""Does every package of poetry.lock become a requirement of its group?"""

from __future__ import annotations

from pathlib import Path

from sparkyard.locks import python_lock
from sparkyard.locks.python_lock import Archive, Package

LOCK = """
[[package]]
name = "Ruamel.Yaml"
version = "0.18"
groups = ["one", "two"]
markers = "python_full_version < \\"3.12\\" and (os_name == \\"posix\\" or os_name == \\"nt\\")"
files = [{file = "b", hash = "sha256:bb"}, {file = "a", hash = "sha256:aa"}]

[[package]]
name = "appnope"
version = "0.1"
groups = ["one"]
markers = "python_version == \\"3.11\\" and platform_system == \\"Darwin\\""
files = [{file = "c", hash = "sha256:cc"}]

[[package]]
name = "colorama"
version = "0.4"
groups = ["one", "two"]
markers = {one = "sys_platform == \\"win32\\""}
files = [{file = "d", hash = "sha256:dd"}]

[[package]]
name = "wheel-by-url"
version = "1.0"
groups = ["two"]
files = [{file = "x", hash = "sha256:ee"}]
[package.source]
type = "url"
url = "https://example.com/x-1.0-py3-none-any.whl"

[[package]]
name = "part"
version = "2.0"
groups = ["two"]
files = []
[package.source]
type = "git"
url = "https://example.com/whole.git"
reference = "v2"
resolved_reference = "0123456789abcdef0123456789abcdef01234567"
subdirectory = "libs/part"
"""
EXPORTED = {
    "one": """\
ruamel-yaml==0.18 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
""",
    "two": f"""\
colorama==0.4 \\
    --hash=sha256:dd
part @ file:///run/sources/part-0123456789ab.zip#subdirectory=libs/part \\
    --hash=sha256:{"f" * 64}
wheel-by-url @ https://example.com/x-1.0-py3-none-any.whl \\
    --hash=sha256:ee
""",
}


def packages(tmp_path: Path) -> tuple[Package, ...]:
    file = tmp_path / "poetry.lock"
    file.write_text(LOCK)
    return python_lock.read(file)


def test_each_package_is_in_the_first_group_that_needs_it_on_linux(tmp_path: Path) -> None:
    texts = python_lock.requirements(packages(tmp_path), ["one", "two"], lambda _: "f" * 64)
    assert texts == EXPORTED


def test_the_names_and_archives_of_a_requirements_file_are_read_back() -> None:
    assert python_lock.names(EXPORTED["two"]) == ("colorama", "part", "wheel-by-url")
    archive = Archive("part", "part-0123456789ab.zip", "f" * 64)
    assert python_lock.archives(EXPORTED["one"] + EXPORTED["two"]) == (archive,)
    assert python_lock.names("# a comment\n") == ()
