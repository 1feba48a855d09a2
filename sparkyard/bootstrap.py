"""How do `make` and `nox` get their tools? Makes .venv from tools.lock, by hash; stdlib only.

Run as a script it also puts `nox` where a shell finds it, where that is possible and none is there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "tools.lock"
PYTHON = VENV / "bin" / "python"
_STAMP = VENV / ".made-from"
_OLDEST = (3, 11)
_LINK = Path("/usr/local/bin/nox")


def ready() -> bool:
    """Tell whether .venv is there and was made from the lock as it is now."""
    return _STAMP.exists() and _STAMP.read_text() == _digest()


def check_python() -> None:
    """Exit with a message under a Python that is too old."""
    if sys.version_info < _OLDEST:
        sys.exit(
            f"error: this is Python {sys.version.split()[0]}; Sparkyard needs 3.11 or newer.\n"
            "  fix: put a newer python3 first on PATH, or run make with PYTHON=/path/to/python3.11."
        )


def ensure() -> None:
    """Make .venv anew unless it is ready; exits with a message where that cannot be done.

    One process makes it; others wait, and find it made. Ctrl-C ends the wait.
    """
    if ready():
        return
    check_python()
    checkout = os.open(ROOT, os.O_RDONLY)  # there before anything is made, and it stays
    try:
        try:
            fcntl.flock(checkout, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("sparkyard: waiting for another process that makes .venv", file=sys.stderr)
            fcntl.flock(checkout, fcntl.LOCK_EX)
        if not ready():
            _make()
    finally:
        os.close(checkout)


def _make() -> None:
    print("sparkyard: making .venv from tools.lock", file=sys.stderr, flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False)
    if made.returncode != 0 and _install_venv():
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False)
    if made.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(
            "error: python3 cannot make a virtual environment here.\n"
            "  fix: install it: `apt-get install python3-venv` on Debian and Ubuntu."
        )
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--retries", "8", "--timeout", "60"]
    index = os.environ.get("SPARKYARD_PYPI_INDEX")
    # Not as an argument: it may hold a password, and `ps` shows arguments to everybody.
    environment = {**os.environ, **({"PIP_INDEX_URL": index} if index else {})}
    bundle = os.environ.get("SPARKYARD_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
    pip += ["--cert", bundle] if bundle and bundle != "none" else []
    pip += ["--require-hashes", "--requirement", str(LOCK)]
    installed = subprocess.run(pip, env=environment, check=False)
    if installed.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(
            "error: the tools of tools.lock could not be installed; the lines above say why.\n"
            "  fix: where PyPI is reached through a mirror or a company's CA, set "
            "SPARKYARD_PYPI_INDEX and SPARKYARD_CA_BUNDLE."
        )
    _STAMP.write_text(_digest())


def call(argv: list[str]) -> int:
    """Run a command in the checkout, with its terminal, and return its exit code.

    Ctrl-C reaches the command by itself, and it is given the time to put things in order that
    `subprocess.call` would not give it; a third one gives up on it.
    """
    with subprocess.Popen(argv, cwd=ROOT) as child:
        for _ in range(2):
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue
        return child.wait()


def link_nox() -> None:
    """Put a link to this checkout's nox on PATH, where there is none and root may write there."""
    if shutil.which("nox") or not os.access(_LINK.parent, os.W_OK):
        return
    _LINK.unlink(missing_ok=True)  # one that leads to a checkout that is gone
    _LINK.symlink_to(VENV / "bin" / "nox")
    print(f"sparkyard: {_LINK} now leads to .venv/bin/nox", file=sys.stderr, flush=True)


def _install_venv() -> bool:
    """Install Debian's python3-venv, which its python3 comes without; tell whether that worked."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    print("sparkyard: installing python3-venv", file=sys.stderr, flush=True)
    for words in (["update"], ["install", "--yes", "--no-install-recommends", "python3-venv"]):
        subprocess.run(["apt-get", "-qq", *words], env=quiet, check=False)
    return True


def _digest() -> str:
    return f"{sys.version_info[:2]} {hashlib.sha256(LOCK.read_bytes()).hexdigest()}\n"


if __name__ == "__main__":
    ensure()
    link_nox()
