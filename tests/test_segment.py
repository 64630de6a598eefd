"""Segment's batch: what its bytes are, and that its limits are kept."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messages import CLIENT_ID, SENT_AT, message

from cli_analytics import destination, event, sinks
from cli_analytics.destination import SinkConfig
from cli_analytics.sinks.request import Request

CONFIG = SinkConfig("segment", "https://collect.example.org/base", {"write_key": 'a "key"'})
LIMIT = 500_000  # bytes of a batch, and the next of an event, by Segment's own documentation
EVENT_LIMIT = 32_768


def body(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(request.body))
    return found


def on_the_wire(*events: event.Event) -> list[event.Event]:
    """What they are there: RudderStack stores the sender's address unless it finds another."""
    return [{**item, "request_ip": "0.0.0.0"} for item in events]


def filled(size: int) -> event.Event:
    """A message that has so many bytes in a batch."""
    empty = message(properties={"fill": ""})
    return message(properties={"fill": "x" * (size - len(event.encode(on_the_wire(empty)[0])))})


def test_a_batch_is_a_post_of_compressed_json_with_the_key_as_user() -> None:
    first, second = message("a", messageId="1", context={"ip": "0.0.0.0"}, properties={}), message("b")
    [request] = sinks.encode([first, second], CONFIG, SENT_AT)
    assert request.url == "https://collect.example.org/base/v1/batch"
    assert request.headers == {
        "Authorization": "Basic YSAia2V5Ijo=",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "X-IP-Policy": "remove",
    }
    assert base64.b64decode("YSAia2V5Ijo=") == b'a "key":'
    assert request.events == [first, second]
    assert not request.once, "a repetition is known by its messageId"
    assert body(request) == {"batch": on_the_wire(first, second), "sentAt": SENT_AT}
    assert gzip.decompress(request.body).startswith(
        b'{"batch":[{"type":"track","event":"a","messageId":"1","anonymousId":"35009a79-1a05-49d7-b876-2b884d0f825b",'
        b'"timestamp":"2026-01-02T03:04:05.678Z","context":{"ip":"0.0.0.0"},"properties":{},"request_ip":"0.0.0.0"},{'
    )
    assert gzip.decompress(request.body).endswith(b'}],"sentAt":"2026-01-02T03:04:06.000Z"}')


@pytest.mark.parametrize("region", ["", "eu"])
def test_each_region_has_its_host(region: str) -> None:
    config = destination.parse({"type": "segment", "write_key": "k", "region": region})
    [request] = sinks.encode([message()], config, SENT_AT)
    hosts = {"": "https://api.segment.io", "eu": "https://events.eu1.segmentapis.com"}
    assert request.url == f"{hosts[region]}/v1/batch"


@pytest.mark.parametrize("kind", ["track", "page", "identify"])
def test_each_type_of_message_is_sent_as_it_is(kind: str) -> None:
    item = message("home", {"plan": "free"}, type=kind)
    [request] = sinks.encode([item], CONFIG, SENT_AT)
    assert body(request)["batch"] == on_the_wire(item)
    assert request.events[0] is item
    assert "request_ip" not in item, "it is the sender's own"


def test_sent_again_the_same_events_differ_in_the_time_of_sending_alone() -> None:
    events = [message() for _ in range(3)]
    [first], [second] = (sinks.encode(events, CONFIG, sent_at) for sent_at in (SENT_AT, "2027-01-02T03:04:05.000Z"))
    assert first._replace(body=b"") == second._replace(body=b"")
    assert sinks.text(first).replace(SENT_AT, "2027-01-02T03:04:05.000Z") == sinks.text(second)
    assert [item["messageId"] for item in body(second)["batch"]] == [item["messageId"] for item in events]


def test_the_same_events_make_the_same_bytes() -> None:
    item = message()
    assert sinks.encode([item], CONFIG, SENT_AT) == sinks.encode([item], CONFIG, SENT_AT)


def test_its_text_is_what_was_compressed_byte_for_byte() -> None:
    [request] = sinks.encode([message("ä\n€")], CONFIG, SENT_AT)
    assert sinks.text(request).encode() == gzip.decompress(request.body)
    assert gzip.decompress(request.body).isascii()


def test_the_key_is_not_in_the_body_which_the_user_sees() -> None:
    [request] = sinks.encode([message()], CONFIG, SENT_AT)
    assert "key" not in sinks.text(request).replace(CLIENT_ID, "")


def test_no_events_make_no_request() -> None:
    assert sinks.encode([], CONFIG, SENT_AT) == []


@pytest.mark.parametrize(("count", "batches"), [(1, 1), (500, 1), (501, 2), (1000, 2)])
def test_a_batch_has_at_most_five_hundred_events(count: int, batches: int) -> None:
    events = [message() for _ in range(count)]
    requests = sinks.encode(events, CONFIG, SENT_AT)
    assert len(requests) == batches
    assert [item for request in requests for item in request.events] == events


def test_an_event_that_is_too_large_is_left_out_and_the_others_are_not() -> None:
    first, second, largest = message(), message(), filled(EVENT_LIMIT)
    events = [first, filled(EVENT_LIMIT + 1), largest, message(properties={"fill": "🜁" * 3_000}), second]
    [request] = sinks.encode(events, CONFIG, SENT_AT)
    assert request.events == [first, largest, second], "twelve bytes are one character"
    assert body(request)["batch"] == on_the_wire(first, largest, second)
    assert max(len(event.encode(item)) for item in body(request)["batch"]) == EVENT_LIMIT


def test_nothing_but_what_is_too_large_makes_no_request() -> None:
    assert sinks.encode([filled(EVENT_LIMIT + 1)], CONFIG, SENT_AT) == []


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(500, 33_500), max_size=60))
def test_no_batch_is_larger_than_segment_takes_and_all_that_fits_is_in_one_in_order(sizes: list[int]) -> None:
    events = list(map(filled, sizes))
    requests = sinks.encode(events, CONFIG, SENT_AT)
    fitting = [item for item, size in zip(events, sizes) if size <= EVENT_LIMIT]
    assert all(len(gzip.decompress(request.body)) < LIMIT for request in requests)
    assert [item for request in requests for item in body(request)["batch"]] == on_the_wire(*fitting)
    assert [request.events for request in requests] == [
        [{key: value for key, value in item.items() if key != "request_ip"} for item in body(request)["batch"]]
        for request in requests
    ]
    assert len(requests) <= 1 + sum(sizes) // 440_000, "a batch is as full as it can be"
