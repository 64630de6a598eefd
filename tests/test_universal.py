"""Universal Analytics: what its bytes are, and that its limits are kept."""

from __future__ import annotations

from typing import Any, Optional

import hits
import pytest
from messages import CLIENT_ID, CONTEXT, SENT_AT, message

from cli_analytics import sinks
from cli_analytics.destination import SinkConfig

CONFIG = SinkConfig("universal", "https://ua.example.org/base", {"tracking_id": "UA-000000-1"})
HIT = (
    b"v=1&tid=UA-000000-1&aip=1&cid=35009a79-1a05-49d7-b876-2b884d0f825b&t=event&ec=mytool&ea=command_run"
    b"&el=command%3Ddb%2520migrate%26duration_ms%3D12%26exit_code%3D0%26options%3D--all%252C-v%26outcome%3Dok"
    b"&ev=12&an=mytool&av=1.2.3&ds=app&ni=1&cd1=Linux&cd2=x86_64&cd3=3.11&cd4=none&cd5=docker&cm1=4&qt=322"
)
# One that somebody else wrote, from the reference.
OTHER = (
    b"v=1&aip=1&tid=UA-000000-1&cid=35009a79-1a05-49d7-b876-2b884d0f825b&t=event&ec=cli&ea=run&el=docker&ev=4&an=demo"
    b"&av=1.2.3&ul=en-us&cd1=linux&cm1=4&ni=1&ds=app"
)


def encoded(*events: dict[str, Any], sent_at: str = SENT_AT) -> list[dict[str, str]]:
    """The parameters of the hits."""
    return [hit for request in sinks.encode(events, CONFIG, sent_at) for hit in hits.split(request.body)]


def test_one_event_is_a_hit() -> None:
    item = message()
    [request] = sinks.encode([item], CONFIG, SENT_AT)
    assert request.url == "https://ua.example.org/base/collect"
    assert request.headers == {"Content-Type": "application/x-www-form-urlencoded", "SP-Anonymous": "*"}
    assert request.body == HIT
    assert request.events == [item]
    assert request.once, "a hit has nothing by which a repetition is known"
    assert sinks.text(request).encode() == HIT


def test_that_an_id_is_gone_with_its_container_is_the_sixth_dimension() -> None:
    [hit] = encoded(message(context={**CONTEXT, "ephemeral": True}))
    assert hit == {**hits.parse(HIT), "cd6": "true"}


def test_several_are_one_a_line() -> None:
    items = [message(), message("tool_closed", {}, context={"ip": "0.0.0.0"})]
    [request] = sinks.encode(items, CONFIG, SENT_AT)
    assert request.url == "https://ua.example.org/base/batch"
    second = b"&".join([HIT[: HIT.index(b"&ec=")], b"ec=unknown&ea=tool_closed&el=-&ds=app&ni=1&qt=322"])
    assert request.body == HIT + b"\n" + second
    assert request.events == items


@pytest.mark.parametrize("count", [1, 2])
def test_to_snowplow_both_go_to_its_own_path(count: int) -> None:
    snowplow = "https://collector.example.org/com.google.analytics/v1"
    [request] = sinks.encode([message()] * count, CONFIG._replace(endpoint=snowplow), SENT_AT)
    assert request.url == snowplow
    assert request.body == b"\n".join([HIT] * count)


def test_no_events_make_no_request() -> None:
    assert sinks.encode([], CONFIG, SENT_AT) == []


def test_a_hit_of_ours_is_made_as_others_make_theirs() -> None:
    ours, theirs = hits.parse(HIT), hits.parse(OTHER)
    assert theirs.keys() - ours.keys() == {"ul"}, "which we don't ask for"
    same = {"v", "aip", "tid", "cid", "t", "av", "ds", "ni", "cm1"}
    assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}


def test_nothing_names_an_address_a_browser_a_place_a_user_or_a_page() -> None:
    assert not hits.parse(HIT).keys() & {"uip", "ua", "geoid", "uid", "dl", "dh", "dp", "dt", "dr", "sc"}


@pytest.mark.parametrize(("kind", "name"), [("page", "tool_closed"), ("identify", "identify")])
def test_a_page_and_an_identify_are_events_too(kind: str, name: str) -> None:
    [hit] = encoded(message("tool_closed", {"plan": "free"}, type=kind))
    assert (hit["t"], hit["ea"], hit["el"]) == ("event", name, "plan=free")


