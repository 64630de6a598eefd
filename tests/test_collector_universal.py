"""The collector as Universal Analytics: what it takes and answers, and how events of our own sink arrive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("uvicorn")

from collecting import CONTEXT, GOOGLE_MANIFEST, PROPERTIES, Server, counted, event, records, running

from cli_analytics import sinks
from cli_analytics.destination import SinkConfig

KEY = "UA-000000-1"
LEGACY = b"""
[events.run]
why = "As docker-locust had it"
[events.run.properties]
category = { one_of = ["cli"] }
label = { one_of = ["docker", "-", "one two"] }
value = { type = "integer", min = 0, max = 99 }
[events.pageview]
why = "Which pages are read"
[events.pageview.properties]
path = { one_of = ["/my-page/"] }
title = { one_of = ["My Page"] }
[events.exception]
why = "What goes wrong"
[events.exception.properties]
fatal = { type = "boolean" }
"""
EXAMPLE = (
    f"v=1&aip=1&tid={KEY}&cid=35009a79-1a05-49d7-b876-2b884d0f825b&t=event&ec=cli&ea=run&el=docker&ev=4"
    "&an=demo&av=1.2.3&ul=en-us&cd1=linux&cm1=4&ni=1&ds=app"
)
HIT = {"v": "1", "tid": KEY, "cid": "35009a79-1a05-49d7-b876-2b884d0f825b", "t": "event", "ea": "report_exported"}
POSTS = ["/collect", "/batch", "/com.google.analytics/v1", "/collect/"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    manifest = GOOGLE_MANIFEST.format(tool="mytool", key=KEY).encode() + LEGACY
    with running(tmp_path_factory.mktemp("universal"), manifest) as server:
        yield server


def arrived(server: Server, body: Any, path: str = "/collect", method: str = "POST") -> list[dict[str, Any]]:
    """What is archived of a request that is answered as Google answered."""
    before = {record["messageId"] for record in records(server.archive)}
    status, headers, answer = server.exchange(method, path, body)
    assert (status, headers["Content-Type"]) == (200, "image/gif")
    assert "no-store" in headers["Cache-Control"]
    assert answer.startswith(b"GIF89a\x01\x00\x01\x00") and answer.endswith(b";")
    return [record for record in records(server.archive) if record["messageId"] not in before]


@pytest.mark.parametrize("path", POSTS)
def test_the_hit_of_the_documentation_is_archived_on_every_path(server: Server, path: str) -> None:
    [record] = arrived(server, EXAMPLE, path)
    received = record["receivedAt"]
    assert record == {
        "anonymousId": "35009a79-1a05-49d7-b876-2b884d0f825b",
        "channel": "server",
        "context": {"ip": "0.0.0.0", "app": {"name": "mytool", "version": "1.2.3"}, "os": {"name": "linux"}, "cpus": 4},
        "event": "run",
        "integrations": {},
        "messageId": record["messageId"],
        "originalTimestamp": received,
        "projectId": "mytool",
        "properties": {"category": "cli", "label": "docker", "value": 4},
        "receivedAt": received,
        "sentAt": None,
        "timestamp": received,
        "type": "track",
        "userId": None,
        "version": 2,
        "writeKey": KEY,
    }


def test_a_hit_may_be_in_the_query(server: Server) -> None:
    [record] = arrived(server, None, f"/collect?{EXAMPLE}&z=123", "GET")
    assert record["properties"] == {"category": "cli", "label": "docker", "value": 4}
    assert len(arrived(server, b"", f"/collect?{EXAMPLE}")) == 1


@pytest.mark.parametrize("path", ["/batch", "/com.google.analytics/v1"])
def test_only_collect_is_asked_by_get(server: Server, path: str) -> None:
    assert server.request("GET", f"{path}?{EXAMPLE}")[0] == 405


@pytest.mark.parametrize("space", ["+", "%20"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_hit_needs_no_type_and_no_length_and_its_spaces_are_spelled_either_way(
    server: Server, space: str, chunked: bool
) -> None:
    body = EXAMPLE.replace("docker", f"one{space}two").encode()
    before = len(records(server.archive))
    assert server.exchange("POST", "/collect", iter([body[:9], body[9:]]) if chunked else body)[0] == 200
    assert [record["properties"]["label"] for record in records(server.archive)[before:]] == ["one two"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_a_batch_has_a_hit_a_line(server: Server, end: str) -> None:
    hits = [urlencode({**HIT, "el": urlencode({"pages": number})}) for number in range(20)]
    found = arrived(server, end.join(hits) + end, "/batch")
    assert [record["properties"] for record in found] == [{"pages": number} for number in range(20)]


def test_the_same_hit_twice_is_two_events(server: Server) -> None:
    first, second = arrived(server, f"{EXAMPLE}\n{EXAMPLE}", "/batch")
    assert first["messageId"] != second["messageId"]


@pytest.mark.parametrize(
    ("ago", "milliseconds"), [("0", 0), ("343000", 343_000), ("-5", 0), ("soon", 0), ("9" * 16, 0)]
)
def test_a_hit_that_has_waited_happened_before(server: Server, ago: str, milliseconds: int) -> None:
    [record] = arrived(server, urlencode({**HIT, "qt": ago}))
    received, happened = (datetime.fromisoformat(record[key][:-1]) for key in ("receivedAt", "timestamp"))
    assert abs((received - happened).total_seconds() * 1000 - milliseconds) <= 1


def test_a_hit_of_another_type_is_an_event_of_that_name(server: Server) -> None:
    page = {**HIT, "t": "pageview", "dp": "/my-page/", "dt": "My Page", "dh": "example.org", "ea": "run"}
    [record] = arrived(server, urlencode(page))
    assert (record["event"], record["properties"]) == ("pageview", {"path": "/my-page/", "title": "My Page"})
    [record] = arrived(server, urlencode({**HIT, "t": "exception", "exd": "/home/jane", "exf": "1"}))
    assert (record["event"], record["properties"]) == ("exception", {"fatal": True})


def test_values_in_a_label_are_what_their_kind_says(server: Server) -> None:
    spelled = {"format": "äöü", "rows": "120", "cached": "true", "pages": "-3", "needs": "1.0", "path": "/home/jane"}
    [record] = arrived(server, urlencode({**HIT, "el": urlencode(spelled)}))
    expected = {"format": "äöü", "rows": ">=100", "cached": True, "pages": -3, "needs": "1.0"}
    assert record["properties"] == expected


def test_neither_user_nor_address_nor_what_else_is_in_a_hit_is_kept(server: Server) -> None:
    more = {"uid": "jane", "uip": "198.51.100.7", "ua": "Opera", "geoid": "US", "dl": "https://example.org/?q=jane"}
    text = json.dumps(arrived(server, urlencode({**HIT, **more})))
    assert not any(word in text for word in ("jane", "198.51", "Opera", "127.0.0.1"))


@pytest.mark.parametrize(
    "changes",
    [{"tid": "UA-1-1"}, {"tid": ""}, {"ea": "typed"}, {"t": "pageview2"}, {"t": ""}, {"cid": ""}, {"cid": "j@x"}],
)
def test_a_hit_that_is_not_declared_is_counted_and_answered_alike(server: Server, changes: dict[str, str]) -> None:
    before = server.counts()
    [record] = arrived(server, f"{urlencode({**HIT, **changes})}\n{EXAMPLE}", "/batch")
    assert record["event"] == "run"
    assert counted(server.counts(), before) == {"archived": 1, "undeclared": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n \n",
        b"a" * 33_000,
        b"&".join(b"cd%d=x" % number for number in range(501)),
        b"\n".join([b"t=event"] * 2501),
        b" " * 600_000,
    ],
)
def test_a_request_that_cannot_be_taken_is_counted_and_answered_alike(server: Server, body: bytes) -> None:
    before = server.counts()
    assert arrived(server, body) == []
    assert counted(server.counts(), before) == {"refused": 1}


@pytest.mark.parametrize("body", [b"%", b"\xff\xfe=\xff", b"&&&===", b"t=event&ea=%ff%fe", b"{}"])
def test_what_is_no_form_is_an_event_that_nobody_declares(server: Server, body: bytes) -> None:
    before = server.counts()
    assert arrived(server, body) == []
    assert counted(server.counts(), before) == {"undeclared": 1}


@pytest.mark.parametrize("number", [1, 3, 45])
@pytest.mark.parametrize("base", ["", "/com.google.analytics/v1"])
def test_what_our_sink_sends_arrives_as_it_was(server: Server, number: int, base: str) -> None:
    sent = [event(event="report_exported", context=CONTEXT, properties=PROPERTIES) for _ in range(number)]
    found = delivered(server, *sent, base=base)
    assert len(found) == number
    carried = {key: value for key, value in CONTEXT.items() if key not in ("library", "sessionId", "dropped_events")}
    for record in found:
        assert (record["event"], record["properties"], record["context"]) == ("report_exported", PROPERTIES, carried)
        assert record["anonymousId"] == sent[0]["anonymousId"]
        happened, arrived_at = (datetime.fromisoformat(record[key][:-1]) for key in ("timestamp", "receivedAt"))
        assert abs((arrived_at - happened).total_seconds() - 0.322) <= 0.002


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ({"type": "page", "name": "quickstart", "properties": {"cached": True}}, "quickstart"),
        ({"type": "identify", "traits": {"pages": 12}}, "identify"),
        ({"type": "track", "event": "report_exported", "properties": {}}, "report_exported"),
    ],
)
def test_a_page_and_an_identify_of_our_sink_arrive_as_events(server: Server, sent: dict[str, Any], name: str) -> None:
    bare = {key: value for key, value in event().items() if key not in ("event", "properties")}
    [record] = delivered(server, {**bare, **sent})
    assert record["event"] == name
    assert record["properties"] == sent.get("properties", sent.get("traits"))


def test_a_whole_run_of_ours_arrives_as_it_was(server: Server) -> None:
    run = {
        "command": "db migrate",
        "duration_ms": 1234,
        "outcome": "error",
        "exit_code": 1,
        "exception": "<other>",
        "options": [],
    }
    for options in ([], ["--format", "-v"]):
        [record] = delivered(server, event(properties={**run, "options": options}))
        assert record["properties"] == {**run, "options": options}


def delivered(server: Server, *events: dict[str, Any], base: str = "") -> list[dict[str, Any]]:
    """What is archived of events that our own sink sends."""
    root = f"http://127.0.0.1:{server.port}"
    requests = sinks.encode(events, SinkConfig("universal", root + base, {"tracking_id": KEY}), "2026-01-02T03:04:06Z")
    return [record for request in requests for record in arrived(server, request.body, request.url.removeprefix(root))]


def test_a_tracking_id_is_no_write_key(server: Server) -> None:
    before = server.counts()
    server.exchange("POST", "/v1/track", json.dumps({"event": "run", "anonymousId": "1.2", "writeKey": KEY}))
    assert counted(server.counts(), before) == {"undeclared": 1}
