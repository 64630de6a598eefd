"""The collector: takes events over HTTP, lets through what the manifests declare, and archives it.

    bytes ── body.read ──▶ Call ──┬─ segment.events ────┐
                                  ├─ ga4.events ────────┼──▶ events ── tools.of ──▶ manifest of their tool
                                  └─ universal.events ──┘                               │
                200 ◀── Archive.append ◀── record.build ◀── gate.check ◀── values.restored (where all is text)

    files ── lines.read ──▶ intake ── gate.check ──▶ record.rebuild ──▶ Archive.append       collect --import

200 (204 for Google Analytics 4) means: on disk. The peer's address is never stored, logged or counted. It needs the
extra `collector`.
"""

from cli_analytics.collector.imports import Result, import_folder
from cli_analytics.collector.server import serve

__all__ = ["Result", "import_folder", "serve"]
