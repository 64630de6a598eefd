"""InfluxDB's line protocol: what its bytes are, what is counted together, and that no value breaks a line."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from line_protocol import Point, parse
from messages import CLIENT_ID, CONTEXT, SENT_AT, SESSION_ID, message, words

from cli_analytics import sinks
from cli_analytics.destination import SinkConfig
from cli_analytics.sinks.request import Request

CONFIG = SinkConfig(
    "influxdb", "https://influx.example.org/base", {"org": "my org", "bucket": "b&c", "token": "secret=="}
)
TAGS = "app=mytool,arch=x86_64,ci=none,command=db\\ migrate,container=docker,exit_code=0,os=Linux,outcome=ok"
LINE = f"command_run,{TAGS},python=3.11,version=1.2.3 count=1i,duration_ms=12i 1767323045"
NOWHERE = {"ip": "0.0.0.0"}


def lines(*requests: Request) -> list[str]:
    return [line for request in requests for line in gzip.decompress(request.body).decode().split("\n")]


def encoded(*events: dict[str, Any], sent_at: str = SENT_AT) -> list[str]:
    return lines(*sinks.encode(events, CONFIG, sent_at))


def points(*events: dict[str, Any]) -> list[Point]:
    return list(map(parse, encoded(*events)))


def test_one_event_is_a_line() -> None:
    item = message()
    [request] = sinks.encode([item], CONFIG, SENT_AT)
    assert request.url == "https://influx.example.org/base/api/v2/write?org=my%20org&bucket=b%26c&precision=s"
    assert request.address == "https://influx.example.org/base/api/v2/write"
    assert request.headers == {
        "Authorization": "Token secret==",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Encoding": "gzip",
    }
    assert gzip.decompress(request.body) == LINE.encode()
    assert sinks.text(request) == LINE
    assert request.events == [item]
    assert not request.once, "the same points overwrite themselves"


def test_no_events_make_no_request() -> None:
    assert sinks.encode([], CONFIG, SENT_AT) == []


def test_what_is_alike_in_measurement_tags_and_second_is_one_point() -> None:
    first, second = message(), message(timestamp="2026-01-02T03:04:05Z", properties={**message()["properties"]})
    second["properties"]["duration_ms"] = 30
    other_second = message(timestamp="2026-01-02T03:04:06.000Z")
    other_tag = message(context={**CONTEXT, "ci": "github_actions"})
    other_name = message("tool_closed", {"duration_ms": 5}, context=NOWHERE)
    third = message(timestamp="2026-01-02T03:04:05.999Z", properties={**first["properties"], "retries": 4})
    events = [first, other_second, second, other_tag, other_name, third]
    [request] = sinks.encode(events, CONFIG, SENT_AT)
    assert lines(request) == [
        LINE.replace("count=1i,duration_ms=12i", "count=3i,duration_ms=54i,retries=4i"),
        LINE.replace("045", "046"),
        LINE.replace("ci=none", "ci=github_actions"),
        "tool_closed count=1i,duration_ms=5i 1767323045",
    ]
    assert sorted(map(id, request.events)) == sorted(map(id, events)), "each is in it, once"


def test_sent_again_at_another_time_the_same_events_are_the_same_bytes() -> None:
    events = [message(), message("tool_closed", {})]
    assert sinks.encode(events, CONFIG, SENT_AT) == sinks.encode(events, CONFIG, "2027-01-02T03:04:06.000Z")


def test_there_is_no_id_of_an_installation_a_run_or_an_event() -> None:
    item = message()
    text = encoded(item)[0]
    assert not [known for known in (item["messageId"], CLIENT_ID, str(SESSION_ID), "0.0.0.0") if known in text]


def test_words_and_booleans_and_the_exit_code_are_tags_and_whole_numbers_are_fields() -> None:
    properties = {"format": "csv", "cached": True, "forced": False, "exit_code": 3, "pages": -7, "rows": 0}
    [point] = points(message("report_exported", properties, context=NOWHERE))
    assert point.measurement == "report_exported"
    assert point.tags == {"format": "csv", "cached": "true", "forced": "false", "exit_code": "3"}
    assert point.fields == {"count": 1, "pages": -7, "rows": 0}


def test_lists_are_left_out() -> None:
    assert encoded(message("e", {"options": ["--a"]}, context=NOWHERE)) == ["e count=1i 1767323045"]


@pytest.mark.parametrize("kind", ["page", "identify"])
def test_a_page_and_an_identify_are_points_too(kind: str) -> None:
    name = "home" if kind == "page" else "identify"
    assert encoded(message("home", {"plan": "free"}, type=kind, context=NOWHERE)) == [
        f"{name},plan=free count=1i 1767323045"
    ]


def test_a_property_that_is_called_like_something_of_ours_gets_another_name() -> None:
    properties = {"os": "plan9", "count": 7, "time": 8, "app": True, "property_os": "x", "property": "y", "timed": 1}
    [point] = points(message(properties=properties))
    ours = {key: value for key, value in point.tags.items() if not key.startswith("property")}
    assert ours == points(message(properties={}))[0].tags
    theirs = {"property_os": "plan9", "property_app": "true", "property_property_os": "x", "property": "y"}
    assert {**ours, **theirs} == point.tags
    assert point.fields == {"count": 1, "property_count": 7, "property_time": 8, "timed": 1}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a b", "a\\ b"),
        ("a,b=c", "a\\,b\\=c"),
        (" ", "\\ "),
        ('"quoted"', '"quoted"'),
        ("#7", "#7"),
        ("a\\", "a/"),
        ("a\\,b", "a/\\,b"),
        ("\\\\ ", "//\\ "),
        ("straße 🜁", "straße\\ 🜁"),
        ("one\ntwo count=9i 1", "one\\ two\\ count\\=9i\\ 1"),
    ],
)
def test_a_value_is_escaped_and_a_backslash_which_cannot_be_is_a_slash(value: str, written: str) -> None:
    [line] = encoded(message("e", {"word": value}, context=NOWHERE))
    assert line == f"e,word={written} count=1i 1767323045"


def test_names_are_escaped_too() -> None:
    [line] = encoded(message("a b,c=d", {"e f,g=h": "x", "i j,k=l": 1}, context=NOWHERE))
    assert line == "a\\ b\\,c=d,e\\ f\\,g\\=h=x count=1i,i\\ j\\,k\\=l=1i 1767323045"


def test_what_is_empty_is_left_out() -> None:
    assert encoded(message("e", {"word": ""}, context={**NOWHERE, "app": {}, "os": {}, "ci": ""})) == [
        "e count=1i 1767323045"
    ]


def test_that_an_id_is_gone_with_its_container_is_a_tag_only_where_it_is_true() -> None:
    [one, other] = points(
        message("e", {"ephemeral": "x"}, context={**NOWHERE, "ephemeral": True}), message("e", {}, context=NOWHERE)
    )
    assert one.tags == {"ephemeral": "true", "property_ephemeral": "x"}
    assert other.tags == {}


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True), words, max_size=8))
def test_any_words_are_read_as_they_were_written_but_for_backslashes(properties: dict[str, str]) -> None:
    [point] = points(message(properties=properties, context=NOWHERE))
    prefixed = {"app", "version", "os", "arch", "python", "ci", "container", "ephemeral", "count", "time"}
    expected = {
        f"property_{name}" if name in prefixed or name.startswith("property_") else name: value.replace("\\", "/")
        for name, value in properties.items()
    }
    assert point.tags == expected


@pytest.mark.parametrize("happened", ["2262-04-12T00:00:00Z", "1677-09-20T00:00:00Z"])
def test_an_event_without_a_time_that_influxdb_knows_is_left_out_and_the_others_are_not(happened: str) -> None:
    first, second = message(), message("e", {}, context=NOWHERE)
    [request] = sinks.encode([first, message(timestamp=happened), second], CONFIG, SENT_AT)
    assert request.events == [first, second]
    assert lines(request) == [LINE, "e count=1i 1767323045"]


@pytest.mark.parametrize("happened", ["2262-04-11T23:47:16Z", "1677-09-21T00:12:44Z"])
def test_the_first_and_the_last_second_that_it_knows_are_written(happened: str) -> None:
    assert abs(points(message(timestamp=happened))[0].second) == 2**63 // 10**9


@pytest.mark.parametrize("most", [2**53, -(2**53)])
def test_a_sum_stays_a_number_of_64_bits(most: int) -> None:
    [point] = points(*[message("e", {"pages": most}) for _ in range(1_500)])
    assert point.fields == {"count": 1_500, "pages": (2**63 - 1) * (1 if most > 0 else -1)}


def test_a_request_has_at_most_five_thousand_lines() -> None:
    items = [message("e", {"n": str(number)}, context=NOWHERE) for number in range(5_001)]
    requests = sinks.encode(items, CONFIG, SENT_AT)
    assert [len(lines(request)) for request in requests] == [5_000, 1]
    assert [item for request in requests for item in request.events] == items


def test_a_request_has_at_most_half_a_megabyte_before_it_is_compressed() -> None:
    items = [message("e", {"n": f"{number:03d}" + "x" * 997}, context=NOWHERE) for number in range(1_000)]
    requests = sinks.encode(items, CONFIG, SENT_AT)
    sizes = [len(gzip.decompress(request.body)) for request in requests]
    assert len(sizes) == 3 and max(sizes) <= 500_000 and min(sizes[:2]) > 498_000
    assert [item for request in requests for item in request.events] == items


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("migrate,", "migrate\\,"),
        ("db\\ migrate", "db migrate"),
        ("db\\ migrate", "db\\migrate"),
        ("db\\ migrate", "db\\\\ migrate"),
        ("db\\ migrate", ""),
        ("db\\ migrate", "a=b"),
        ("arch=", "zarch="),
        ("arch=", "app="),
        ("count=1i", "count=1"),
        ("count=1i", "count=1i,count=1i"),
        ("count=1i", f"count={2**63}i"),
        ("count=1i", "arch=1i"),
        ("count=1i", "_count=1i"),
        ("count=1i", "time=1i"),
        (" count=1i,duration_ms=12i", ""),
        (" 1767323045", ""),
        (" 1767323045", " 17673230450"),
        (" 1767323045", " 1767323045 "),
        ("docker", "doc\tker"),
    ],
)
def test_the_parser_of_these_tests_refuses_a_line_that_breaks_a_rule(old: str, new: str) -> None:
    assert old in LINE
    with pytest.raises(ValueError, match="."):
        parse(LINE.replace(old, new, 1))
