"""Run Poetry for a Python that this machine may not have.

A lock is resolved for the Python that pyproject.toml declares. Poetry wants to run under that Python
all the same, for the environment that it would install into: locking installs nothing.
"""

from poetry.console.application import main
from poetry.utils.env import EnvManager, NullEnv

if __name__ == "__main__":
    EnvManager.create_venv = lambda *_, **__: NullEnv()  # type: ignore[method-assign]
    raise SystemExit(main())
