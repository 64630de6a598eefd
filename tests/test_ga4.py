"""Google Analytics: what its bytes are."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from ga4_events import COMMAND_RUN, CONTEXT, NOW, SENT_AT, body, encode, one, params

from cli_analytics.destination import SinkConfig
from cli_analytics.sinks import ga4
from cli_analytics.sinks.request import Request

HOURS = 3600
BODY = (
    b'{"timestamp_micros":1767323045678000,"client_id":"889231993.1292862043","user_properties":{"os_name":{"value":"Linux"'
    b'},"arch":{"value":"x86_64"},"python":{"value":"3.11"},"cpus":{"value":"4"},"ci":{"value":"none"},"container":{"value"'
    b':"docker"},"library_version":{"value":"0.1.0"}},"consent":{"ad_user_data":"DENIED","ad_personalization":"DENIED"},'
    b'"device":{"category":"desktop","operating_system":"Linux"},"events":[{"name":"command_run","timestamp_micros":'
    b'1767323045678000,"params":{"session_id":1767323040,"engagement_time_msec":1234,"app_name":"demo","app_version":'
    b'"1.2.3","command":"db migrate","duration_ms":1234,"outcome":"ok","exit_code":0,"options":"--all,--format"}}]}'
)


def test_a_command_run_is_a_post_of_these_bytes() -> None:
    assert encode(COMMAND_RUN) == [
        Request(
            "https://www.google-analytics.com/mp/collect?measurement_id=G-ABC1234567&api_secret=s3",
            {"Content-Type": "application/json"},
            BODY,
            [COMMAND_RUN],
            once=True,
        )
    ]


def test_the_address_has_no_secret_and_the_url_has_it_quoted() -> None:
    settings = {"measurement_id": "G-1&2", "api_secret": "a b/c=ä"}
    [request] = ga4.encode([COMMAND_RUN], SinkConfig("ga4", "http://127.0.0.1:8/x", settings), SENT_AT)
    assert request.url == "http://127.0.0.1:8/x/mp/collect?measurement_id=G-1%262&api_secret=a%20b%2Fc%3D%C3%A4"
    assert request.address == "http://127.0.0.1:8/x/mp/collect"


def test_no_events_make_no_request() -> None:
    assert encode() == []


def test_it_says_nothing_of_place_person_or_language_and_denies_consent() -> None:
    [request] = encode(COMMAND_RUN)
    assert body(request).keys() == {
        *("client_id", "timestamp_micros", "user_properties", "consent", "device", "events")
    }
    assert set(body(request)["consent"].values()) == {"DENIED"}
    assert body(request)["device"].keys() == {"category", "operating_system"}
    assert b"0.0.0.0" not in request.body
    assert COMMAND_RUN["anonymousId"].encode() not in request.body


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("35009a79-1a05-49d7-b876-2b884d0f825b", "889231993.1292862043"),
        ("00000000-0000-4000-8000-000000000000", "1.1"),
        ("ffffffff-ffff-4fff-bfff-ffffffffffff", "4294967295.4294967295"),
        ("00000001-0000-4000-8000-00ff00000002", "1.2"),
        ("1592639421.1767323045", "1592639421.1767323045"),
        ("0.1767323045", "2779930480.200639321"),
        ("an-id", "329549700.803484567"),
        ("35009A79-1A05-49D7-B876-2B884D0F825B", "521427995.1687568515"),
    ],
)
def test_a_client_id_is_two_positive_numbers(ours: str, theirs: str) -> None:
    assert ga4.client_id(ours) == theirs


def test_a_shell_gets_the_same_client_id() -> None:
    uuid = "a5009a79-1a05-49d7-b876-2b88fd0f825b"
    script = 'a=${1%%-*} b=${1##*-} b=${b#????}; echo "$((0x$a)).$((0x$b))"'
    done = subprocess.run(["sh", "-c", script, "sh", uuid], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ga4.client_id(uuid)


def test_yes_and_no_are_texts_and_numbers_stay_numbers() -> None:
    found = params(cached=True, forced=False, pages=7, rows="10-99", low=-5)
    assert (found["cached"], found["forced"], found["pages"], found["low"]) == ("true", "false", 7, -5)
    assert found["rows"] == "10-99"


def test_texts_are_cut_at_a_hundred_characters() -> None:
    found = params({**CONTEXT, "app": {"name": "a" * 101, "version": "1" * 101}}, one="é" * 100, two="\U0001f600" * 101)
    assert (found["app_name"], found["app_version"]) == ("a" * 100, "1" * 100)
    assert (found["one"], found["two"]) == ("é" * 100, "\U0001f600" * 100)


@pytest.mark.parametrize(
    ("names", "sent"),
    [
        (["--all"], "--all"),
        (["--all", "-x"], "--all,-x"),
        (["-" * 49, "+" * 50], f"{'-' * 49},{'+' * 50}"),
        (["-" * 50, "+" * 50], "-" * 50),
        (["-" * 100, "+"], "-" * 100),
        ([f"--{number:038}" for number in range(30)], f"--{0:038},--{1:038}"),
    ],
)
def test_a_list_is_cut_between_two_names(names: list[str], sent: str) -> None:
    assert params(options=names)["options"] == sent


def test_an_empty_list_is_left_out() -> None:
    assert "options" not in params(options=[])


def test_user_properties_are_cut_at_36_characters() -> None:
    [request] = encode({**COMMAND_RUN, "context": {**CONTEXT, "arch": "a" * 40, "os": {"name": "o" * 40}}})
    found = body(request)
    assert (found["user_properties"]["arch"], found["user_properties"]["os_name"]) == (
        {"value": "a" * 36},
        {"value": "o" * 36},
    )


def test_what_the_context_has_not_is_left_out() -> None:
    [request] = encode({**COMMAND_RUN, "context": {"ip": "0.0.0.0"}, "properties": {}})
    found = body(request)
    assert (found["user_properties"], found["device"]) == ({}, {"category": "desktop"})
    assert found["events"][0]["params"] == {"session_id": 1767323045, "engagement_time_msec": 1}


def test_all_events_of_a_run_are_of_its_session() -> None:
    assert params()["session_id"] == 1767323040


@pytest.mark.parametrize("timestamp", ["1970-01-01T00:00:00Z", "1969-01-01T00:00:00Z"])
def test_a_session_is_a_positive_number_at_any_time(timestamp: str) -> None:
    assert one(timestamp=timestamp, context={})["params"]["session_id"] == 1


@pytest.mark.parametrize(
    ("duration", "engaged"), [(1234, 1234), (1, 1), (0, 1), (-5, 1), ("<10", 1), (True, 1), (None, 1)]
)
def test_the_time_engaged_is_the_duration_and_never_nothing(duration: Any, engaged: int) -> None:
    found = params(**{} if duration is None else {"duration_ms": duration})
    assert found["engagement_time_msec"] == engaged


def test_dropped_events_are_told() -> None:
    assert "dropped_events" not in params()
    assert params({**CONTEXT, "dropped_events": 12})["dropped_events"] == 12


@pytest.mark.parametrize(
    ("timestamp", "seconds"),
    [
        ("2026-01-02T03:04:06.000Z", NOW),
        ("2026-01-02T03:04:06.001Z", NOW),
        ("2026-01-02T04:04:05.000+01:00", NOW - 1),
        ("2036-01-02T03:04:05.000Z", NOW),
        ("2025-12-30T03:05:07.000Z", NOW - 72 * HOURS + 61),
        ("2025-12-30T03:05:05.000Z", NOW - 72 * HOURS + 60),
        ("2020-01-01T00:00:00.000Z", NOW - 72 * HOURS + 60),
    ],
)
def test_a_time_is_neither_in_the_future_nor_more_than_72_hours_ago(timestamp: str, seconds: int) -> None:
    assert one(timestamp=timestamp)["timestamp_micros"] == seconds * 10**6


def test_a_request_has_the_time_of_its_newest_event() -> None:
    times = ["2026-01-02T03:04:01.000Z", "2026-01-02T03:04:03.000Z", "2026-01-02T03:04:02.000Z"]
    [request] = encode(*({**COMMAND_RUN, "timestamp": time} for time in times))
    assert body(request)["timestamp_micros"] == (NOW - 3) * 10**6
    assert [found["timestamp_micros"] // 10**6 - NOW for found in body(request)["events"]] == [-5, -3, -4]


def test_a_page_is_an_event_of_its_name_and_an_identify_is_an_event_of_its_traits() -> None:
    page = {**COMMAND_RUN, "type": "page", "name": "settings_shown", "properties": {"tab": "colors"}}
    identify = {**COMMAND_RUN, "type": "identify", "traits": {"plan": "free"}}
    [request] = encode(page, identify)
    found = body(request)["events"]
    assert [(item["name"], item["params"].get("tab"), item["params"].get("plan")) for item in found] == [
        ("settings_shown", "colors", None),
        ("identify", None, "free"),
    ]


@pytest.mark.parametrize(
    "name", ["page_view", "screen_view", "session_start", "ga_run", "query_id_1", "", "x y", "a" * 41]
)
def test_a_reserved_event_is_left_out_and_takes_no_other_along(name: str) -> None:
    for kind, key in (("track", "event"), ("page", "name")):
        [request] = encode(COMMAND_RUN, {**COMMAND_RUN, "type": kind, key: name}, COMMAND_RUN)
        assert request.events == [COMMAND_RUN, COMMAND_RUN]
        assert len(body(request)["events"]) == 2
    assert encode({**COMMAND_RUN, "event": name}) == []


def test_a_reserved_parameter_is_left_out_and_ours_is_not_replaced() -> None:
    found = params(user_id="x", ga_id=1, session_id="9", app_name="x", timestamp_micros=1, level="debug", value=3, a=1)
    assert found == {
        "session_id": 1767323040,
        "engagement_time_msec": 1,
        "app_name": "demo",
        "app_version": "1.2.3",
        "a": 1,
    }
    assert params(level=3)["level"] == 3
