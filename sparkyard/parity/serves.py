"""What must a hub and the single-user servers that it starts agree on, and why?"""

from __future__ import annotations

from sparkyard.parity import readings
from sparkyard.parity.rule import MAY, MUST, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "JupyterHub's major version",
        MUST,
        "a server of another one cannot sign its user in, nor tell the hub that it is used",
        "the package's metadata",
        readings.package("jupyterhub", lambda version: version.partition(".")[0]),
        readings.no_paths,
    ),
    Rule(
        "JupyterHub's version",
        MAY,
        "within a major version, a hub and a server work together",
        "the package's metadata",
        readings.package("jupyterhub", lambda version: version),
        readings.no_paths,
    ),
)
