"""Runs Poetry for a project whose Python is not on this machine: it locks, and installs nothing.

Poetry refuses to lock where its own Python is none that the project allows. What it locks depends
on the project's `requires-python` alone.
"""

from poetry.console.application import main
from poetry.utils.env import EnvManager

if __name__ == "__main__":
    EnvManager.create_venv = EnvManager.get  # type: ignore[assignment, method-assign]
    main()
