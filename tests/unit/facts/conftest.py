"""Gives the collectors' modules the one that they take from conf/spark/compose."""

from __future__ import annotations

import sys

from tests.compose_modules import java_properties

sys.modules["java_properties"] = java_properties
