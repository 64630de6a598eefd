"""Segment: the HTTP Tracking API, https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/ .

    POST /v1/batch      Authorization: Basic base64(write_key + ":")      Content-Encoding: gzip
    {"batch": [<event>, …], "sentAt": "…"}

RudderStack, Jitsu and our own collector take the same. A retry carries the same messageIds and a new sentAt. The key is
in the header alone: the body is what the user's log keeps.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence

from cli_analytics import event
from cli_analytics.event import Event
from cli_analytics.manifest import SinkConfig
from cli_analytics.sinks.request import Request

PATH = "/v1/batch"
MAX_BATCH_BYTES = 480_000  # Segment takes 500 KB; the rest is for the envelope
MAX_BATCH_EVENTS = 500


def encode(events: Sequence[Event], config: SinkConfig, sent_at: str) -> list[Request]:
    """As few requests as the limits of the API allow."""
    encoded = [event.encode(item) for item in events]
    batches: list[list[str]] = []
    size = 0
    for item in encoded:
        if not batches or size + len(item) > MAX_BATCH_BYTES or len(batches[-1]) == MAX_BATCH_EVENTS:
            batches.append([])
            size = 0
        batches[-1].append(item)
        size += len(item) + 1
    return [_request(batch, config, sent_at) for batch in batches]


def _request(batch: Sequence[str], config: SinkConfig, sent_at: str) -> Request:
    key = config.settings["write_key"]
    envelope = f'{{"batch":[{",".join(batch)}],"sentAt":{event.encode(sent_at)}}}'
    headers = {
        "Authorization": f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }
    return Request(config.endpoint + PATH, headers, gzip.compress(envelope.encode(), mtime=0), len(batch))
