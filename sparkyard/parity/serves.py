"""What must a hub and the single-user servers that it starts agree on, and why?"""

from __future__ import annotations

from sparkyard.parity import readings
from sparkyard.parity.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "JupyterHub's major version",
        "a server of another one cannot sign its user in, nor tell the hub that it is used",
        "the package's metadata",
        readings.package("jupyterhub", lambda version: version.partition(".")[0]),
    ),
    Rule(
        "JupyterHub's version",
        "within a major version, a hub and a server work together",
        "the package's metadata",
        readings.package("jupyterhub", lambda version: version),
    ),
)
