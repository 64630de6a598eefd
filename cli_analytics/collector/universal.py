"""Universal: hits of the Measurement Protocol of Universal Analytics, as events.

    GET  /collect?<hit>
    POST /collect, /batch, /com.google.analytics/v1       one hit a line

A hit is a form: v=1&tid=<key>&cid=<id>&t=event&ec=<category>&ea=<name>&el=<properties>&qt=<ms ago>… . Our sink has the
properties in the label, as a form once more, or "-" for none. A label of another kind is the property `label`, and
category and value are properties beside it. A hit of another type is an event of that name: `pageview` with its `path`.

A hit has no id of its own, so each gets a new one, as in ga4.py. The path with a vendor in it is Snowplow's.
https://web.archive.org/web/2023/https://developers.google.com/analytics/devguides/collection/protocol/v1/parameters
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from cli_analytics.collector import record
from cli_analytics.collector.body import MAX_EVENTS
from cli_analytics.collector.protocol import Answer, Call, Protocol
from cli_analytics.collector.refusal import Refusal
from cli_analytics.collector.values import boolean, whole
from cli_analytics.event import MAX_BYTES, Event

MAX_FIELDS = 500  # of a hit: 200 dimensions, 200 metrics and the rest

NO_PROPERTIES = "-"
_EVENT = {"ec": "category", "el": "label", "ev": "value"}
# Type of a hit → its parameters that are properties of the event.
_OTHERS: Mapping[str, Mapping[str, str]] = {
    "pageview": {"dl": "location", "dh": "host", "dp": "path", "dt": "title", "dr": "referrer"},
    "screenview": {"cd": "screen"},
    "exception": {"exd": "description", "exf": "fatal"},
    "timing": {"utc": "category", "utv": "variable", "utt": "time", "utl": "label"},
    "social": {"sn": "network", "sa": "action", "st": "target"},
}

# The smallest picture there is: one transparent pixel.
GIF = bytes.fromhex("47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b")
_HEADERS = ((b"content-type", b"image/gif"), (b"cache-control", b"no-cache, no-store, must-revalidate"))


def events(call: Call) -> Iterator[Event]:
    """The events in a request. Raises Refusal at once, and then none of them is taken."""
    lines = [line for line in (call.body or call.query).splitlines() if line.strip()]
    if len(lines) > MAX_EVENTS:
        raise Refusal(f"there are {len(lines)} hits; at most {MAX_EVENTS} are taken", code="request_too_large")
    if not lines:
        raise Refusal("there is no hit in it")
    hits = [_hit(line) for line in lines]
    return (_event(hit, call.received) for hit in hits)


def _hit(line: bytes) -> Mapping[str, str]:
    if len(line) > MAX_BYTES:
        raise Refusal(f"a hit has {len(line)} bytes; at most {MAX_BYTES} are taken", code="event_too_large")
    try:
        return dict(parse_qsl(line.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise Refusal(f"a hit has more than {MAX_FIELDS} fields") from error


def _event(hit: Mapping[str, str], received: datetime) -> Event:
    is_event = hit.get("t") == "event"
    return {
        "type": "track",
        "event": hit.get("ea" if is_event else "t"),
        "anonymousId": hit.get("cid"),
        "timestamp": _moment(hit.get("qt"), received),
        "context": _context(hit),
        "properties": _of_event(hit) if is_event else _picked(hit, _OTHERS.get(hit.get("t", ""), {})),
        "writeKey": hit.get("tid"),
    }


def _of_event(hit: Mapping[str, str]) -> dict[str, str]:
    label = hit.get("el", "")
    if label == NO_PROPERTIES:
        return {}
    return dict(parse_qsl(label, keep_blank_values=True)) if "=" in label else _picked(hit, _EVENT)


def _picked(hit: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {name: hit[key] for key, name in names.items() if key in hit}


def _context(hit: Mapping[str, str]) -> dict[str, Any]:
    return {
        "app": {"name": hit.get("an"), "version": hit.get("av")},
        "os": {"name": hit.get("cd1")},
        "arch": hit.get("cd2"),
        "python": hit.get("cd3"),
        "ci": hit.get("cd4"),
        "container": hit.get("cd5"),
        "ephemeral": boolean(hit.get("cd6")),
        "cpus": whole(hit.get("cm1")),
    }


def _moment(milliseconds_ago: str | None, received: datetime) -> str:
    """When it happened: so many milliseconds before it came."""
    try:
        return record.iso(received - timedelta(milliseconds=max(0, whole(milliseconds_ago) or 0)))
    except OverflowError:
        return record.iso(received)


PROTOCOL = Protocol("universal", events, Answer(200, GIF, _HEADERS), says_why=False, is_text=True)
PROTOCOLS: Mapping[str, Protocol] = {
    "/collect": PROTOCOL._replace(methods=("GET", "POST")),
    "/batch": PROTOCOL,
    "/com.google.analytics/v1": PROTOCOL,
}
