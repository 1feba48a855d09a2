"""Which Debian packages does dpkg's database say are installed?"""

from __future__ import annotations

import re

from sparkyard.facts.inside.files import list_dir, read_text

INFO = "/var/lib/dpkg/info"
_STATUS, _STATUS_DIRECTORY = "/var/lib/dpkg/status", "/var/lib/dpkg/status.d"
_FIELD = re.compile(r"(?m)^(Package|Version|Architecture|Status|Maintainer|Source): (.*)$")


def installed(root: str = "") -> dict[str, dict[str, str]]:
    """Return the fields of each installed package; a second architecture is part of its key."""
    parts = [root + _STATUS_DIRECTORY + "/" + name for name in list_dir(root + _STATUS_DIRECTORY)]
    texts = [read_text(path) for path in (root + _STATUS, *parts)]
    packages: dict[str, dict[str, str]] = {}
    for block in "\n\n".join(text for text in texts if text).split("\n\n"):
        fields = dict(_FIELD.findall(block))
        if "Package" in fields and "installed" in fields.get("Status", "installed").split():
            key = fields["Package"]
            if key in packages:
                key += ":" + fields.get("Architecture", "")
            packages[key] = fields
    return packages
