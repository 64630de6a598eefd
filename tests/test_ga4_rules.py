"""Names that Google Analytics does not take: all of the documented ones, each with a sentence that says what to do."""

from __future__ import annotations

import re

import pytest
from ga4_twin import RESERVED, SCHEMA, fits_the_schema

from cli_analytics.properties import BUILT_IN, Boolean, Declaration, Integer, Kind, OneOf
from cli_analytics.sinks import ga4
from cli_analytics.sinks import ga4_rules as rules

KEPT = "Google Analytics keeps this name for itself; choose another"
TEXT, NUMBER = OneOf(("a",)), Integer(0, 9)
EVENTS = SCHEMA["properties"]["events"]["items"]["allOf"]
KNOWN_EVENTS = sorted(event["if"]["properties"]["name"].get("const", "own") for event in EVENTS)
KNOWN_PARAMETERS = sorted(EVENTS[-1]["then"]["properties"]["params"]["properties"])


def problems(event: str = "report_exported", /, **properties: Kind) -> list[str]:
    return ga4.problems({event: Declaration("Why", properties)})


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_every_documented_event_is_reserved(name: str) -> None:
    assert problems(name) == [f"events.{name}: {KEPT}"]


@pytest.mark.parametrize("prefix", ["_", "firebase_", "ga_", "google_", "gtag.", "query_id"])
def test_every_documented_prefix_of_an_event_is_reserved(prefix: str) -> None:
    sentence = f"Google Analytics keeps names that begin with {prefix} for itself; choose another"
    assert problems(f"{prefix}x") == [f"events.{prefix}x: {sentence}"]


@pytest.mark.parametrize("prefix", ["_", "firebase_", "ga_", "google_", "gtag."])
def test_every_documented_prefix_of_a_parameter_is_reserved(prefix: str) -> None:
    sentence = f"Google Analytics keeps names that begin with {prefix} for itself; choose another"
    assert problems(**{f"{prefix}x": TEXT}) == [f"events.report_exported.properties.{prefix}x: {sentence}"]


@pytest.mark.parametrize(
    "name",
    re.findall(
        r"\w+",
        "firebase_conversion cid currency customer_id customerid dclid gclid session_id sessionid sfmc_id sid srsltid "
        "uid user_id userid session_number engagement_time_msec timestamp_micros debug_mode",
    ),
)
@pytest.mark.parametrize("kind", [TEXT, NUMBER])
def test_every_documented_parameter_is_reserved(name: str, kind: Kind) -> None:
    found = problems(**{name: kind})
    assert len(found) == 1
    assert found[0].startswith(f"events.report_exported.properties.{name}: Google Analytics ")
    assert found[0].endswith("; choose another")


@pytest.mark.parametrize("name", ["app_name", "app_version", "dropped_events"])
def test_a_parameter_of_ours_is_taken(name: str) -> None:
    sentence = "cli-analytics sends a parameter of this name itself; choose another"
    assert problems(**{name: TEXT}) == [f"events.report_exported.properties.{name}: {sentence}"]


@pytest.mark.parametrize(
    "name", ["report_exported", "clicked", "scrolled", "session_started", "gang", "googled", "query", "Error", "a" * 40]
)
def test_any_other_name_is_free(name: str) -> None:
    assert problems(name) == []
    assert problems(**{name: TEXT}) == []
    assert problems(**{name: NUMBER}) == []


@pytest.mark.parametrize("name", ["", "1st", "x y", "x-y", "x.y", "é", "x\n", "a" * 41])
def test_what_is_no_name_is_told(name: str) -> None:
    sentence = "Google Analytics takes at most 40 letters, digits and _, a letter first; choose another name"
    assert problems(name) == [f"events.{name}: {sentence}"]


@pytest.mark.parametrize("name", KNOWN_EVENTS)
def test_an_event_that_googles_schema_finds_incomplete_is_told(name: str) -> None:
    is_complete = fits_the_schema({"events": [{"name": name, "params": {"app_name": "x"}}]})
    sentence = "Google Analytics has an event of this name that needs parameters of its own; choose another"
    if not is_complete:
        assert problems(name) == [f"events.{name}: {sentence}"]
    elif name not in RESERVED:
        assert problems(name) == []


@pytest.mark.parametrize("name", KNOWN_PARAMETERS)
@pytest.mark.parametrize(("kind", "value"), [(TEXT, "a"), (NUMBER, 5), (Boolean(), "true")])
def test_a_parameter_of_which_googles_schema_wants_something_else_is_told(name: str, kind: Kind, value: object) -> None:
    fits = fits_the_schema({"events": [{"name": "own", "params": {name: value}}]})
    found = problems(**{name: kind})
    assert bool(found) != fits
    assert all(f"properties.{name}: Google Analytics " in problem for problem in found)


def test_the_sentences_say_what_is_expected() -> None:
    assert problems(level=TEXT, method=NUMBER, value=NUMBER, items=TEXT) == [
        f"events.report_exported.properties.{name}: Google Analytics expects {what} under this name; choose another"
        for name, what in [
            ("level", "a number"),
            ("method", "a text"),
            ("value", "an amount in a currency"),
            ("items", "a list of items"),
        ]
    ]


def test_all_problems_are_told_in_the_order_of_the_manifest() -> None:
    declared = {
        "scroll": Declaration("Why", {"uid": TEXT, "ok": TEXT, "sid": TEXT}),
        "fine": Declaration("Why", {"gclid": TEXT}),
    }
    where = [problem.split(":")[0] for problem in ga4.problems(declared)]
    assert where == ["events.scroll", "events.scroll.properties.uid", "events.scroll.properties.sid"] + [
        "events.fine.properties.gclid"
    ]


def test_what_is_built_in_is_free() -> None:
    assert ga4.problems(BUILT_IN) == []


def test_what_we_add_ourselves_is_within_the_limits() -> None:
    assert len(rules.OURS) + 20 <= rules.MAX_PARAMETERS  # a manifest allows 20 properties
    assert not {"session_id", "engagement_time_msec"} - set(rules.OURS)
    documented = (25, 25, 25, 40, 100, 24, 36, 130_000, 72 * 3600)
    assert documented == (
        *(rules.MAX_EVENTS, rules.MAX_PARAMETERS, rules.MAX_USER_PROPERTIES, rules.MAX_NAME, rules.MAX_VALUE),
        *(rules.MAX_USER_PROPERTY_NAME, rules.MAX_USER_PROPERTY_VALUE, rules.MAX_BYTES, rules.MAX_AGE_SECONDS),
    )
