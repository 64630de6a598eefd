"""GA4: the body of the Measurement Protocol of Google Analytics 4, as events.

    POST /mp/collect?measurement_id=… or firebase_app_id=…
    {"client_id" or "app_instance_id": id, "timestamp_micros"?: time, "user_properties"?: {name: {"value": …}},
     "events": [{"name": name, "params": {…}, "timestamp_micros"?: time}, …]}          one event needs no list

An event has no id of its own here. It gets a new one: of two that are alike, byte for byte, nobody can say whether they
are one event that was sent twice, and a client is told to send nothing twice.

https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs

from cli_analytics.collector import record
from cli_analytics.collector.body import MAX_EVENTS, decoded
from cli_analytics.collector.protocol import Answer, Call, Protocol
from cli_analytics.collector.refusal import Refusal
from cli_analytics.collector.values import boolean, whole
from cli_analytics.event import Event

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def events(call: Call) -> Iterator[Event]:
    """The events in a request. Raises Refusal at once, and then none of them is taken."""
    body = decoded(call.body, dict[str, Any], "the body")
    items = body.get("events")
    items = items if isinstance(items, list) else [items]
    if len(items) > MAX_EVENTS:
        raise Refusal(f"events has {len(items)} events; at most {MAX_EVENTS} are taken", code="request_too_large")
    return (_event(_object(item), body, stream(call.query)) for item in items)


def stream(query: bytes) -> str:
    """The id of the data stream that a query names, an app's or a web site's."""
    fields = parse_qs(query.decode("latin-1"))
    return (fields.get("measurement_id") or fields.get("firebase_app_id") or [""])[0]


def _event(item: Mapping[str, Any], body: Mapping[str, Any], key: str) -> Event:
    parameters = _object(item.get("params"))
    times = (item.get("timestamp_micros"), parameters.get("timestamp_micros"), body.get("timestamp_micros"))
    return {
        "type": "track",
        "event": item.get("name"),
        "anonymousId": body.get("client_id") or body.get("app_instance_id"),
        "timestamp": next((moment for time in times if (moment := _moment(time))), None),
        "context": _context(parameters, _object(body.get("user_properties"))),
        "properties": parameters,  # those that our sink adds are declared by no manifest
        "writeKey": key,
    }


def _context(parameters: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    user = {name: _object(found).get("value") for name, found in properties.items()}
    context = {
        "app": {
            "name": parameters.get("app_name"),
            "version": parameters.get("app_version") or user.get("app_version"),
        },
        "os": {"name": user.get("os_name")},
        "arch": user.get("arch"),
        "python": user.get("python"),
        "cpus": whole(user.get("cpus")),
        "ci": user.get("ci"),
        "container": user.get("container"),
        "ephemeral": boolean(user.get("ephemeral")),
        "sessionId": whole(parameters.get("session_id")),
        "dropped_events": whole(parameters.get("dropped_events")),
    }
    ours = user.get("library_version")
    return {**context, "library": {"name": "cli-analytics", "version": ours}} if ours else context


def _moment(micros: Any) -> str | None:
    """A time in microseconds since the epoch, a number or text, as RFC 3339."""
    number = whole(micros)
    try:
        return None if number is None else record.iso(EPOCH + timedelta(microseconds=number))
    except OverflowError:
        return None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


PATH = "/mp/collect"
PROTOCOL = Protocol("ga4", events, Answer(204), says_why=False, is_text=True)
PROTOCOLS: Mapping[str, Protocol] = {PATH: PROTOCOL}