@pytest.mark.parametrize(
    ("properties", "label"),
    [
        ({}, "-"),
        ({"b": True, "a": False, "c": 7}, "a=false&b=true&c=7"),
        ({"format": "a&b=c +%"}, "format=a%26b%3Dc%20%2B%25"),
        ({"options": []}, "options="),
        ({"a": "x" * 498, "b": "1"}, f"a={'x' * 498}"),
        ({"a": "x" * 499, "b": "1"}, "b=1"),
        ({"a": "x" * 494, "b": "1"}, f"a={'x' * 494}&b=1"),
        ({"a": "x" * 495, "b": "1"}, f"a={'x' * 495}"),
        ({"a": "🜁" * 42}, "-"),  # twelve bytes each
        ({"a": "🜁" * 41}, f"a={'%F0%9F%9C%81' * 41}"),
    ],
)
def test_a_label_is_the_pairs_for_which_there_is_room(properties: dict[str, Any], label: str) -> None:
    [hit] = encoded(message(properties=properties))
    assert hit["el"] == label


@pytest.mark.parametrize(
    ("properties", "value"),
    [
        ({"duration_ms": 12, "exit_code": 3}, "12"),
        ({"pages": 7, "cached": True, "format": "9"}, "7"),
        ({"pages": 0}, "0"),
        ({"pages": 7, "rows": 8}, None),
        ({"cached": True}, None),
        ({"pages": -1}, None),
        ({"pages": 2**31 - 1}, "2147483647"),
        ({"pages": 2**31}, None),
        ({"duration_ms": "10-99", "pages": 7}, "7"),
    ],
)
def test_the_value_is_the_duration_or_the_only_whole_number(properties: dict[str, Any], value: Optional[str]) -> None:
    [hit] = encoded(message(properties=properties))
    assert hit.get("ev") == value


@pytest.mark.parametrize(
    ("happened", "waited"),
    [
        ("2026-01-02T03:04:05.999Z", "1"),
        ("2026-01-02T03:04:06.000Z", "0"),
        ("2026-01-02T03:04:06.001Z", "0"),
        ("2036-01-02T03:04:06Z", "0"),
        ("2026-01-02T05:04:05.5+02:00", "500"),
        ("1970-01-01T00:00:00Z", "2147483647"),
    ],
)
def test_the_time_in_the_queue_is_neither_negative_nor_too_large(happened: str, waited: str) -> None:
    [hit] = encoded(message(timestamp=happened))
    assert hit["qt"] == waited


def test_a_value_is_cut_between_characters() -> None:
    [hit] = encoded(message(context={**CONTEXT, "app": {"name": "xä" * 80, "version": "🜁" * 26}, "arch": "€" * 51}))
    assert (hit["ec"], hit["an"]) == ("xä" * 50, "xä" * 33 + "x")
    assert (hit["av"], hit["cd2"]) == ("🜁" * 25, "€" * 50)


@pytest.mark.parametrize(("count", "sizes"), [(20, [20]), (21, [20, 1]), (45, [20, 20, 5])])
def test_a_batch_has_at_most_twenty_hits(count: int, sizes: list[int]) -> None:
    items = [message(properties={}) for _ in range(count)]
    requests = sinks.encode(items, CONFIG, SENT_AT)
    assert [len(hits.split(request.body)) for request in requests] == sizes
    assert [item for request in requests for item in request.events] == items
    paths = {size: "/collect" if size == 1 else "/batch" for size in sizes}
    assert [request.url for request in requests] == [CONFIG.endpoint + paths[size] for size in sizes]


@pytest.mark.parametrize(("length", "sizes"), [(8_191, [2]), (8_192, [1, 1])])
def test_a_batch_has_at_most_sixteen_kilobytes_with_what_is_between_its_hits(length: int, sizes: list[int]) -> None:
    requests = sinks.encode([message(), message()], long(length), SENT_AT)
    assert [len(request.events) for request in requests] == sizes
    assert {len(hit) for request in requests for hit in request.body.split(b"\n")} == {length}


def long(length: int) -> SinkConfig:
    """A destination at which a hit has so many bytes."""
    return CONFIG._replace(settings={"tracking_id": "x" * (length - len(HIT) + len("UA-000000-1"))})


def test_a_hit_of_more_than_eight_kilobytes_is_left_out() -> None:
    short = message(context={"ip": "0.0.0.0"})
    [request] = sinks.encode([message(), short], long(8_193), SENT_AT)
    assert request.events == [short]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"aip=1", b"aip="),
        (b"ni=1", b"ni=true"),
        (b"qt=322", b"qt=-1"),
        (b"ev=12", b"ev=2147483648"),
        (b"&ec=mytool", b""),
        (b"t=event", b"t=pageview"),
        (b"an=mytool", b"an=" + b"x" * 101),
        (b"%26outcome", b" outcome"),
        (b"&ds=app", b"&ds=app\n"),
        (b"&ds=app", b"&ds=app&ds=app"),
        (CLIENT_ID.encode(), b"x" * 8_192),
    ],
)
def test_the_rules_of_these_tests_refuse_a_hit_that_breaks_one(old: bytes, new: bytes) -> None:
    assert old in HIT
    with pytest.raises(ValueError, match=r"^(more|something|a param|no|too)"):
        hits.parse(HIT.replace(old, new))
