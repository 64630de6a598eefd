"""What may leave: only what is declared, whatever an event holds."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifests import documents, toml

from cli_analytics import event, gate, manifest

MANIFEST = manifest.parse(b"""
schema = 1
[tool]
name = "mytool"
controller = "Example"
contact = "privacy@example.org"
[events.report_exported]
why = "Formats"
[events.report_exported.properties]
format = { one_of = ["csv", "json"] }
rows = { bucket = [10, 100] }
cached = { type = "boolean" }
pages = { type = "integer", min = 0, max = 500 }
engine = { type = "version" }
[events.tool_closed]
why = "Ends"
""")
DECLARED = MANIFEST.events
SECRET = "s3cr3t-of-ada"
CONTEXT = {"ip", "library", "app", "os", "arch", "python", "cpus", "ci", "container", "sessionId", "dropped_events"}
SESSION = 1767323045


def an_event(**changes: Any) -> dict[str, Any]:
    known = event.context("mytool", "1.2.3", {}, session_id=SESSION)
    built = event.build("report_exported", {"format": "csv"}, client_id="an-id", context=known, now=0)
    return {**built, **changes}


def checked(found: dict[str, Any]) -> dict[str, Any]:
    """What leaves of an event of which something does."""
    left = gate.check(found, DECLARED).event
    assert left is not None
    return left


def test_what_is_declared_leaves_as_it_is() -> None:
    given_ = an_event(properties={"format": "json", "rows": "10-99", "cached": True, "pages": 7, "engine": "2.0rc1"})
    assert gate.check(given_, DECLARED) == (given_, ())


def test_numbers_leave_as_their_range_and_cut_to_their_bounds() -> None:
    left = checked(an_event(properties={"rows": 55, "pages": 10**9}))
    assert left["properties"] == {"rows": "10-99", "pages": 500}


def test_what_is_not_declared_stays_and_the_problem_names_the_key_and_no_value() -> None:
    left, problems = gate.check(an_event(properties={"format": SECRET, "path": SECRET, "rows": SECRET}), DECLARED)
    assert left is not None
    assert left["properties"] == {}
    assert len(problems) == 3
    assert "report_exported.format may only be one of csv, json" in problems
    assert any("'path'" in problem for problem in problems)
    assert SECRET not in "".join(problems)


@pytest.mark.parametrize(
    "changes",
    [
        {"event": "file_opened"},
        {"event": None},
        {"event": ["report_exported"]},
        {"event": {}},
        {"type": "identify"},
        {"type": None},
        {"messageId": ""},
        {"messageId": "x" * 101},
        {"messageId": "a b"},
        {"messageId": 7},
        {"anonymousId": "ada@example.org"},
        {"anonymousId": None},
        {"timestamp": "yesterday"},
        {"timestamp": "2026-01-02"},
        {"timestamp": "2026-13-02T03:04:05Z"},
        {"timestamp": "2026-01-02T24:61:61.000Z"},
        {"timestamp": "2026-01-02T03:04:05+99:99"},
        {"timestamp": "0000-01-01T00:00:00Z"},
        {"timestamp": 1_767_323_045},
        {"timestamp": "٢٠٢٦-01-02T03:04:05Z"},
    ],
)
def test_an_event_that_is_not_declared_or_not_well_formed_does_not_leave(changes: dict[str, Any]) -> None:
    left, problems = gate.check(an_event(**changes), DECLARED)
    assert left is None
    assert len(problems) == 1


@pytest.mark.parametrize("missing", ["type", "event", "messageId", "anonymousId", "timestamp"])
def test_an_event_without_one_of_its_keys_does_not_leave(missing: str) -> None:
    given_ = an_event()
    del given_[missing]
    assert gate.check(given_, DECLARED).event is None


@pytest.mark.parametrize("value", [None, [], "x", 7])
def test_properties_and_a_context_that_are_no_tables_are_empty(value: object) -> None:
    left = checked(an_event(properties=value, context=value))
    assert (left["properties"], left["context"]) == ({}, {"ip": "0.0.0.0"})


def test_the_address_is_always_the_one_of_nobody() -> None:
    assert checked(an_event(context={"ip": "192.0.2.7"}))["context"] == {"ip": "0.0.0.0"}
    assert checked(an_event(context={}))["context"] == {"ip": "0.0.0.0"}


def test_the_context_is_closed() -> None:
    planted = {
        "ip": SECRET,
        "userAgent": SECRET,
        "locale": SECRET,
        "app": {"name": "mytool", "version": "1.2.3", "path": SECRET},
        "os": {"name": "Linux", "version": SECRET},
        "device": {"id": SECRET},
        "arch": f"{SECRET}/{SECRET}",
        "python": "٣.١١",
        "cpus": SECRET,
        "ci": f"{SECRET} {SECRET}",
        "container": ["docker"],
    }
    left = checked(an_event(context=planted))
    assert left["context"] == {"ip": "0.0.0.0", "app": {"name": "mytool", "version": "1.2.3"}, "os": {"name": "Linux"}}


@pytest.mark.parametrize("number", [1, SESSION, 10**11 - 1])
def test_the_number_of_the_session_is_a_second(number: int) -> None:
    assert checked(an_event(context={"sessionId": number}))["context"] == {"ip": "0.0.0.0", "sessionId": number}


@pytest.mark.parametrize("value", [0, -1, 10**11, 1767323045.5, True, "1767323045", SECRET, None, [SESSION]])
def test_what_is_no_second_is_no_session(value: object) -> None:
    assert checked(an_event(context={"sessionId": value}))["context"] == {"ip": "0.0.0.0"}


def message(kind: str, name: str, properties: object) -> dict[str, Any]:
    """A message of that type."""
    name_key, properties_key = event.KEYS[kind]
    bare = {key: value for key, value in an_event(type=kind).items() if key not in ("event", "properties")}
    return {**bare, **({name_key: name} if name_key else {}), properties_key: properties}


@pytest.mark.parametrize("kind", event.KEYS)
def test_a_message_of_another_type_leaves_as_it_is_declared_and_stays_of_its_type(kind: str) -> None:
    name = "identify" if kind == "identify" else "report_exported"
    declared = {name: DECLARED["report_exported"]}
    given_ = message(kind, name, {"format": "csv", "path": SECRET})
    planted = {**given_, "userId": SECRET, **{key: SECRET for key in ("traits", "properties") if key not in given_}}
    left, problems = gate.check(planted, declared)
    assert left == message(kind, name, {"format": "csv"}) | {key: given_[key] for key in ("messageId", "context")}
    assert problems == (f"{name} has a property that the manifest does not declare: 'path'",)
    assert gate.check(given_, {"other": DECLARED["report_exported"]}).event is None


@pytest.mark.parametrize("kind", ["screen", "group", "alias", "", SECRET, None, 7, ["track"], {"track": 1}])
def test_a_message_of_no_type_of_ours_does_not_leave(kind: object) -> None:
    assert gate.check(an_event(type=kind), DECLARED).event is None


def test_what_may_leave_of_files_is_known_by_their_names_and_the_first_tells_how_many_were_dropped() -> None:
    good = event.encode(an_event(properties={"format": "json", "path": SECRET})).encode()
    contents = [("broken", b"{"), ("one", good), ("unknown", good.replace(b"report_exported", b"other")), ("two", good)]
    found = gate.checked(iter(contents), DECLARED, 7)
    assert [*found] == ["one", "two"]
    assert [item["properties"] for item in found.values()] == [{"format": "json"}] * 2
    assert [item["context"].get("dropped_events") for item in found.values()] == [7, None]
    assert "dropped_events" not in gate.checked(contents, DECLARED, 0)["one"]["context"]
    assert gate.checked([("broken", b"{")], DECLARED, 7) == {}


def test_what_the_client_adds_passes_the_gate() -> None:
    built = event.context("mytool", "1.2.3", {"GITHUB_ACTIONS": "true"}, session_id=SESSION)
    assert checked(an_event(context=built))["context"] == built


def test_the_gate_passed_twice_is_the_gate_passed_once() -> None:
    once = checked(an_event(properties={"rows": 55, "format": "pdf"}))
    assert gate.check(once, DECLARED) == (once, ())


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just(SECRET),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.just(SECRET), inner, max_size=4)
    ),
    max_leaves=12,
)
names = st.sampled_from(["report_exported", "command_run", "feature_used", "tool_closed", "other"])
keys = st.sampled_from(
    ["format", "rows", "cached", "pages", "engine", "command", "options", "exception", "outcome", SECRET]
)
property_tables = st.dictionaries(keys, anything | st.sampled_from(["csv", "10-99", 5, True, "1.2"]), max_size=8)
contexts = st.dictionaries(st.sampled_from([*sorted(CONTEXT), SECRET]), anything, max_size=8)
SETS: dict[str, Callable[[Any], object]] = {
    "format": lambda value: value in ("csv", "json"),
    "rows": lambda value: value in ("<10", "10-99", ">=100"),
    "cached": lambda value: isinstance(value, bool),
    "pages": lambda value: type(value) is int and 0 <= value <= 500,
    "engine": lambda value: re.fullmatch(r"[\d.]+[\w.+-]*", value),
    "command": lambda value: isinstance(value, str) and len(value) <= 100,
    "options": lambda value: all(name[0] in "-+/" for name in value),
    "exception": lambda value: value == event.OTHER or value.isidentifier(),
    "outcome": lambda value: value in ("ok", "error", "usage_error", "aborted", "broken_pipe"),
}


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(
    names, property_tables | anything, contexts | anything, st.dictionaries(st.text(max_size=12), anything, max_size=3)
)
def test_whatever_an_event_holds_only_declared_keys_and_values_leave(
    name: str, properties: Any, found_context: Any, more: dict[str, Any]
) -> None:
    given_ = {**more, **an_event(event=name, properties=properties, context=found_context)}
    left = gate.check(given_, DECLARED).event
    if left is None:
        assert name in ("other", "feature_used")  # the manifest lists no features
        return
    assert set(left) == {"type", "event", "messageId", "anonymousId", "timestamp", "context", "properties"}
    assert set(left["context"]) <= CONTEXT
    assert left["context"]["ip"] == "0.0.0.0"
    assert set(left["properties"]) <= set(DECLARED[name].properties)
    for key, value in left["properties"].items():
        assert key not in SETS or SETS[key](value), key
    assert all(not isinstance(value, float) or math.isfinite(value) for value in left["properties"].values())
    assert len(json.dumps(left)) < 4_000


@pytest.mark.slow
@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=12), anything, max_size=5))
def test_whatever_a_document_is_it_leaves_or_it_does_not(found: dict[str, Any]) -> None:
    assert gate.check(found, DECLARED).event is None


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(documents(), st.data())
def test_an_event_of_any_manifest_passes_the_gate_as_it_is_and_nothing_else_of_it_does(
    document: dict[str, Any], data: st.DataObject
) -> None:
    declared = manifest.parse(toml(document)).events
    name = data.draw(st.sampled_from(sorted(declared)))
    given_ = an_event(event=name, properties=data.draw(st.dictionaries(keys | st.just("ip"), anything)))
    for key, kind in declared[name].properties.items():
        given_["properties"][key] = data.draw(anything | allowed_by(kind))
    left, problems = gate.check(json.loads(event.encode(plain(given_))), declared)
    assert left is not None
    assert left["properties"].keys() <= declared[name].properties.keys()
    assert gate.check(json.loads(event.encode(left)), declared) == (left, ()), "and once more changes nothing"
    assert SECRET not in re.sub(r"one of .*|'[^']*'", "", "\n".join(problems)), "a problem names keys"


def allowed_by(kind: Any) -> st.SearchStrategy[Any]:
    """Values that a kind cleans, and of lists all that is in them."""
    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    return st.sampled_from([*getattr(kind, "values", ()), "1.2.3", "build", "ValueError", True, ["--x"]]) | numbers


def plain(document: Any) -> Any:
    """The document without the numbers that JSON has not."""
    if isinstance(document, dict):
        return {key: plain(value) for key, value in document.items()}
    if isinstance(document, list):
        return [plain(value) for value in document]
    return None if isinstance(document, float) and not math.isfinite(document) else document
