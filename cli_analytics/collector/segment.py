"""Segment: the body of a call to Segment's HTTP Tracking API, as events.

    /v1/batch    {"batch": [event, …], "context"?: {…}, "integrations"?: {…}, "sentAt"?: time, "writeKey"?: key}
    /v1/track    one event, with the same keys beside its own; /v1/page, identify and so on alike

What a batch says once holds for each of its events unless the event says otherwise. A key that is null is absent.
Limits are Segment's own. https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cli_analytics.collector import record
from cli_analytics.collector.body import MAX_EVENTS, decoded
from cli_analytics.collector.protocol import Answer, Call, Protocol
from cli_analytics.collector.refusal import Refusal
from cli_analytics.event import MAX_BYTES, Event

TYPES = ("track", "page", "screen", "identify", "group", "alias")
# Path → type of the one event in the body; None for a batch. The short ones are those of analytics.js.
PATHS: Mapping[str, str | None] = {
    "/v1/batch": None,
    "/v1/b": None,
    **{f"/v1/{type_}": type_ for type_ in TYPES},
    **{f"/v1/{type_[0]}": type_ for type_ in TYPES},
}

_INHERITED = ("sentAt", "writeKey")
_MERGED = ("context", "integrations")
_IDS = ("messageId", "anonymousId")


def events(call: Call) -> Iterator[Event]:
    """The events in a request. Raises Refusal at once, and then none of them is taken."""
    type_ = PATHS[call.path]
    found = iter([{**_event(call.body, "the event"), "type": type_}]) if type_ else _of_batch(call.body)
    key = record.key(call.key)
    return ({**event, "writeKey": key} for event in found) if key else found


def _of_batch(body: bytes) -> Iterator[Event]:
    batch = decoded(body, dict[str, msgspec.Raw], "the body")
    items = decoded(batch.get("batch", b"null"), list[msgspec.Raw], "batch")
    if len(items) > MAX_EVENTS:
        raise Refusal(f"batch has {len(items)} events; at most {MAX_EVENTS} are taken", code="request_too_large")
    shared = {key: _shared(batch[key], key) for key in (*_INHERITED, *_MERGED) if key in batch}
    alone = [_event(item, f"batch[{index}]") for index, item in enumerate(items)]
    return (_with_shared(shared, event) for event in alone)  # lazily: 2500 events may share a large context


def _shared(content: msgspec.Raw, where: str) -> Any:
    _check_size(content, where)
    return decoded(content, Any, where)


def _event(content: bytes | msgspec.Raw, where: str) -> Event:
    _check_size(content, where)
    fields = decoded(content, dict[str, Any], where)
    event = {key: value for key, value in fields.items() if value is not None}
    return {**event, **{key: str(event[key]) for key in _IDS if _is_number(event.get(key))}}


def _with_shared(shared: Mapping[str, Any], event: Event) -> Event:
    merged = {key: _merged(shared.get(key), event.get(key)) for key in _MERGED}
    return {**{key: shared[key] for key in _INHERITED if shared.get(key) is not None}, **event, **merged}


def _merged(outer: Any, inner: Any) -> Any:
    """Both objects in one, the inner one first."""
    if not isinstance(outer, dict) or not isinstance(inner, dict):
        return outer if inner is None else inner
    return {**outer, **{key: _merged(outer.get(key), value) for key, value in inner.items()}}


def _check_size(content: bytes | msgspec.Raw, where: str) -> None:
    size = memoryview(content).nbytes
    if size > MAX_BYTES:
        raise Refusal(f"{where} has {size} bytes; at most {MAX_BYTES} are taken", code="event_too_large")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


PROTOCOL = Protocol("segment", events, Answer.of({"success": True}), says_why=True, is_text=False)
PROTOCOLS: Mapping[str, Protocol] = dict.fromkeys(PATHS, PROTOCOL)
