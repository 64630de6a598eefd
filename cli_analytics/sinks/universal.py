"""Universal Analytics: the Measurement Protocol, version 1. Every message is a hit of the type `event`.

    POST /collect    v=1&tid=…&aip=1&cid=…&t=event&ec=mytool&ea=command_run&el=command%3Drun&ev=12&an=mytool&…
    POST /batch      as many as twenty of them, one a line

Google switched it off on 2023-07-01 (Analytics 360: 2024-07-01); Snowplow's adapter still takes it.

    ec, an  the tool                      el        the properties, `command=run&outcome=ok`
    ea      the event's name              ev        duration_ms, or the only whole number among the properties
    av      the tool's version            cd1..cd6  os, arch, python, ci, container, ephemeral
    cid     the client id                 cm1, qt   processors, milliseconds since it happened

https://developers.google.com/analytics/devguides/collection/protocol/v1/parameters has the limits. Nothing is sent that
overrides an address, a browser or a place, or names a user, a page or a host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional
from urllib.parse import quote, urlencode

from cli_analytics import event
from cli_analytics.destination import SinkConfig
from cli_analytics.event import Event
from cli_analytics.sinks.batches import batches
from cli_analytics.sinks.request import Request

SNOWPLOW = "/com.google.analytics/v1"  # its path is the whole path, and it takes any body line by line

MAX_HITS = 20
MAX_HIT_BYTES = 8_192
MAX_BATCH_BYTES = 16_384
MAX_LABEL = 500
# Bytes of UTF-8, before they are escaped.
LIMITS = {"ec": 150, "ea": 500, "an": 100, "av": 100, "cd1": 150, "cd2": 150, "cd3": 150, "cd4": 150, "cd5": 150}
MAX_WHOLE = 2**31 - 1  # Snowplow refuses a larger number, and all the other hits of the request with it

HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded",
    "SP-Anonymous": "*",  # `aip` is nothing but stored by Snowplow; this keeps it from storing the address
}


def encode(events: Sequence[Event], config: SinkConfig, sent_at: str) -> list[Request]:
    """As few requests as the limits allow. An event whose hit is too large is left out."""
    hits = _hits(events, config.settings["tracking_id"], event.milliseconds(sent_at))
    return [_request(batch, config.endpoint) for batch in batches(hits, most=MAX_HITS, max_bytes=MAX_BATCH_BYTES)]


def _request(batch: Sequence[tuple[Event, bytes]], endpoint: str) -> Request:
    path = "" if endpoint.endswith(SNOWPLOW) else "/collect" if len(batch) == 1 else "/batch"
    return Request(
        endpoint + path, HEADERS, b"\n".join(hit for _, hit in batch), [item for item, _ in batch], once=True
    )


def _hits(events: Sequence[Event], tracking_id: str, now: int) -> Iterator[tuple[Event, bytes]]:
    for item in events:
        waited = now - event.milliseconds(item["timestamp"])
        hit = _form(_parameters(item, tracking_id, min(max(waited, 0), MAX_WHOLE))).encode()
        if len(hit) <= MAX_HIT_BYTES:
            yield item, hit


def _parameters(item: Event, tracking_id: str, waited: int) -> dict[str, Any]:
    """The parameters of a hit; None for one that it does not have."""
    context, properties = item["context"], event.properties(item)
    app = context.get("app", {})
    return {
        "v": 1,
        "tid": tracking_id,
        "aip": 1,
        "cid": item["anonymousId"],
        "t": "event",
        "ec": app.get("name", "unknown"),
        "ea": event.name(item),
        "el": _label(properties),
        "ev": _value(properties),
        "an": app.get("name"),
        "av": app.get("version"),
        "ds": "app",
        "ni": 1,
        "cd1": context.get("os", {}).get("name"),
        "cd2": context.get("arch"),
        "cd3": context.get("python"),
        "cd4": context.get("ci"),
        "cd5": context.get("container"),
        "cd6": "true" if context.get("ephemeral") else None,
        "cm1": context.get("cpus"),
        "qt": waited,
    }


def _label(properties: Mapping[str, Any]) -> str:
    """The properties as a form, sorted, without those for which there is no more room; `-` for none."""
    pairs: list[str] = []
    for key in sorted(properties):
        pair = _form({key: _text(properties[key])})
        if len("&".join([*pairs, pair])) <= MAX_LABEL:
            pairs.append(pair)
    return "&".join(pairs) or "-"


def _value(properties: Mapping[str, Any]) -> Optional[int]:
    numbers = {key: value for key, value in properties.items() if type(value) is int}
    value = numbers.get("duration_ms", next(iter(numbers.values())) if len(numbers) == 1 else None)
    return value if value is not None and 0 <= value <= MAX_WHOLE else None


def _form(parameters: Mapping[str, Any]) -> str:
    cut = {key: _cut(str(value), LIMITS.get(key)) for key, value in parameters.items() if value is not None}
    return urlencode(cut, quote_via=quote)


def _cut(text: str, limit: Optional[int]) -> str:
    """As many whole characters as there is room for."""
    return text.encode()[:limit].decode(errors="ignore")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, (list, tuple)) else str(value)
