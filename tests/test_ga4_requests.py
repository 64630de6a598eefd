"""Google Analytics: what goes into one request, and what judges the bodies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ga4_events import COMMAND_RUN, CONFIG, CONTEXT, NOW, SENT_AT, body, encode, params
from ga4_twin import assert_valid, fits_the_schema, validate

from cli_analytics.sinks import ga4
from cli_analytics.sinks.request import Request

HOURS = 3600


def test_a_request_is_of_one_client_and_one_context() -> None:
    other = {**COMMAND_RUN, "anonymousId": "an-id"}
    elsewhere = {**COMMAND_RUN, "context": {**CONTEXT, "container": "none"}}
    newer = {**COMMAND_RUN, "context": {**CONTEXT, "app": {"name": "demo", "version": "2"}, "sessionId": 5}}
    requests = encode(COMMAND_RUN, other, elsewhere, newer, other, COMMAND_RUN)
    assert [request.events for request in requests] == [[COMMAND_RUN, newer, COMMAND_RUN], [other, other], [elsewhere]]
    origins = [(body(request)["client_id"], body(request)["user_properties"]["container"]) for request in requests]
    assert origins == [
        ("889231993.1292862043", {"value": "docker"}),
        (ga4.client_id("an-id"), {"value": "docker"}),
        ("889231993.1292862043", {"value": "none"}),
    ]


@pytest.mark.parametrize(("count", "sizes"), [(25, [25]), (26, [25, 1]), (60, [25, 25, 10])])
def test_a_request_has_at_most_25_events(count: int, sizes: list[int]) -> None:
    events = [{**COMMAND_RUN, "properties": {"number": number}} for number in range(count)]
    requests = encode(*events)
    assert [len(body(request)["events"]) for request in requests] == sizes
    assert [item for request in requests for item in request.events] == events


def test_the_largest_events_are_sent_in_requests_below_the_limit() -> None:
    properties = {f"p{number:02}{'x' * 37}": "\U0001f600" * 100 for number in range(20)}
    large = {**COMMAND_RUN, "properties": properties, "context": {**CONTEXT, "dropped_events": 10**9 - 1}}
    requests = encode(*[large] * 12)
    assert [len(request.events) for request in requests] == [5, 5, 2]
    assert all(110_000 < len(request.body) < 130_000 for request in requests[:2])
    assert all(len(item["params"]) == 25 for request in requests for item in body(request)["events"])


def test_a_request_may_come_as_near_to_the_limit_as_it_goes() -> None:
    """The room for what is around the events is counted right, to the byte."""
    large = {**COMMAND_RUN, "properties": {f"p{number:02}": "\u20ac" * 100 for number in range(20)}}
    small = {**COMMAND_RUN, "properties": {f"p{number:02}": "x" * 100 for number in range(20)}}

    def filled(size: int) -> list[Request]:
        properties = {f"p{part:02}": "x" * max(1, min(100, size - 100 * part)) for part in range(20)}
        return ga4.encode([*[large] * 10, small, small, {**COMMAND_RUN, "properties": properties}], CONFIG, SENT_AT)

    fits, too_much = 0, 2000
    assert (len(filled(fits)), len(filled(too_much))) == (1, 2)
    while too_much - fits > 1:
        middle = (fits + too_much) // 2
        fits, too_much = (middle, too_much) if len(filled(middle)) == 1 else (fits, middle)
    [request] = filled(fits)
    assert 130_000 - 20 < len(request.body) < 130_000


def test_an_event_has_at_most_25_parameters() -> None:
    found = params(**{f"p{number}": number for number in range(40)})
    assert len(found) == 25
    assert found.keys() >= {"session_id", "engagement_time_msec", "app_name", "app_version", "p0", "p20"}


EXAMPLE: dict[str, Any] = {
    "client_id": "1592639421.1767323045",
    "timestamp_micros": 1767323045678000,
    "user_properties": {"os_name": {"value": "Linux"}, "app_version": {"value": "1.2.3"}, "ci": {"value": "none"}},
    "consent": {"ad_user_data": "DENIED", "ad_personalization": "DENIED"},
    "device": {
        "category": "desktop",
        "language": "en-US",
        "operating_system": "Linux",
        "operating_system_version": "6.1",
    },
    "events": [
        {
            "name": "cli_run",
            "params": {
                "session_id": 1767323045,
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


def test_that_an_id_is_gone_with_its_container_is_a_user_property_and_not_said_of_others() -> None:
    requests = encode({**COMMAND_RUN, "context": {**CONTEXT, "ephemeral": True}}, COMMAND_RUN)
    first, second = (body(request)["user_properties"] for request in requests)
    assert first == {**second, "ephemeral": {"value": "true"}}


def test_the_example_is_valid_and_ours_of_the_same_facts_says_the_same() -> None:
    assert_valid(json.dumps(EXAMPLE).encode(), NOW)
    facts = {**COMMAND_RUN, "event": "cli_run", "anonymousId": EXAMPLE["client_id"]}
    [request] = encode(
        {**facts, "properties": {"command": "run", "workers": 4}, "context": {**CONTEXT, "sessionId": 1767323045}}
    )
    ours = body(request)
    assert {key: ours[key] for key in ("client_id", "timestamp_micros", "consent")} == {
        key: EXAMPLE[key] for key in ("client_id", "timestamp_micros", "consent")
    }
    expected = EXAMPLE["events"][0]
    assert ours["events"][0]["name"] == expected["name"]
    assert {**ours["events"][0]["params"], "container": "docker"} == expected["params"]
    assert ours["device"].items() <= EXAMPLE["device"].items()
    assert ours["user_properties"]["os_name"] == EXAMPLE["user_properties"]["os_name"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_id": ""}, "VALUE_REQUIRED"),
        ({"client_id": "an-id"}, "VALUE_INVALID"),
        ({"events": EXAMPLE["events"] * 26}, "EXCEEDED_MAX_ENTITIES"),
        ({"events": [{"name": "session_start", "params": {}}]}, "NAME_RESERVED"),
        ({"events": [{"name": "_run", "params": {}}]}, "NAME_INVALID"),
        ({"events": [{"name": "run", "params": {"a": "x" * 101}}]}, "VALUE_OUT_OF_BOUNDS"),
        ({"events": [{"name": "run", "params": {f"p{n}": n for n in range(26)}}]}, "EXCEEDED_MAX_ENTITIES"),
        ({"events": [{"name": "run", "params": {"a": [1]}}]}, "VALUE_INVALID"),
        ({"timestamp_micros": (NOW + 1) * 10**6}, "VALUE_INVALID"),
        ({"timestamp_micros": (NOW - 73 * HOURS) * 10**6}, "VALUE_INVALID"),
        ({"user_properties": {"a": {"value": "x" * 37}}}, "VALUE_OUT_OF_BOUNDS"),
        ({"clientId": "1.1"}, "VALUE_INVALID"),
    ],
)
def test_what_judges_the_bodies_does_refuse_some(changes: dict[str, Any], code: str) -> None:
    found = validate(json.dumps({**EXAMPLE, **changes}).encode(), now=NOW)
    assert code in [message["validationCode"] for message in found]
    assert not fits_the_schema({"events": [{"name": "a" * 41, "params": {}}]})
