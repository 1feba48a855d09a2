"""Which files does a release have? Its record, for programs and for people."""

from __future__ import annotations

import json

from sparkyard.record import schema
from sparkyard.record.record import Record
from sparkyard.registry.oci import Content
from sparkyard.release import releases


def files(record: Record, previous: Record | None) -> dict[str, Content]:
    """Return a record in its three forms, by file name.

    Args:
        record: the record.
        previous: the one of the release before, where there is one.
    """
    # Templates and schemas are slow to import, and a push needs none.
    from sparkyard.record import markdown, page  # noqa: PLC0415

    document = record.as_document()
    schema.check(document, "the new record")
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return {
        releases.RECORD: Content("application/json", text.encode()),
        releases.MARKDOWN: Content("text/markdown", markdown.render(record, previous).encode()),
        releases.PAGE: Content("text/html", page.render(record, previous).encode()),
    }
