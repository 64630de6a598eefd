"""Segment: the HTTP Tracking API, https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/ .

    POST /v1/batch      Authorization: Basic base64(write_key + ":")      Content-Encoding: gzip
    {"batch": [<event>, …], "sentAt": "…"}

RudderStack, Jitsu and our own collector take the same. A retry carries the same messageIds and a new sentAt. The key is
in the header alone: the body is what the user's log keeps. Segment stores no address where `context.ip` is set;
RudderStack wants `request_ip` for that, and Jitsu a header.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence

from cli_analytics import event
from cli_analytics.destination import SinkConfig
from cli_analytics.event import IP, Event
from cli_analytics.sinks.batches import batches
from cli_analytics.sinks.request import Request

PATH = "/v1/batch"
MAX_BATCH_BYTES = 480_000  # Segment takes 500 KB; the rest is for the envelope
MAX_BATCH_EVENTS = 500


def encode(events: Sequence[Event], config: SinkConfig, sent_at: str) -> list[Request]:
    """As few requests as the limits of the API allow. An event that alone is too large is left out."""
    encoded = ((item, event.encode({**item, "request_ip": IP}).encode()) for item in events)
    fitting = ((item, content) for item, content in encoded if len(content) <= event.MAX_BYTES)
    return [
        _request(batch, config, sent_at) for batch in batches(fitting, most=MAX_BATCH_EVENTS, max_bytes=MAX_BATCH_BYTES)
    ]


def _request(batch: Sequence[tuple[Event, bytes]], config: SinkConfig, sent_at: str) -> Request:
    key = config.settings["write_key"]
    sent = event.encode(sent_at).encode()
    envelope = b'{"batch":[%b],"sentAt":%b}' % (b",".join(content for _, content in batch), sent)
    headers = {
        "Authorization": f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "X-IP-Policy": "remove",
    }
    return Request(config.endpoint + PATH, headers, gzip.compress(envelope, mtime=0), [item for item, _ in batch])
