"""Writes a wheel of one module with one command, for tests of pip without a network.

wheel.py DIRECTORY NAME VERSION
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it runs in containers, too, which do not have the other modules
    from tests.support import Container


def write(directory: Path, name: str, version: str) -> Path:
    """Return the wheel's path; its module has a function `answer`, its command prints that."""
    module, info = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": (
            f"def answer():\n    return '{name} {version}'\n\ndef main():\n    print(answer())\n"
        ),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-answer = {module}:main\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    wheel = directory / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as together:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            together.writestr(file, text)
    return wheel


def write_in(container: Container, name: str, version: str) -> str:
    """Write the wheel in a container, and return its path there."""
    source = Path(__file__).read_text(encoding="utf-8")
    argv = ("python", "-", "/tmp", name, version)  # noqa: S108
    return container.exec(*argv, stdin=source).stdout.strip()


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
