"""Google Analytics 4: https://developers.google.com/analytics/devguides/collection/protocol/ga4 , for a web stream.

    POST /mp/collect?measurement_id=…&api_secret=…
    {"timestamp_micros": …, "client_id": "<number>.<number>", "user_properties": {…}, "consent": {…}, "device": {…},
     "events": [{"name": "command_run", "timestamp_micros": …, "params": {…}}, …]}

Every message is an event: a track of its own name, a page of the page's, for `page_view` is not ours to send, and an
identify is an event `identify` with its traits as parameters, for Google knows no such message and nothing may be lost.
The context is user properties, which a request has but once, so a request holds the events of one client id and one
context. No address, no user id, no place, no language; both consents are denied.

Google answers 2xx to anything and can't tell a repetition. What ga4_rules.py finds wrong is never sent, lest it take
others along, and `cli-analytics check` says so before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from cli_analytics import environment, event
from cli_analytics.destination import SinkConfig
from cli_analytics.event import Event
from cli_analytics.properties import Declaration, Integer
from cli_analytics.sinks import ga4_rules as rules
from cli_analytics.sinks.request import Request

PATH = "/mp/collect"
ENVELOPE_BYTES = 60  # what _body puts around the origin and the events, and more
# Google moves older events to 72 hours before it got them, and so do we, for its stricter validation refuses them. A
# minute is for the way to it and for a clock of ours that is slow.
MAX_AGE_MS = (rules.MAX_AGE_SECONDS - 60) * 1000

# User property → where in the context.
_USER_PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "os_name": ("os", "name"),
    "arch": ("arch",),
    "python": ("python",),
    "cpus": ("cpus",),
    "ci": ("ci",),
    "container": ("container",),
    "ephemeral": ("ephemeral",),
    "library_version": ("library", "version"),
}
_CONSENT = {"ad_user_data": "DENIED", "ad_personalization": "DENIED"}
_TWO_NUMBERS = re.compile(r"[1-9][0-9]{0,17}\.[1-9][0-9]{0,17}")


class _Item(NamedTuple):
    """An event, the same as Google takes it, and its time there."""

    event: Event
    encoded: str
    micros: int


def encode(events: Sequence[Event], config: SinkConfig, sent_at: str) -> list[Request]:
    """As few requests as the limits allow, the events of each in order."""
    settings = {key: config.settings[key] for key in ("measurement_id", "api_secret")}
    url = f"{config.endpoint}{PATH}?{urlencode(settings, quote_via=quote)}"
    now = event.milliseconds(sent_at)
    by_origin: dict[str, list[_Item]] = {}
    for item in events:
        if not rules.event_problem(event.name(item)):
            by_origin.setdefault(event.encode(_origin(item)), []).append(_item(item, now))
    return [
        Request(url, {"Content-Type": "application/json"}, _body(origin, batch), [item.event for item in batch], True)
        for origin, items in by_origin.items()
        for batch in _batches(items, rules.MAX_BYTES - ENVELOPE_BYTES - len(origin))
    ]


def problems(declared: Mapping[str, Declaration]) -> list[str]:
    """One sentence for each name that is not sent: where it is, what is wrong with it, what to do."""
    found = []
    for name, declaration in declared.items():
        found.append((f"events.{name}", rules.event_problem(name)))
        for key, kind in declaration.properties.items():
            problem = rules.parameter_problem(key, is_number=isinstance(kind, Integer))
            found.append((f"events.{name}.properties.{key}", problem))
    return [f"{where}: {problem}" for where, problem in found if problem]


def client_id(anonymous_id: str) -> str:
    """The two positive numbers that Google wants, of the first and the last eight digits of our UUID.

    Plain arithmetic, so that a shell gets the same. Such numbers stay as they are; of anything else the digits are
    those of its SHA-256.
    """
    if _TWO_NUMBERS.fullmatch(anonymous_id):
        return anonymous_id
    is_ours = environment.is_client_id(anonymous_id)
    digits = anonymous_id if is_ours else hashlib.sha256(anonymous_id.encode()).hexdigest()
    return f"{max(1, int(digits[:8], 16))}.{max(1, int(digits[-8:], 16))}"


def _batches(items: Sequence[_Item], room: int) -> Iterator[list[_Item]]:
    """The items in order, so many at once as the limits allow. One alone, with all values cut, always has room."""
    batch: list[_Item] = []
    size = 0
    for item in items:
        if batch and (len(batch) == rules.MAX_EVENTS or size + len(item.encoded) + 1 > room):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item.encoded) + 1
    yield batch


def _body(origin: str, batch: Sequence[_Item]) -> bytes:
    """The time of the whole is that of the user properties, and of events for whoever overlooks the time of each."""
    newest = max(item.micros for item in batch)
    events = ",".join(item.encoded for item in batch)
    return f'{{"timestamp_micros":{newest},{origin[1:-1]},"events":[{events}]}}'.encode("ascii")


def _origin(item: Event) -> dict[str, Any]:
    """What all events of a request have in common.

    Of Google's categories of devices, desktop, tablet, mobile and smart TV, what runs a command line is the first.
    """
    context = item.get("context", {})
    known = {name: _at(context, path) for name, path in _USER_PROPERTIES.items()}
    system = known["os_name"]
    return {
        "client_id": client_id(item["anonymousId"]),
        "user_properties": {
            name: {"value": str(_value(value))[: rules.MAX_USER_PROPERTY_VALUE]}
            for name, value in known.items()
            if value is not None
        },
        "consent": _CONSENT,
        "device": {"category": "desktop", **({"operating_system": system} if system else {})},
    }


def _at(context: Any, path: Sequence[str]) -> Any:
    for key in path:
        context = context.get(key, {})
    return None if context == {} else context


def _item(item: Event, now: int) -> _Item:
    """Google's reference calls the time a parameter; Google's event builder has it beside the name, and so have we.

    There it is none of the 25.
    """
    happened = event.milliseconds(item["timestamp"])
    micros = 1000 * min(now, max(now - MAX_AGE_MS, happened))
    found = {"name": event.name(item), "timestamp_micros": micros, "params": _parameters(item, happened)}
    return _Item(item, event.encode(found), micros)


def _parameters(item: Event, happened: int) -> dict[str, Any]:
    context, properties = item.get("context", {}), event.properties(item)
    duration = properties.get("duration_ms")
    ours = {
        "session_id": context.get("sessionId") or max(1, happened // 1000),
        "engagement_time_msec": max(1, duration) if isinstance(duration, int) else 1,
        "app_name": _value(_at(context, ("app", "name")) or ""),
        "app_version": _value(_at(context, ("app", "version")) or ""),
        "dropped_events": context.get("dropped_events", ""),
    }
    values = {**ours, **{key: _value(value) for key, value in properties.items() if _may_leave(key, value)}}
    return dict([(key, value) for key, value in values.items() if value != ""][: rules.MAX_PARAMETERS])


def _may_leave(name: str, value: object) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return not rules.parameter_problem(name, is_number=is_number)


def _value(value: Any) -> Any:
    """A number as it is, all else as a text that is short enough; of a list as many of its names as have room."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        names = ",".join(value)
        return names if len(names) <= rules.MAX_VALUE else names[: rules.MAX_VALUE + 1].rpartition(",")[0]
    return value[: rules.MAX_VALUE] if isinstance(value, str) else value
