"""Segment's batch: what its bytes are, and that its limits are kept."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_analytics import sinks
from cli_analytics.manifest import SinkConfig
from cli_analytics.sinks.request import Request

CONFIG = SinkConfig("segment", "https://collect.example.org/base", {"write_key": 'a "key"'})
SENT_AT = "2026-01-02T03:04:05.678Z"
LIMIT = 500_000  # bytes of a batch, and as many events, by Segment's own documentation


def body(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(request.body))
    return found


def test_a_batch_is_a_post_of_compressed_json_with_the_key_as_user() -> None:
    [request] = sinks.encode([{"event": "a"}, {"event": "b"}], CONFIG, SENT_AT)
    assert request.url == "https://collect.example.org/base/v1/batch"
    assert request.events == 2
    assert body(request) == {"batch": [{"event": "a"}, {"event": "b"}], "sentAt": SENT_AT}
    scheme, _, credentials = request.headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(credentials)) == ("Basic", b'a "key":')
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Content-Encoding"] == "gzip"


def test_the_same_events_make_the_same_bytes() -> None:
    assert sinks.encode([{"event": "a"}], CONFIG, SENT_AT) == sinks.encode([{"event": "a"}], CONFIG, SENT_AT)


def test_its_text_is_what_was_compressed_byte_for_byte() -> None:
    [request] = sinks.encode([{"event": "ä\n€"}], CONFIG, SENT_AT)
    assert sinks.text(request).encode() == gzip.decompress(request.body)


def test_no_events_make_no_request() -> None:
    assert sinks.encode([], CONFIG, SENT_AT) == []


@pytest.mark.parametrize(("count", "batches"), [(1, 1), (500, 1), (501, 2), (1000, 2)])
def test_a_batch_has_at_most_five_hundred_events(count: int, batches: int) -> None:
    requests = sinks.encode([{"n": number} for number in range(count)], CONFIG, SENT_AT)
    assert len(requests) == batches
    assert sum(request.events for request in requests) == count


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 32_000), max_size=60))
def test_no_batch_is_larger_than_segment_takes_and_all_events_are_in_one_in_order(sizes: list[int]) -> None:
    events = [{"n": number, "fill": "x" * size} for number, size in enumerate(sizes)]
    requests = sinks.encode(events, CONFIG, SENT_AT)
    assert all(len(sinks.text(request)) < LIMIT for request in requests)
    assert [event for request in requests for event in body(request)["batch"]] == events
    assert [request.events for request in requests] == [len(body(request)["batch"]) for request in requests]
    assert len(requests) <= 1 + 2 * sum(sizes) // 448_000
