"""Messages: checked events as sinks get them, one made by hand or any that a manifest allows, the largest too."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from manifests import addresses, events, toml

from cli_analytics import detection, event, gate, manifest
from cli_analytics.event import Event
from cli_analytics.properties import (
    MAX_OPTIONS,
    MAX_PATH,
    Boolean,
    Bucket,
    CommandPath,
    Declaration,
    ExceptionName,
    Integer,
    OneOf,
    OptionNames,
)

CLIENT_ID = "35009a79-1a05-49d7-b876-2b884d0f825b"
SESSION_ID = 1_767_323_044
SENT_AT = "2026-01-02T03:04:06.000Z"
CONTEXT = {
    "ip": "0.0.0.0",
    "library": {"name": "cli-analytics", "version": "0.1.0"},
    "app": {"name": "mytool", "version": "1.2.3"},
    "os": {"name": "Linux"},
    "arch": "x86_64",
    "python": "3.11",
    "cpus": 4,
    "ci": "none",
    "container": "docker",
    "sessionId": SESSION_ID,
}
RUN = {"command": "db migrate", "duration_ms": 12, "exit_code": 0, "options": ["--all", "-v"], "outcome": "ok"}

# A line that is as long as a manifest takes it, of what takes the most room in whatever encoding; or that means
# something in one.
_characters = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
words = st.one_of(
    st.text(_characters, min_size=1, max_size=100),
    st.text(st.sampled_from('🜁ß"\\ ,=%&+#'), min_size=95, max_size=100),
    st.sampled_from(["\\", "a\\", "a\\,b", "\\ ", "a,b=c d", " ", "=", "a&b=c", "%0A", "🜁" * 100]),
)
_whole = st.integers(-manifest.MAX_WHOLE, manifest.MAX_WHOLE)
_kinds = st.one_of(
    st.builds(lambda values: {"one_of": values}, st.lists(words, min_size=1, max_size=3, unique=True)),
    st.builds(lambda a, b: {"type": "integer", "min": min(a, b), "max": max(a, b)}, _whole, _whole),
    st.builds(lambda edges: {"bucket": sorted(edges)}, st.sets(_whole, min_size=1, max_size=3)),
    st.builds(dict, type=st.sampled_from(["boolean", "version"])),
)
# What a sink calls something of its own, among the names of properties.
_ours = st.sampled_from(["app", "version", "os", "count", "time", "ci", "exit_code", "duration_ms", "property_os"])
_names = _ours | st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True)
_longest = st.integers(0, 19).map(lambda number: f"{'p' * 37}_{number:02d}")
_declared = st.fixed_dictionaries(
    {"why": st.just("W")},
    optional={"properties": st.dictionaries(_names, _kinds, max_size=8) | st.dictionaries(_longest, _kinds)},
)
_label = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}", fullmatch=True)
_tool = st.fixed_dictionaries({}, optional={"name": _label | st.just("mytool"), "version": _label})
_count = st.integers(0, 10**9 - 1)
contexts = st.fixed_dictionaries(
    {"ip": st.just("0.0.0.0")},
    optional={
        "library": _tool,
        "app": _tool,
        "os": st.fixed_dictionaries({}, optional={"name": _label}),
        "arch": _label,
        "python": st.from_regex(r"[0-9]{1,2}\.[0-9]{1,3}", fullmatch=True),
        "cpus": _count,
        "sessionId": st.integers(1, 10**11 - 1),
        "ci": st.sampled_from(sorted({*detection.CI_VENDORS.values(), "other", "none"})),
        "container": st.sampled_from(["docker", "podman", "kubernetes", "other", "none"]),
        "ephemeral": st.just(True),
        "dropped_events": _count,
    },
)
times = st.floats(0, 4e9).map(event.timestamp) | st.sampled_from(
    ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789+14:00", "1677-09-21T00:12:44-0000"]
)
FAR_TIMES = ("0001-01-01T00:00:00-2359", "9999-12-31T23:59:59Z")  # which not everybody can count to


def message(name: str = "command_run", properties: Any = None, **changes: Any) -> Event:
    """A track; with `type` a page or an identify."""
    kind = changes.pop("type", "track")
    name_key, properties_key = event.KEYS[kind]
    return {
        "type": kind,
        **({name_key: name} if name_key else {}),
        "messageId": event.uuid4(),
        "anonymousId": CLIENT_ID,
        "timestamp": "2026-01-02T03:04:05.678Z",
        "context": CONTEXT,
        properties_key: RUN if properties is None else properties,
        **changes,
    }


@st.composite
def checked(draw: st.DrawFn, *, most: int = 6, times: st.SearchStrategy[str] = times) -> list[Event]:
    """Events that a manifest allows, as the gate lets them through. Each is there many times, with other ids."""
    declared = draw(manifests())
    kept = []
    for name in draw(st.lists(st.sampled_from(sorted(declared)), max_size=most)):
        kind = event.IDENTIFY if name == event.IDENTIFY else draw(st.sampled_from(["track", "page"]))
        properties = {key: draw(allowed_by(known)) for key, known in declared[name].properties.items()}
        made = message(name, properties, type=kind, timestamp=draw(times), context=draw(contexts))
        left = gate.check(json.loads(event.encode(made)), declared).event
        assert left is not None, "the gate lets it through"
        kept += [{**left, "messageId": event.uuid4()} for _ in range(draw(st.sampled_from([1, 1, 2, 21, 60])))]
    return kept


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Declaration]:
    """What a manifest declares, read from its file."""
    names = _names | st.just(event.IDENTIFY)
    found = draw(st.dictionaries(names.filter(lambda name: name != "feature_used"), _declared | events, max_size=3))
    found.pop("command_run", None)
    tool = {"name": "mytool", "controller": "E", "contact": "c", "page": draw(addresses)}
    document = {"schema": 1, "tool": tool, "policy": {}, "sinks": [], "events": found}
    return dict(manifest.parse(toml(document)).events)


def allowed_by(kind: object) -> st.SearchStrategy[Any]:
    """What is in the set."""
    if isinstance(kind, OneOf):
        return st.sampled_from(kind.values)
    if isinstance(kind, Integer):
        return st.sampled_from([kind.minimum, kind.maximum]) | st.integers(kind.minimum, kind.maximum)
    if isinstance(kind, Bucket):
        return st.sampled_from(kind.labels())
    if isinstance(kind, Boolean):
        return st.booleans()
    if isinstance(kind, CommandPath):
        return st.sampled_from(["mytool", "db migrate", "<unknown>", "ä:b", " ".join(["abcd"] * (MAX_PATH // 5))])
    if isinstance(kind, OptionNames):
        return st.lists(st.from_regex(r"--[a-z][a-z-]{0,39}", fullmatch=True), max_size=MAX_OPTIONS)
    if isinstance(kind, ExceptionName):
        return st.sampled_from(["ValueError", "<other>"])
    return st.sampled_from(["1", "1.2.3rc1", "12345678.12345678.12345678.12345678.1234"])
