"""A Python of the tests' own with one package: to hash the tools' own takes seconds."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from pathlib import Path


def make(directory: Path) -> Path:
    """Return the interpreter of a new virtual environment with one package and loose files."""
    real = Path(os.path.realpath(sys.executable))
    major, minor = sys.version_info[:2]
    site = directory / "lib" / f"python{major}.{minor}" / "site-packages"
    info = site / "demo_pkg-1.2.dist-info"
    info.mkdir(parents=True)
    (directory / "pyvenv.cfg").write_text(
        f"home = {real.parent}\ninclude-system-site-packages = false\n"
    )
    module = b"x = 1\n"
    (site / "demo_pkg.py").write_bytes(module)
    (site / "loose.py").write_text("y = 2\n")
    (directory / "stdlib").mkdir()
    # To look through the standard library of this machine takes seconds: it is told to be small.
    told = {"stdlib": [str(directory / "stdlib")], "path": [str(site)]}
    (site / "sitecustomize.py").write_text(
        "import json\nreal = json.JSONEncoder.encode\n"
        f"json.JSONEncoder.encode = lambda self, said: real(self, {{**said, **{told!r}}})\n"
    )
    (info / "METADATA").write_text("Name: demo-pkg\nVersion: 1.2\n")
    sha = base64.urlsafe_b64encode(hashlib.sha256(module).digest()).decode().rstrip("=")
    own = "".join(f"{info.name}/{name},,\n" for name in ("METADATA", "RECORD"))
    (info / "RECORD").write_text(f"demo_pkg.py,sha256={sha},6\n{own}")
    python = directory / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(real)
    return python
