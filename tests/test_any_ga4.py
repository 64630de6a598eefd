"""Whatever a manifest declares and however large the events are: what goes to Google Analytics is within its limits."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from ga4_twin import RESERVED, SCHEMA, assert_valid
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manifests import documents, names, sentences, toml

from cli_analytics import event, gate, manifest, validation
from cli_analytics.destination import SinkConfig
from cli_analytics.manifest import Manifest
from cli_analytics.properties import (
    Boolean,
    Bucket,
    CommandPath,
    ExceptionName,
    Integer,
    Kind,
    OneOf,
    OptionNames,
    Version,
)
from cli_analytics.sinks import ga4

pytestmark = pytest.mark.slow

CONFIG = SinkConfig("ga4", "https://www.google-analytics.com", {"measurement_id": "G-ABC", "api_secret": "s"})
NOW = 1767323046
SENT_AT = event.timestamp(NOW)
_KNOWN = SCHEMA["properties"]["events"]["items"]["allOf"]

# Names that Google has something against, or might have, beside any others.
event_names = names | st.sampled_from(
    [
        *(name for name in sorted(RESERVED) if manifest.EVENT_NAME.fullmatch(name)),
        *(known["if"]["properties"]["name"]["const"] for known in _KNOWN[:-1]),
        *("query_id_1", "ga_run", "google_it", "firebase_x", "identify", "e" * 40),
    ]
)
property_names = names | st.sampled_from(
    [
        *sorted(_KNOWN[-1]["then"]["properties"]["params"]["properties"]),
        *("session_id", "engagement_time_msec", "app_name", "app_version", "dropped_events", "timestamp_micros"),
        *("user_id", "uid", "gclid", "ga_x", "google_x", "firebase_conversion", "duration_ms", "p" * 40),
    ]
)
wide = st.builds(lambda sign, size: sign * size, st.sampled_from('aé€\U0001f600"\\<'), st.integers(1, 100))
tables = st.one_of(
    st.builds(lambda values: {"one_of": values}, st.lists(wide | sentences, min_size=1, max_size=3, unique=True)),
    st.just({"bucket": [-(2**53), 0, 2**53]}),
    st.just({"type": "integer", "min": -(2**53), "max": 2**53}),
    st.sampled_from([{"type": "boolean"}, {"type": "version"}]),
)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """A valid manifest with names and values that are hard for Google, and more of them."""
    document = draw(documents())
    for name in draw(st.lists(event_names, max_size=4, unique=True)):
        if name not in ("command_run", "feature_used"):
            own = draw(st.dictionaries(property_names, tables, min_size=1, max_size=draw(st.sampled_from([1, 5, 20]))))
            document["events"][name] = {"why": "x", "properties": own}
    return manifest.parse(toml(document))


def values(kind: Kind) -> st.SearchStrategy[Any]:
    """What a host may record for a property, and what it may not."""
    found: st.SearchStrategy[Any]
    if isinstance(kind, OneOf):
        found = st.sampled_from(kind.values)
    elif isinstance(kind, (Integer, Bucket)):
        found = st.integers(-(2**60), 2**60)
    elif isinstance(kind, Boolean):
        found = st.booleans()
    elif isinstance(kind, Version):
        found = st.sampled_from(["1", "1.2.3", validation.VERSION])
    elif isinstance(kind, OptionNames):
        found = st.lists(st.from_regex(r"--?[a-z][a-z-]{0,39}", fullmatch=True), max_size=40)
    elif isinstance(kind, ExceptionName):
        found = st.sampled_from(["ValueError", "X" * 200, *kind.declared])
    else:
        assert isinstance(kind, CommandPath)
        found = st.lists(st.from_regex(r"[a-z]{1,40}", fullmatch=True), min_size=1, max_size=5).map(" ".join)
    return found | st.just(validation.sample(kind)) | st.sampled_from([None, "", "x" * 500, 3.5, [], {}])


labels = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}", fullmatch=True)
contexts = st.fixed_dictionaries(
    {},
    optional={
        "app": st.fixed_dictionaries({"name": labels}, optional={"version": labels}),
        "library": st.fixed_dictionaries({"version": labels}),
        "os": st.fixed_dictionaries({"name": labels}),
        "arch": labels,
        "python": st.just("3.11"),
        "cpus": st.integers(0, 10**9 - 1),
        "ci": st.just("other"),
        "container": st.sampled_from(["docker", "none", "moon"]),
        "ephemeral": st.just(True),
        "sessionId": st.integers(-1, 10**11),
        "dropped_events": st.integers(0, 10**9),
        "host": st.just("ada"),
    },
)
client_ids = st.uuids(version=4).map(str) | st.from_regex(gate._ID, fullmatch=True) | st.just("0.0")
timestamps = st.floats(NOW - 10**7, NOW + 10**7).map(event.timestamp) | st.from_regex(gate.TIMESTAMP, fullmatch=True)


@st.composite
def recorded(draw: st.DrawFn, declared: Manifest) -> dict[str, Any]:
    """An event as it may wait for a sender."""
    name = draw(st.sampled_from(sorted(declared.events)))
    kinds = declared.events[name].properties
    kind = "identify" if name == "identify" else draw(st.sampled_from(["track", "page"]))
    name_key, properties_key = event.KEYS[kind]
    return {
        "type": kind,
        "messageId": event.uuid4(),
        "anonymousId": draw(client_ids),
        "timestamp": draw(timestamps),
        "context": draw(contexts),
        **({name_key: name} if name_key else {}),
        properties_key: {key: draw(values(kind)) for key, kind in kinds.items()},
    }


@st.composite
def sendings(draw: st.DrawFn) -> tuple[Manifest, list[dict[str, Any]]]:
    """A manifest, and what of a few events and many copies of them may leave."""
    declared = draw(manifests())
    found = draw(st.lists(recorded(declared), min_size=1, max_size=4))
    contents = [json.dumps(item).encode() for item in found for _ in range(draw(st.sampled_from([1, 2, 30])))]
    admitted = (gate.admit(content, declared.events) for content in contents)
    return declared, [item for item in admitted if item]


SLOWLY = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(deadline=None, max_examples=150, suppress_health_check=SLOWLY)
@given(sendings())
def test_nothing_that_a_manifest_allows_is_outside_of_a_limit_or_lost(
    sending: tuple[Manifest, list[dict[str, Any]]],
) -> None:
    declared, events = sending
    problems = {problem.split(":")[0] for problem in ga4.problems(declared.events)}
    requests = ga4.encode(events, CONFIG, SENT_AT)
    assert requests == ga4.encode(events, CONFIG, SENT_AT)
    sent: list[int] = []
    for request in requests:
        assert_valid(request.body, NOW)
        body = json.loads(request.body)
        assert len(body["events"]) == len(request.events)
        for item, encoded in zip(request.events, body["events"]):
            assert ga4.client_id(item["anonymousId"]) == body["client_id"]
            assert_the_same(item, encoded, problems)
        places = [next(n for n, other in enumerate(events) if other is item) for item in request.events]
        assert places == sorted(places)
        sent += places
    expected = [n for n, item in enumerate(events) if f"events.{event.name(item)}" not in problems]
    assert sorted(sent) == expected


def assert_the_same(item: dict[str, Any], encoded: dict[str, Any], problems: set[str]) -> None:
    """What an event says is said, or `check` has told of it."""
    name = event.name(item)
    assert encoded["name"] == name
    for key, value in event.properties(item).items():
        if f"events.{name}.properties.{key}" in problems or value == []:
            continue
        found = encoded["params"][key]
        if isinstance(value, bool):
            assert found == str(value).lower()
        elif isinstance(value, list):
            assert value[: found.count(",") + 1] == found.split(",")
            assert len(found) + 1 + len("".join(value[found.count(",") + 1 :][:1])) > 100 or found == ",".join(value)
        else:
            assert found == (value[:100] if isinstance(value, str) else value)


@settings(deadline=None, max_examples=50, suppress_health_check=SLOWLY)
@given(manifests())
def test_a_sample_of_any_event_that_has_no_problem_is_valid(declared: Manifest) -> None:
    problems = {problem.split(":")[0] for problem in ga4.problems(declared.events)}
    for name in declared.events:
        if f"events.{name}" not in problems:
            assert_valid(validation.request(name, declared, CONFIG, time.time()).body, time.time())
