"""The collector: takes Segment batches over HTTP, lets through what the manifests declare, and archives it.

    bytes ── body.read ──▶ JSON ── segment.events ──▶ events ── gate.check ──▶ record.build ──▶ Archive.append ──▶ 200

200 means: on disk. The peer's address is never stored, logged or counted. It needs the extra `collector`.
"""

from cli_analytics.collector.server import serve

__all__ = ["serve"]
