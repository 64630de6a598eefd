"""GA4 validation: what the validation server says of a body: POST /debug/mp/collect. Nothing of it is archived.

    {"validationMessages": [{"fieldPath": "events", "description": "…", "validationCode": "NAME_INVALID"}, …]}

Every rule is kept that is documented, so it is stricter than Google's own server, which lets some reserved names pass.
https://developers.google.com/analytics/devguides/collection/protocol/ga4/validating-events
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from cli_analytics.collector import ga4
from cli_analytics.collector.body import decoded
from cli_analytics.collector.refusal import Refusal
from cli_analytics.collector.values import whole
from cli_analytics.sinks import ga4_rules as rules

PATH = "/debug/mp/collect"

# What else is reserved of ga4_rules.PARAMETERS is so for dimensions of one's own, not for parameters.
_RESERVED_PARAMETERS = frozenset(["firebase_conversion"])
_INSTANCE = re.compile(r"[0-9A-Fa-f]{32}")


class Message(NamedTuple):
    """One thing that is wrong."""

    fieldPath: str  # noqa: N815  the service's own name
    description: str
    validationCode: str  # noqa: N815


def messages(body: bytes, query: bytes, now: float | None = None) -> list[dict[str, str]]:
    """What is wrong in `body`; nothing for one that is valid."""
    try:
        found = decoded(body, dict[str, Any], "the body")
    except Refusal as refusal:
        return [
            Message("", f"Unable to parse Measurement Protocol JSON payload: {refusal}.", "VALUE_INVALID")._asdict()
        ]
    checked = _of_body(found, body, query, time.time() if now is None else now)
    return [message._asdict() for message in checked]


def _of_body(found: Mapping[str, Any], body: bytes, query: bytes, now: float) -> Iterator[Message]:
    if len(body) > rules.MAX_BYTES:
        yield Message("", f"The payload exceeds {rules.MAX_BYTES} bytes.", "VALUE_OUT_OF_BOUNDS")
    yield from _of_client(found, query)
    yield from _of_time("timestamp_micros", found, found, now)
    yield from _of_user_properties(found.get("user_properties"))
    events = found.get("events") or []
    events = events if isinstance(events, list) else [events]
    if not events:
        yield Message("events", "At least one event is required.", "VALUE_REQUIRED")
    if len(events) > rules.MAX_EVENTS:
        yield _too_many("events", f"{len(events)} events", rules.MAX_EVENTS)
    for index, event in enumerate(events):
        if isinstance(event, dict):
            yield from _of_event(f"Event at index: [{index}]", event)
            yield from _of_time("events.timestamp_micros", event, found, now)
        else:
            yield Message("events", f"Event at index: [{index}] is no object.", "VALUE_INVALID")


def _of_client(found: Mapping[str, Any], query: bytes) -> Iterator[Message]:
    fields = parse_qs(query.decode("latin-1"))
    is_app = "firebase_app_id" in fields
    key = "app_instance_id" if is_app else "client_id"
    if not ga4.stream(query):
        yield Message("measurement_id", "Measurement requires a measurement_id or firebase_app_id.", "VALUE_REQUIRED")
    if not found.get(key):
        yield Message(key, f"Measurement requires a {key}.", "VALUE_REQUIRED")
    elif not isinstance(found[key], str) or (is_app and not _INSTANCE.fullmatch(found[key])):
        yield Message(key, f"Measurement {key} has invalid value.", "VALUE_INVALID")


def _of_time(path: str, holder: Mapping[str, Any], found: Mapping[str, Any], now: float) -> Iterator[Message]:
    if "timestamp_micros" not in holder:
        return
    micros = whole(holder["timestamp_micros"])
    if micros is None:
        yield Message(path, "timestamp_micros is no number.", "VALUE_INVALID")
    elif _is_strict(found) and micros < (now - rules.MAX_AGE_SECONDS) * 1e6:
        yield Message(path, "timestamp_micros is more than 72 hours ago.", "VALUE_OUT_OF_BOUNDS")


def _is_strict(found: Mapping[str, Any]) -> bool:
    behavior = found.get("validation_behavior", found.get("validationBehavior"))
    return bool(behavior == "ENFORCE_RECOMMENDATIONS")


def _of_user_properties(properties: Any) -> Iterator[Message]:
    properties = properties if isinstance(properties, dict) else {}
    if len(properties) > rules.MAX_USER_PROPERTIES:
        yield _too_many("user_properties", f"{len(properties)} user properties", rules.MAX_USER_PROPERTIES)
    for name, found in properties.items():
        what = "User property"
        reserved = name in rules.USER_PROPERTIES or name.startswith(rules.PREFIXES)
        yield from _of_name("user_properties", what, name, rules.MAX_USER_PROPERTY_NAME, reserved)
        value = found.get("value") if isinstance(found, dict) else None
        yield from _of_value("user_properties", f"{what} [{name}]", value, rules.MAX_USER_PROPERTY_VALUE)


def _of_event(where: str, event: Mapping[str, Any]) -> Iterator[Message]:
    name = event.get("name")
    if not isinstance(name, str) or not name:
        yield Message("events", f"{where} requires a name.", "VALUE_REQUIRED")
    else:
        reserved = name in rules.EVENTS or name.startswith(rules.EVENT_PREFIXES)
        yield from _of_name("events", where, name, rules.MAX_NAME, reserved)
    parameters = event.get("params", {})
    if not isinstance(parameters, dict):
        yield Message("events.params", f"{where} has params that are no object.", "VALUE_INVALID")
        return
    if len(parameters) > rules.MAX_PARAMETERS:
        yield _too_many("events.params", f"{where} has {len(parameters)} params", rules.MAX_PARAMETERS)
    for key, value in parameters.items():
        if key != "items":  # the one list there may be
            reserved = key in _RESERVED_PARAMETERS or key.startswith(rules.PREFIXES)
            yield from _of_name("events.params", f"{where} parameter", key, rules.MAX_NAME, reserved)
            yield from _of_value("events.params", f"{where} parameter [{key}]", value, rules.MAX_VALUE)


def _of_name(path: str, what: str, name: str, longest: int, reserved: bool) -> Iterator[Message]:
    if reserved and name[:1].isalpha():
        yield Message(path, f"{what} has name [{name}] which is reserved.", "NAME_RESERVED")
    elif not name[:1].isalpha():
        sentence = "Names must start with an alphabetic character."
        yield Message(path, f"{what} has invalid name [{name}]. {sentence}", "NAME_INVALID")
    elif not rules.NAME.fullmatch(name):
        sentence = "Only alphanumeric characters and underscores are allowed."
        yield Message(path, f"{what} has invalid name [{name}]. {sentence}", "NAME_INVALID")
    elif len(name) > longest:
        sentence = f"Names must be {longest} characters or fewer."
        yield Message(path, f"{what} has invalid name [{name}]. {sentence}", "NAME_INVALID")


def _of_value(path: str, what: str, value: Any, longest: int) -> Iterator[Message]:
    if not isinstance(value, (str, int, float)):  # a bool is an int
        yield Message(path, f"{what} has a value that is neither text nor a number.", "VALUE_INVALID")
    elif len(str(value)) > longest:
        yield Message(path, f"{what} has a value of more than {longest} characters.", "VALUE_OUT_OF_BOUNDS")


def _too_many(path: str, what: str, most: int) -> Message:
    return Message(path, f"{what} exceed the limit of {most}.", "EXCEEDED_MAX_ENTITIES")
