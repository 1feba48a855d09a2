"""Show past applications in Spark's History Server, from their event logs."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os

from sparkyard import commands, console, settings
from sparkyard.plan import plan
from sparkyard.services import history


def main(argv: list[str]) -> int:
    """Start the history server on loopback, or stop it.

    Raises:
        SettingsError: no event logs are named, or they cannot be where they are named.
        SparkyardError: see `history.ensure`.
    """
    parser = commands.parser("history", __doc__)
    parser.add_argument(
        "--logs", metavar="PLACE", help="s3a://bucket/prefix, or a directory of this machine"
    )
    parser.add_argument(
        "--hadoop-conf", metavar="DIRECTORY", help="has the core-site.xml with S3's credentials"
    )
    parser.add_argument("--port", help="of loopback (default: 18080)")
    parser.add_argument(
        "--network", default="", help="of the engine, to join: for an S3 server in a container"
    )
    parser.add_argument("--stop", action="store_true", help="stop it; event logs stay")
    parser.add_argument("--json", action="store_true", help="print a JSON document")
    chosen = parser.parse_args(argv)
    listed = None
    if chosen.stop:
        was = history.stop()
        console.note("stopped; the event logs are kept" if was else "it was not running")
    else:
        where = dataclasses.replace(plan.site(), settings=_settings(chosen))
        listed = history.ensure(where, history.wanted(where.settings, chosen.network))
    now = history.state()
    if chosen.json:
        print(json.dumps({**dataclasses.asdict(now), "applications": listed}, indent=2))
    elif listed is not None:
        print(f"{now.url} shows {listed} application(s) of {now.logs}")
    return 0


def _settings(chosen: argparse.Namespace) -> settings.Settings:
    """Return the settings in force; an option stands for its variable."""
    given = {
        "SPARKYARD_EVENT_LOG_DIR": chosen.logs,
        "SPARKYARD_HADOOP_CONF_DIR": chosen.hadoop_conf,
        "SPARKYARD_HISTORY_PORT": chosen.port,
    }
    options = {name: value for name, value in given.items() if value is not None}
    return settings.load({**os.environ, **options})
