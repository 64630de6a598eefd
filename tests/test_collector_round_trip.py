"""What our sinks for GA4 and Universal Analytics encode, the collector decodes: any values that may be declared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("msgspec")

from collecting import NOON, event
from hypothesis import given, settings
from hypothesis import strategies as st
from manifests import sentences, whole

from cli_analytics import gate, sinks
from cli_analytics.collector import ga4, universal, values
from cli_analytics.collector.protocol import Call
from cli_analytics.destination import SinkConfig
from cli_analytics.event import Event
from cli_analytics.properties import (
    Boolean,
    Bucket,
    CommandPath,
    Declaration,
    ExceptionName,
    Integer,
    Kind,
    OneOf,
    OptionNames,
    Version,
)

pytestmark = pytest.mark.slow  # it depends little on the Python it runs on

GA4 = SinkConfig("ga4", "https://example.org", {"measurement_id": "G-1", "api_secret": "S"})
UNIVERSAL = SinkConfig("universal", "https://example.org", {"tracking_id": "UA-1-1"})
NAMES = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
MAX_LABEL = 500  # characters; the sink leaves out what has no more room

one_of = st.lists(sentences | st.sampled_from(["true", "1", "-", "a=b&c", "+", "%20", "a,b"]), min_size=1, max_size=3)
options = st.lists(st.sampled_from(["-v", "--format", "--no-color", "/?", "+x"]), unique=True)
pairs: st.SearchStrategy[tuple[Kind, Any]] = st.one_of(
    one_of.flatmap(lambda names: st.tuples(st.just(OneOf(tuple(names))), st.sampled_from(names))),
    st.tuples(st.just(Boolean()), st.booleans()),
    whole.map(lambda number: (Integer(-(2**53), 2**53), number)),
    st.sampled_from(Bucket((-3, 10, 11, 100)).labels()).map(lambda label: (Bucket((-3, 10, 11, 100)), label)),
    st.tuples(st.just(Version()), st.sampled_from(["1.2.3", "10", "2.0rc1", "1.0-beta.2"])),
    st.tuples(st.just(CommandPath()), st.sampled_from(["run", "db migrate", "<unknown>", "<other>"])),
    st.tuples(st.just(OptionNames()), options.map(sorted)),
    st.tuples(st.just(ExceptionName(("NoteError",))), st.sampled_from(["ValueError", "NoteError", "<other>"])),
)


def decoded(
    sent: Event, config: SinkConfig, decode: Callable[[Call], Iterable[Event]], declared: dict[str, Declaration]
) -> dict[str, Any]:
    [request] = sinks.encode([sent], config, "2026-01-02T03:04:06.000Z")
    [found] = decode(Call("", request.url.partition("?")[2].encode(), request.body, None, NOON))
    checked = gate.check(values.restored({**found, "messageId": "1"}, declared), declared).event
    assert checked is not None and checked["event"] == "report_exported"
    properties: dict[str, Any] = checked["properties"]
    return properties


@settings(deadline=None)
@given(st.lists(pairs, max_size=len(NAMES)))
def test_any_declared_values_come_out_as_they_went_in(drawn: list[tuple[Kind, Any]]) -> None:
    kinds = {name: kind for name, (kind, _) in zip(NAMES, drawn)}
    properties = {name: value for name, (_, value) in zip(NAMES, drawn)}
    declared = {"report_exported": Declaration("why", kinds)}
    sent = event(event="report_exported", properties=properties)
    assert gate.check(sent, declared).event == sent
    in_ga4 = {name: value for name, value in properties.items() if value != []}  # there, an empty value is none
    assert decoded(sent, GA4, ga4.events, declared) == in_ga4
    out = decoded(sent, UNIVERSAL, universal.events, declared)
    assert out.items() <= properties.items()
    left_out = "&".join(f"{name}={quote(str(properties[name]), safe='')}" for name in properties)
    assert out == properties or len(left_out) > MAX_LABEL / 2
