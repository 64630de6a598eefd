"""What has to hold of every sink, whatever a manifest allows: limits, and that each event is sent once.

Of Google Analytics 4, test_any_ga4.py has more.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import hits
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from line_protocol import parse
from messages import CLIENT_ID, CONTEXT, FAR_TIMES, SENT_AT, checked, message, times
from recorder import recorder

from cli_analytics import delivery, sinks
from cli_analytics.destination import SinkConfig
from cli_analytics.event import Event
from cli_analytics.sinks.request import Request

pytestmark = pytest.mark.slow

ENDPOINT = "https://collect.example.org"
SNOWPLOW = f"{ENDPOINT}/com.google.analytics/v1"
CONFIGS = {
    "console": SinkConfig("console", "", {}),
    "file": SinkConfig("file", "", {"path": "/srv/archive"}),
    "influxdb": SinkConfig("influxdb", ENDPOINT, {"org": "o", "bucket": "b", "token": "t"}),
    "segment": SinkConfig("segment", ENDPOINT, {"write_key": "k"}),
    "snowplow": SinkConfig("universal", SNOWPLOW, {"tracking_id": "UA-000000-1"}),
    "universal": SinkConfig("universal", ENDPOINT, {"tracking_id": "UA-000000-1"}),
}
# The times that a sink can't write. The others leave it to the receiver what to make of one.
UNWRITABLE = {"influxdb": FAR_TIMES}


def lines(request: Request) -> list[str]:
    return sinks.text(request).rstrip("\n").split("\n")


def check_console(request: Request) -> list[str]:
    assert request.url == "console:"
    assert [json.loads(line) for line in lines(request)] == request.events
    return [json.loads(line)["messageId"] for line in lines(request)]


def check_file(request: Request) -> list[str]:
    records = [json.loads(line) for line in lines(request)]
    folder, tool, _, name = request.url.rsplit("/", 3)
    assert folder == "file:/srv/archive/segment-logs"
    assert name.isprintable() and name.endswith(".1.gz") and tool.strip(".")
    assert {record["projectId"] for record in records} == {tool}
    assert all(record["version"] == 2 and record["receivedAt"] == record["sentAt"] == SENT_AT for record in records)
    return [record["messageId"] for record in records]


def check_segment(request: Request) -> list[str]:
    content = gzip.decompress(request.body)
    batch = json.loads(content)["batch"]
    assert len(content) <= 500_000 and len(batch) <= 2_500
    assert max(len(json.dumps(item, separators=(",", ":"))) for item in batch) <= 32_768
    assert all(item["request_ip"] == item["context"]["ip"] == "0.0.0.0" for item in batch)
    return [item["messageId"] for item in batch]


def check_universal(request: Request) -> list[str]:
    found = hits.split(request.body)
    assert [hit["ea"] for hit in found] == [
        item.get("event") or item.get("name", "identify") for item in request.events
    ]
    paths = {f"{ENDPOINT}/collect": {1}, f"{ENDPOINT}/batch": set(range(2, 21)), SNOWPLOW: set(range(1, 21))}
    assert len(found) in paths[request.url]
    assert request.once
    return [item["messageId"] for item in request.events]


def check_influxdb(request: Request) -> list[str]:
    points = list(map(parse, lines(request)))
    assert len(points) <= 5_000 and len(gzip.decompress(request.body)) <= 500_000
    assert len({(point.measurement, tuple(point.tags.items()), point.second) for point in points}) == len(points)
    assert sum(point.fields["count"] for point in points) == len(request.events)
    return [item["messageId"] for item in request.events]


CHECKS: dict[str, Callable[[Request], list[str]]] = {
    "console": check_console,
    "file": check_file,
    "influxdb": check_influxdb,
    "segment": check_segment,
    "snowplow": check_universal,
    "universal": check_universal,
}


def sent(name: str, events: Sequence[Event]) -> list[str]:
    """The ids of what is sent, in order; each request within its limits."""
    before = copy.deepcopy(list(events))
    requests = sinks.encode(events, CONFIGS[name], SENT_AT)
    assert events == before, "an encoder changes nothing"
    assert requests == sinks.encode(events, CONFIGS[name], SENT_AT), "and does the same each time"
    found = [(request, CHECKS[name](request)) for request in requests]
    assert all([item["messageId"] for item in request.events] == ids for request, ids in found)
    return [message_id for _, ids in found for message_id in ids]


@pytest.mark.parametrize("name", CONFIGS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_whatever_a_manifest_allows_is_sent_once_and_within_the_limits(name: str, data: st.DataObject) -> None:
    events = data.draw(checked())
    assert Counter(sent(name, events)) == Counter(item["messageId"] for item in events)


@pytest.mark.parametrize("name", CONFIGS)
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_a_time_that_cannot_be_written_takes_no_other_event_with_it(name: str, data: st.DataObject) -> None:
    events = data.draw(checked(most=4, times=times | st.sampled_from(FAR_TIMES)))
    kept = [item for item in events if item["timestamp"] not in UNWRITABLE.get(name, ())]
    assert Counter(sent(name, events)) == Counter(item["messageId"] for item in kept)


@pytest.mark.parametrize("name", ["console", "segment", "snowplow", "universal"])
@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_events_are_sent_in_their_order(name: str, data: st.DataObject) -> None:
    events = data.draw(checked())
    assert sent(name, events) == [item["messageId"] for item in events]


@settings(deadline=None, max_examples=60)
@given(checked())
def test_what_influxdb_adds_up_is_the_sum_of_what_happened(events: list[Event]) -> None:
    requests = sinks.encode(events, CONFIGS["influxdb"], SENT_AT)
    points = [parse(line) for request in requests for line in lines(request)]
    expected: Counter[str] = Counter()
    for item in events:
        expected["count"] += 1
        for key, value in (item.get("properties") or item.get("traits") or {}).items():
            if type(value) is int and key != "exit_code":
                expected[own(key)] += value
    summed: Counter[str] = Counter()
    for point in points:
        summed.update(point.fields)
    assert summed == expected
    known = {item[key] for item in events for key in ("messageId", "anonymousId")}
    assert not [
        known_id for known_id in known if any(known_id in text for request in requests for text in lines(request))
    ]


def own(key: str) -> str:
    ours = {"app", "version", "os", "arch", "python", "ci", "container", "ephemeral", "count", "time"}
    return f"property_{key}" if key in ours or key.startswith("property_") else key


@pytest.mark.parametrize(
    ("name", "path", "more"),
    [
        ("segment", "/v1/batch", {"Authorization": "Basic azo=", "X-IP-Policy": "remove"}),
        ("universal", "/batch", {"Content-Type": "application/x-www-form-urlencoded", "SP-Anonymous": "*"}),
        ("snowplow", "/com.google.analytics/v1", {"SP-Anonymous": "*"}),
        ("influxdb", "/api/v2/write?org=o&bucket=b&precision=s", {"Authorization": "Token t"}),
    ],
)
def test_a_server_gets_it_byte_for_byte(name: str, path: str, more: dict[str, Any]) -> None:
    with recorder() as server:
        config = CONFIGS[name]
        endpoint = config.endpoint.replace(ENDPOINT, server.url)
        other = message(context={**CONTEXT, "ci": "other"})
        [request] = sinks.encode([message(), other], config._replace(endpoint=endpoint), SENT_AT)
        assert delivery.send(request).delivery == delivery.DELIVERED
        [received] = server.requests
    assert (received.path, received.body) == (path, request.body)
    assert {**received.headers, **more} == received.headers
    assert CLIENT_ID not in str(received.headers)
