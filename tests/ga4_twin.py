"""Google Analytics on loopback: the Measurement Protocol and its validation server, as documented.

Written after the documentation and not after ours of its rules:
https://developers.google.com/analytics/devguides/collection/protocol/ga4/validating-events . Like the real one it looks
neither at the measurement id nor at the secret.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Optional
from urllib.parse import parse_qs, urlsplit

import jsonschema

FIELDS = {
    *("client_id", "user_id", "timestamp_micros", "user_properties", "user_data", "consent", "non_personalized_ads"),
    *("user_location", "ip_override", "device", "user_agent", "validation_behavior", "events"),
}
# The documented lists, word by word: the protocol's, that of web streams, Firebase's.
EVENTS = """
ad_activeview, ad_click, ad_exposure, ad_query, ad_reward, adunit_exposure, app_clear_data, app_exception, app_install,
app_remove, app_store_refund, app_update, app_upgrade, dynamic_link_app_open, dynamic_link_app_update,
dynamic_link_first_open, error, firebase_campaign, firebase_in_app_message_action, firebase_in_app_message_dismiss,
firebase_in_app_message_impression, first_open, first_visit, notification_dismiss, notification_foreground,
notification_open, notification_receive, notification_send, os_update, session_start, user_engagement, ad_impression,
in_app_purchase, screen_view, app_store_subscription_cancel, app_store_subscription_renew, click, file_download,
form_start, form_submit, page_view, scroll, view_complete, video_progress, video_start, view_search_results,
app_background, app_store_subscription_convert, session_start_with_rollout
"""
RESERVED = frozenset(re.findall(r"\w+", EVENTS))
PREFIXES = re.compile(r"_|firebase_|ga_|google_|gtag\.")
PARAMETERS = frozenset(
    re.findall(
        r"\w+",
        "firebase_conversion, cid, currency, customer_id, customerid, dclid, gclid, sessionid, sfmc_id, sid, srsltid,"
        "uid, user_id, userid",
    )
)
USER_PROPERTIES = frozenset(
    ["first_open_time", "first_visit_time", "last_deep_link_referrer", "user_id", "first_open_after_install"]
)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
DAY_MICROS = 24 * 3600 * 10**6

Said = Iterator[tuple[str, str, str]]  # field, description, code

SCHEMA = json.loads(Path(__file__).with_name("data").joinpath("ga4.schema.json").read_text(encoding="utf-8"))
_schema = jsonschema.Draft7Validator(SCHEMA)


def assert_valid(content: bytes, now: float) -> None:
    """Neither Google's schema nor the documented limits that it does not know have anything against a body."""
    body = json.loads(content)
    known = {key: value for key, value in body.items() if key not in ("consent", "validation_behavior")}
    assert [error.message for error in _schema.iter_errors(known)] == []
    assert validate(content, now=now) == []


def fits_the_schema(body: Mapping[str, Any]) -> bool:
    return bool(_schema.is_valid(body))


def validate(content: bytes, reserved: frozenset[str] = RESERVED, now: Optional[float] = None) -> list[dict[str, str]]:
    """The messages for a body."""
    now_micros = int((time.time() if now is None else now) * 10**6)
    said = _body(content, reserved, now_micros)
    return [{"fieldPath": field, "description": text, "validationCode": code} for field, text, code in said]


def _body(content: bytes, reserved: frozenset[str], now: int) -> Said:
    if len(content) >= 130_000:
        yield "", "The body is too large.", "VALUE_OUT_OF_BOUNDS"
    try:
        body = json.loads(content)
    except ValueError:
        yield "", "The body is no JSON.", "VALUE_INVALID"
        return
    for field in sorted(body.keys() - FIELDS):
        yield field, f"Unable to parse: no such field [{field}].", "VALUE_INVALID"
    if not isinstance(body.get("client_id"), str) or not body["client_id"]:
        yield "client_id", "Measurement requires a client_id.", "VALUE_REQUIRED"
    elif not re.fullmatch(r"0*[1-9][0-9]*\.0*[1-9][0-9]*", body["client_id"]):
        yield "client_id", "A client_id is two positive numbers with a period.", "VALUE_INVALID"
    yield from _time("timestamp_micros", body, now)
    yield from _user_properties(body.get("user_properties", {}))
    yield from _consent(body.get("consent", {}))
    events = body.get("events")
    if not events:
        yield "events", "Measurement requires events.", "VALUE_REQUIRED"
    elif len(events) > 25:
        yield "events", f"Measurement has {len(events)} events; at most 25.", "EXCEEDED_MAX_ENTITIES"
    for index, event in enumerate(events or []):
        yield from _event(f"Event at index: [{index}]", event, reserved, now)


