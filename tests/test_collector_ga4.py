"""The collector as Google Analytics 4: what it takes and answers, and how events of our own sink arrive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("uvicorn")

from collecting import CONTEXT, GOOGLE_MANIFEST, PROPERTIES, Server, counted, event, records, running

from cli_analytics import sinks
from cli_analytics.destination import SinkConfig

COLLECT = "/mp/collect?measurement_id=G-MINE&api_secret=SECRET"
EXAMPLE: dict[str, Any] = {  # as Google's documentation has it
    "client_id": "1592639421.1767323045",
    "timestamp_micros": 1767323045678000,
    "user_properties": {"os_name": {"value": "Linux"}, "app_version": {"value": "1.2.3"}, "ci": {"value": "none"}},
    "consent": {"ad_user_data": "DENIED", "ad_personalization": "DENIED"},
    "device": {"category": "desktop", "language": "en-US", "operating_system": "Linux"},
    "events": [
        {
            "name": "cli_run",
            "params": {
                "session_id": "1767323045",
                "engagement_time_msec": 1,
                "app_name": "demo",
                "app_version": "1.2.3",
                "command": "run",
                "workers": 4,
                "container": "docker",
            },
        }
    ],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    tools = [("mytool", "G-MINE"), ("first", "G-SHARED"), ("second", "G-SHARED"), ("phone", "1:1234:android:abc")]
    manifests = [GOOGLE_MANIFEST.format(tool=tool, key=key).encode() for tool, key in tools]
    with running(tmp_path_factory.mktemp("ga4"), *manifests) as server:
        yield server


def changed(**changes: Any) -> dict[str, Any]:
    return {**EXAMPLE, **changes}


def arrived(server: Server, body: Any, path: str = COLLECT) -> list[dict[str, Any]]:
    """What is archived of a request that is answered as Google answers."""
    before = {record["messageId"] for record in records(server.archive)}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, headers, answer = server.exchange("POST", path, content)
    assert (status, answer, headers.get("Content-Length")) == (204, b"", None)
    return [record for record in records(server.archive) if record["messageId"] not in before]


def test_an_event_of_the_documentation_is_archived_as_a_segment_record(server: Server) -> None:
    [record] = arrived(server, EXAMPLE)
    assert record == {
        "anonymousId": "1592639421.1767323045",
        "channel": "server",
        "context": {
            "ip": "0.0.0.0",
            "app": {"name": "mytool", "version": "1.2.3"},
            "os": {"name": "Linux"},
            "sessionId": 1767323045,
            "ci": "none",
        },
        "event": "cli_run",
        "integrations": {},
        "messageId": record["messageId"],
        "originalTimestamp": "2026-01-02T03:04:05.678Z",
        "projectId": "mytool",
        "properties": {"command": "run", "workers": 4},
        "receivedAt": record["receivedAt"],
        "sentAt": None,
        "timestamp": "2026-01-02T03:04:05.678Z",
        "type": "track",
        "userId": None,
        "version": 2,
        "writeKey": "G-MINE",
    }


def test_the_same_request_twice_is_two_events(server: Server) -> None:
    [first], [second] = arrived(server, EXAMPLE), arrived(server, EXAMPLE)
    assert first["messageId"] != second["messageId"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_needs_neither_a_type_nor_a_length(server: Server, chunked: bool) -> None:
    body = json.dumps(EXAMPLE).encode()
    before = len(records(server.archive))
    assert server.exchange("POST", COLLECT, iter([body[:9], body[9:]]) if chunked else body)[0] == 204
    assert len(records(server.archive)) == before + 1


@pytest.mark.parametrize("micros", [1767323045678000, "1767323045678000", 1767323045678000.0, 1767323045678999])
@pytest.mark.parametrize("where", ["request", "event", "parameter"])
def test_the_time_may_be_a_number_or_text_and_in_three_places(server: Server, micros: Any, where: str) -> None:
    item: dict[str, Any] = {"name": "cli_run", "params": {}}
    body: dict[str, Any] = {"client_id": "1.2", "events": [item]}
    {"request": body, "event": item, "parameter": item["params"]}[where]["timestamp_micros"] = micros
    [record] = arrived(server, body)
    assert record["timestamp"] == record["originalTimestamp"] == "2026-01-02T03:04:05.678Z"


@pytest.mark.parametrize("micros", [None, "yesterday", 10**30, -(10**30), True, {}, 1.5])
def test_without_a_real_time_it_happened_when_it_came(server: Server, micros: Any) -> None:
    [record] = arrived(server, changed(timestamp_micros=micros))
    assert record["timestamp"] == record["receivedAt"]


def test_each_event_has_its_own_time_before_that_of_the_request(server: Server) -> None:
    items = [{"name": "cli_run", "timestamp_micros": 1767323000000000}, {"name": "cli_run"}]
    times = [record["timestamp"] for record in arrived(server, changed(events=items))]
    assert times == ["2026-01-02T03:03:20.000Z", "2026-01-02T03:04:05.678Z"]


def test_values_are_what_their_kind_says_however_they_are_spelled(server: Server) -> None:
    spelled = {"format": "1", "rows": "42", "cached": "1", "pages": "7", "needs": "1.0"}
    [record] = arrived(server, changed(events=[{"name": "report_exported", "params": spelled}]))
    assert record["properties"] == {"format": "1", "rows": "10-99", "cached": True, "pages": 7, "needs": "1.0"}


def test_a_value_that_its_kind_does_not_know_is_left_out(server: Server) -> None:
    odd = {"format": "secret", "rows": "many", "cached": "maybe", "pages": "7.5", "needs": [], "path": "/home/jane"}
    [record] = arrived(server, changed(events=[{"name": "report_exported", "params": odd}]))
    assert record["properties"] == {}
    [record] = arrived(server, changed(events=[{"name": "report_exported", "params": {"pages": 7.0, "cached": 0}}]))
    assert record["properties"] == {"pages": 7, "cached": False}


def test_the_option_names_of_a_run_are_a_list_again(server: Server) -> None:
    sent = {"command": "run", "options": "-v,--format", "exit_code": "0"}
    [record] = arrived(server, changed(events=[{"name": "command_run", "params": sent}]))
    assert record["properties"] == {"command": "run", "options": ["--format", "-v"], "exit_code": 0}


def test_who_sent_it_is_neither_a_user_nor_an_address(server: Server) -> None:
    known = {"user_id": "jane@example.org", "ip_override": "198.51.100.7", "user_location": {"city": "Springfield"}}
    [record] = arrived(server, changed(**known))
    text = json.dumps(record)
    assert record["userId"] is None and not any(word in text for word in ("jane", "198.51", "Springfield", "127.0.0.1"))


def test_an_apps_stream_is_found_by_its_own_id(server: Server) -> None:
    body = {"app_instance_id": "0123456789abcdef0123456789abcdef", "events": EXAMPLE["events"]}
    [record] = arrived(server, body, "/mp/collect?firebase_app_id=1:1234:android:abc&api_secret=S")
    assert (record["projectId"], record["context"]["app"]["name"]) == ("phone", "phone")
    assert record["anonymousId"] == "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(("named", "tool"), [("first", "first"), ("second", "second"), ("mytool", None), (None, None)])
def test_tools_that_share_a_stream_are_told_apart_by_name(server: Server, named: str | None, tool: str | None) -> None:
    item = {"name": "cli_run", "params": {"app_name": named}}
    found = arrived(server, changed(events=[item]), "/mp/collect?measurement_id=G-SHARED")
    assert [record["projectId"] for record in found] == ([tool] if tool else [])


@pytest.mark.parametrize("query", ["?measurement_id=G-OTHER", "?measurement_id=g-mine", "?api_secret=SECRET", ""])
def test_a_stream_of_no_tool_is_counted_and_answered_alike(server: Server, query: str) -> None:
    before = server.counts()
    assert arrived(server, EXAMPLE, f"/mp/collect{query}") == []
    assert counted(server.counts(), before) == {"undeclared": 1}


@pytest.mark.parametrize(
    "item",
    [
        {"name": "password_typed"},
        {"name": ["cli_run"]},
        {"params": {}},
        "cli_run",
        None,
        {"name": "cli_run", "client_id": "x"},
    ],
)
def test_an_event_that_is_none_is_counted_and_the_others_are_taken(server: Server, item: Any) -> None:
    before = server.counts()
    found = arrived(server, {"client_id": "1.2", "events": [item, {"name": "report_exported", "params": None}]})
    declared = isinstance(item, dict) and item.get("name") == "cli_run"
    assert [record["event"] for record in found] == (["cli_run"] if declared else []) + ["report_exported"]
    assert counted(server.counts(), before) == ({"archived": 2} if declared else {"archived": 1, "undeclared": 1})


@pytest.mark.parametrize("client_id", [None, "", "jane@example.org", 12, {}])
def test_an_event_without_a_well_formed_client_id_is_counted(server: Server, client_id: Any) -> None:
    before = server.counts()
    assert arrived(server, changed(client_id=client_id)) == []
    assert counted(server.counts(), before) == {"undeclared": 1}


def test_more_events_than_google_takes_are_taken(server: Server) -> None:
    assert len(arrived(server, changed(events=[{"name": "cli_run"}] * 26))) == 26


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"events":' + b"[" * 100_000,
        json.dumps({"client_id": "1.2", "events": [{"name": "cli_run"}] * 2501}).encode(),
        b" " * 600_000,
    ],
)
def test_a_request_that_cannot_be_taken_is_counted_and_answered_as_google_answers(server: Server, body: bytes) -> None:
    before = server.counts()
    assert arrived(server, body) == []
    assert counted(server.counts(), before) == {"refused": 1}


def test_an_archive_that_fails_is_said_to_every_client(tmp_path: Path) -> None:
    with running(tmp_path, GOOGLE_MANIFEST.format(tool="mytool", key="G-MINE").encode()) as failing:
        (failing.archive / "segment-logs").write_text("a file where a folder should be")
        assert failing.exchange("POST", COLLECT, json.dumps(EXAMPLE))[0] == 503


def test_only_a_post_is_taken(server: Server) -> None:
    assert server.request("GET", COLLECT)[0] == 405


@pytest.mark.parametrize("kind", ["track", "page", "identify"])
def test_what_our_sink_sends_arrives_as_it_was(server: Server, kind: str) -> None:
    names: dict[str, dict[str, Any]] = {
        "track": {"event": "report_exported"},
        "page": {"name": "quickstart"},
        "identify": {},
    }
    of_kind: dict[str, dict[str, Any]] = {
        "track": PROPERTIES,
        "page": {"cached": True},
        "identify": {"pages": 12},
    }
    properties = of_kind[kind]
    sent = event(type=kind, context=CONTEXT, timestamp="2026-01-02T03:04:05.678Z")
    sent = {key: value for key, value in sent.items() if key not in ("event", "properties")}
    sent |= {**names[kind], "traits" if kind == "identify" else "properties": properties}
    [record] = delivered(server, sent)
    assert record["event"] == {"page": "quickstart", "identify": "identify"}.get(kind, "report_exported")
    assert record["properties"] == properties
    assert record["context"] == CONTEXT
    assert record["originalTimestamp"] == "2026-01-02T03:04:05.678Z"


def test_a_whole_run_of_ours_arrives_as_it_was(server: Server) -> None:
    run = {
        "command": "db migrate",
        "duration_ms": 1234,
        "outcome": "error",
        "exit_code": 1,
        "exception": "ValueError",
        "options": ["--format", "-v"],
    }
    [record] = delivered(server, event(context=CONTEXT, properties=run))
    assert (record["event"], record["properties"], record["context"]) == ("command_run", run, CONTEXT)


def delivered(server: Server, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """What is archived of events that our own sink sends."""
    config = SinkConfig("ga4", f"http://127.0.0.1:{server.port}", {"measurement_id": "G-MINE", "api_secret": "S"})
    requests = sinks.encode(events, config, "2026-01-02T03:04:06.000Z")
    return [
        record
        for request in requests
        for record in arrived(server, request.body, request.url.partition(str(server.port))[2])
    ]
