"""File: a local archive in the collector's own format, for sites without a network.

    <path>/segment-logs/<tool>/<received day>/<sent at>.<messageId>.1.gz        times in Unix milliseconds

One file for each of what a sender sends at once: gzip, one record a line, whole or not there at all. It is carried to
where a collector is by hand, and `cli-analytics collect --import` takes it in.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from typing import Any

from cli_analytics import event
from cli_analytics.destination import SinkConfig
from cli_analytics.event import Event
from cli_analytics.sinks.request import Request

FOLDER = "segment-logs"
DAY_MS = 24 * 3600 * 1000


def encode(events: Sequence[Event], config: SinkConfig, sent_at: str) -> list[Request]:
    """One file for each tool that they are of."""
    return [_request(tool, own, config, sent_at) for tool, own in _by_tool(events)]


def _by_tool(events: Sequence[Event]) -> Iterator[tuple[str, list[Event]]]:
    for tool in sorted({_tool(item) for item in events}):
        yield tool, [item for item in events if _tool(item) == tool]


def _tool(item: Event) -> str:
    """Its name, which names a folder; the gate has let it through as a plain word."""
    name: str = item.get("context", {}).get("app", {}).get("name", "unknown")
    return name


def _request(tool: str, events: Sequence[Event], config: SinkConfig, sent_at: str) -> Request:
    now = event.milliseconds(sent_at)
    name = f"{now}.{events[0]['messageId']}.1.gz"
    url = f"file:{config.settings['path']}/{FOLDER}/{tool}/{now - now % DAY_MS}/{name}"
    lines = "".join(f"{event.encode(_record(item, tool, sent_at))}\n" for item in events)
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    return Request(url, headers, gzip.compress(lines.encode(), mtime=0), events)


def _record(item: Event, tool: str, sent_at: str) -> dict[str, Any]:
    """Segment's raw record. What sends is what receives, so there is no clock to correct for."""
    return {
        **item,
        "channel": "server",
        "integrations": {},
        "originalTimestamp": item["timestamp"],
        "projectId": tool,
        "receivedAt": sent_at,
        "sentAt": sent_at,
        "userId": None,
        "version": 2,
        "writeKey": None,
    }
