"""The collector as GA4's validation server: what it says of a body, and that nothing of it is archived."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("uvicorn")

from collecting import CONTEXT, GOOGLE_MANIFEST, PROPERTIES, Server, event, running
from test_collector_ga4 import COLLECT, EXAMPLE, changed

from cli_analytics import sinks
from cli_analytics.collector import ga4_validation
from cli_analytics.destination import SinkConfig


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    manifest = GOOGLE_MANIFEST.format(tool="mytool", key="G-MINE").encode()
    with running(tmp_path_factory.mktemp("validation"), manifest) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"client_id": None}, "client_id", "VALUE_REQUIRED"),
        ({"client_id": 12}, "client_id", "VALUE_INVALID"),
        ({"events": []}, "events", "VALUE_REQUIRED"),
        ({"events": [{"name": "a"}] * 26}, "events", "EXCEEDED_MAX_ENTITIES"),
        ({"events": ["a"]}, "events", "VALUE_INVALID"),
        ({"events": [{}]}, "events", "VALUE_REQUIRED"),
        ({"events": [{"name": "_bad"}]}, "events", "NAME_INVALID"),
        ({"events": [{"name": "1st"}]}, "events", "NAME_INVALID"),
        ({"events": [{"name": "a-b"}]}, "events", "NAME_INVALID"),
        ({"events": [{"name": "a" * 41}]}, "events", "NAME_INVALID"),
        ({"events": [{"name": "session_start"}]}, "events", "NAME_RESERVED"),
        ({"events": [{"name": "ga_event"}]}, "events", "NAME_RESERVED"),
        ({"events": [{"name": "a", "params": []}]}, "events.params", "VALUE_INVALID"),
        ({"events": [{"name": "a", "params": dict.fromkeys(map("p{}".format, range(26)), 1)}]}, "events.params", None),
        ({"events": [{"name": "a", "params": {"a b": 1}}]}, "events.params", "NAME_INVALID"),
        ({"events": [{"name": "a", "params": {"google_x": 1}}]}, "events.params", "NAME_RESERVED"),
        ({"events": [{"name": "a", "params": {"firebase_conversion": 1}}]}, "events.params", "NAME_RESERVED"),
        ({"events": [{"name": "a", "params": {"x": "y" * 101}}]}, "events.params", "VALUE_OUT_OF_BOUNDS"),
        ({"events": [{"name": "a", "params": {"x": {"y": 1}}}]}, "events.params", "VALUE_INVALID"),
        ({"user_properties": {"a" * 25: {"value": "x"}}}, "user_properties", "NAME_INVALID"),
        ({"user_properties": {"user_id": {"value": "x"}}}, "user_properties", "NAME_RESERVED"),
        ({"user_properties": {"a": {"value": "x" * 37}}}, "user_properties", "VALUE_OUT_OF_BOUNDS"),
        ({"user_properties": {"a": "x"}}, "user_properties", "VALUE_INVALID"),
        ({"timestamp_micros": "soon"}, "timestamp_micros", "VALUE_INVALID"),
        ({"validation_behavior": "ENFORCE_RECOMMENDATIONS"}, "timestamp_micros", "VALUE_OUT_OF_BOUNDS"),
        ({"validationBehavior": "ENFORCE_RECOMMENDATIONS"}, "timestamp_micros", "VALUE_OUT_OF_BOUNDS"),
        ({"padding": "x" * 130_000}, "", "VALUE_OUT_OF_BOUNDS"),
    ],
)
def test_the_validation_server_says_what_is_wrong_and_archives_nothing(
    server: Server, changes: dict[str, Any], path: str, code: str | None
) -> None:
    before = server.counts()
    status, answer = server.request("POST", f"/debug{COLLECT}", json.dumps(changed(**changes)))
    assert status == 200
    [message] = answer["validationMessages"]
    assert (message["fieldPath"], message["validationCode"]) == (path, code or "EXCEEDED_MAX_ENTITIES")
    assert set(message) == {"fieldPath", "description", "validationCode"} and message["description"]
    assert server.counts() == before


def test_it_says_so_in_the_words_of_the_documentation() -> None:
    bad = json.dumps(changed(events=[{"name": "_badEventName"}])).encode()
    assert ga4_validation.messages(bad, b"measurement_id=G-MINE") == [
        {
            "fieldPath": "events",
            "description": "Event at index: [0] has invalid name [_badEventName]. "
            "Names must start with an alphabetic character.",
            "validationCode": "NAME_INVALID",
        }
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
def test_what_is_no_json_is_said_to_be_none(server: Server, body: bytes) -> None:
    status, answer = server.request("POST", f"/debug{COLLECT}", body)
    assert (status, answer["validationMessages"][0]["validationCode"]) == (200, "VALUE_INVALID")


def test_the_example_of_the_documentation_is_valid(server: Server) -> None:
    assert server.request("POST", f"/debug{COLLECT}", json.dumps(EXAMPLE)) == (200, {"validationMessages": []})
    app = {"app_instance_id": "0123456789abcdef0123456789abcdef", "events": {"name": "a"}}
    valid = server.request("POST", "/debug/mp/collect?firebase_app_id=1:2:android:3", json.dumps(app))
    assert valid == (200, {"validationMessages": []})


def test_a_stream_that_is_not_named_is_missed(server: Server) -> None:
    _, answer = server.request("POST", "/debug/mp/collect", json.dumps(EXAMPLE))
    assert [message["fieldPath"] for message in answer["validationMessages"]] == ["measurement_id"]


def test_what_our_sink_sends_is_valid(server: Server) -> None:
    config = SinkConfig("ga4", f"http://127.0.0.1:{server.port}", {"measurement_id": "G-MINE", "api_secret": "S"})
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    sent = event(event="report_exported", context=CONTEXT, properties=PROPERTIES, timestamp=now)
    [request] = sinks.encode([sent], config, now)
    path = request.url.partition(str(server.port))[2].replace("/mp/", "/debug/mp/")
    before = server.counts()
    assert server.request("POST", path, request.body) == (200, {"validationMessages": []})
    assert server.counts() == before
