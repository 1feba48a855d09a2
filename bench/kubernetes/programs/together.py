"""Runs programs one after the other in one session: `programs` names them, with what each is given.

What they share is the driver. Each begins with executors of its own.
"""

from __future__ import annotations

import importlib

from session import GIVEN, answer, start

spark = start()
answer(
    **{
        name: importlib.import_module(name).measure(spark, given)
        for name, given in GIVEN["programs"].items()
    }
)
spark.stop()