def _consent(consent: Mapping[str, Any]) -> Said:
    for key, value in consent.items():
        if key not in ("ad_user_data", "ad_personalization") or value not in ("GRANTED", "DENIED"):
            yield f"consent.{key}", f"[{value}] is no consent.", "VALUE_INVALID"


def _time(field: str, holder: Mapping[str, Any], now: int) -> Said:
    micros = holder.get("timestamp_micros", now)
    if not isinstance(micros, int) or not now - 3 * DAY_MICROS <= micros <= now:
        yield field, f"[{micros}] is not within the last 72 hours.", "VALUE_INVALID"


def _event(where: str, event: Mapping[str, Any], reserved: frozenset[str], now: int) -> Said:
    yield from _name("events", where, event["name"], 40)
    if event["name"] in reserved or event["name"].startswith("query_id"):
        yield "events", f"{where} has name [{event['name']}] which is reserved.", "NAME_RESERVED"
    yield from _time("events.timestamp_micros", event, now)
    parameters = event.get("params", {})
    if len(parameters) > 25:
        yield "events", f"{where} has {len(parameters)} parameters; at most 25.", "EXCEEDED_MAX_ENTITIES"
    yield from _parameters(where, parameters)
    if "value" in parameters and "currency" not in parameters:
        yield "events.params", f"{where} has a value without [currency].", "VALUE_REQUIRED"
    if event["name"] == "search" and "search_term" not in parameters:
        yield "events.params", f"{where} needs [search_term].", "VALUE_REQUIRED"
    yield from _session(where, parameters)


def _parameters(where: str, parameters: Mapping[str, Any]) -> Said:
    for name, value in parameters.items():
        yield from _name("events.params", where, name, 40)
        if name in PARAMETERS:
            yield "events.params", f"{where} has param [{name}] which is reserved.", "NAME_RESERVED"
        if not isinstance(value, (str, int, float)) or isinstance(value, bool) or value == "":
            yield f"events.params.{name}", f"{where} has no text or number in [{name}].", "VALUE_INVALID"
        elif len(str(value)) > 100:
            yield f"events.params.{name}", f"{where} has a value over 100 in [{name}].", "VALUE_OUT_OF_BOUNDS"


def _session(where: str, parameters: Mapping[str, Any]) -> Said:
    session, engaged = str(parameters.get("session_id", "1")), parameters.get("engagement_time_msec", 1)
    if not re.fullmatch(r"[0-9]+", session) or int(session) < 1:
        yield "events.params.session_id", f"{where} has session [{session}].", "VALUE_INVALID"
    if not isinstance(engaged, int) or engaged < 1:
        yield "events.params.engagement_time_msec", f"{where} has [{engaged}] milliseconds.", "VALUE_INVALID"


def _user_properties(properties: Mapping[str, Any]) -> Said:
    if len(properties) > 25:
        yield "user_properties", f"Measurement has {len(properties)} user properties.", "EXCEEDED_MAX_ENTITIES"
    for name, found in properties.items():
        yield from _name("user_properties", "Measurement", name, 24)
        if name in USER_PROPERTIES:
            yield "user_properties", f"User property [{name}] is reserved.", "NAME_RESERVED"
        if not 1 <= len(str(found["value"])) <= 36:
            yield f"user_properties.{name}", "A value has 1 to 36 characters.", "VALUE_OUT_OF_BOUNDS"


def _name(field: str, where: str, name: str, longest: int) -> Said:
    if not re.match("[A-Za-z]", name):
        text = f"{where} has invalid name [{name}]. Names must start with an alphabetic character."
        yield field, text, "NAME_INVALID"
    elif not NAME.fullmatch(name) or len(name) > longest:
        yield field, f"{where} has invalid name [{name}].", "NAME_INVALID"
    if PREFIXES.match(name):
        yield field, f"{where} has name [{name}] whose prefix is reserved.", "NAME_RESERVED"


class Asked(NamedTuple):
    """A request as it came."""

    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


class Twin:
    """The server. `reserved` are the names that it keeps for itself; `answer`, if set, is said instead of a verdict."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.reserved = RESERVED
        self.answer: Optional[bytes] = None
        self.status = 200
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _handler(twin: Twin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            parts = urlsplit(self.path)
            twin.asked.append(Asked(parts.path, parse_qs(parts.query), dict(self.headers), body))
            if parts.path == "/debug/mp/collect":
                said = json.dumps({"validationMessages": validate(body, twin.reserved)}, indent=2).encode()
                self.say(twin.status, said if twin.answer is None else twin.answer)
            else:
                self.say(204 if parts.path == "/mp/collect" else 404, b"")

        def say(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            if status in (301, 302, 307):
                self.send_header("Location", f"{twin.url}/debug/mp/collect")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler


@contextmanager
def twin() -> Iterator[Twin]:
    server = Twin()
    try:
        yield server
    finally:
        server.close()
