"""The Segment message, and its encoding."""

from __future__ import annotations

import json
import os
import uuid
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_analytics import event

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5), max_leaves=20
)


@settings(deadline=None)
@given(documents)
def test_an_encoding_is_the_one_of_json(document: Any) -> None:
    encoded = event.encode(document)
    assert encoded == json.dumps(document, separators=(",", ":"))
    assert "\n" not in encoded
    assert encoded.isascii()


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")) | st.text(st.characters(categories=["Cs", "Cc", "Zl", "Zp"])))
def test_so_is_that_of_any_text(text: str) -> None:
    assert event.encode(text) == json.dumps(text)


def test_tuples_and_other_mappings_are_lists_and_tables() -> None:
    assert event.encode(MappingProxyType({"a": (1, 2)})) == '{"a":[1,2]}'


class Colour(int):
    def __repr__(self) -> str:
        return "red"


def test_a_number_of_another_class_is_its_value() -> None:
    assert event.encode([Colour(7)]) == "[7]"


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"x", 1j, float("nan"), float("inf"), float("-inf"), [{"a": object()}]]
)
def test_what_json_has_not_is_an_error(value: object) -> None:
    with pytest.raises(TypeError, match="is no JSON"):
        event.encode(value)


def test_ids_are_random_uuids_of_version_four() -> None:
    ids = {event.uuid4() for _ in range(2000)}
    assert len(ids) == 2000
    for found in ids:
        parsed = uuid.UUID(found)
        assert (str(parsed), parsed.version, parsed.variant) == (found, 4, uuid.RFC_4122)
    assert {found[19] for found in ids} == set("89ab")


@settings(deadline=None)
@given(st.integers(0, 4_000_000_000_000))
def test_times_are_iso_8601_in_utc_with_milliseconds(milliseconds: int) -> None:
    found = event.timestamp(milliseconds / 1000)
    parsed = datetime.strptime(found, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    assert len(found) == len("2026-01-02T03:04:05.678Z")
    assert abs(parsed.timestamp() - milliseconds / 1000) < 0.0011


def test_an_event_is_a_segment_message() -> None:
    built = event.build("command_run", {"a": 1}, client_id="id", context={"ip": event.IP}, now=1_767_323_045.678)
    message_id = built.pop("messageId")
    assert uuid.UUID(message_id).version == 4
    assert built == {
        "type": "track",
        "event": "command_run",
        "anonymousId": "id",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "context": {"ip": "0.0.0.0"},
        "properties": {"a": 1},
    }


def test_two_processes_of_one_parent_make_no_two_equal_ids() -> None:
    read_end, write_end = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(write_end, event.uuid4().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read_end, 36).decode() != event.uuid4()
    os.close(read_end)
    os.close(write_end)


@given(st.integers(0, 4_000_000_000_000))
def test_a_timestamp_can_be_read_back_to_the_millisecond(moment: int) -> None:
    written = event.timestamp(moment / 1000)
    assert abs(event.milliseconds(written) - moment) <= 1, "a float may lie below what it stands for"
    assert event.timestamp(event.milliseconds(written) / 1000)[:19] == written[:19]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-02T03:04:05Z", 1767323045000),
        ("2026-01-02T03:04:05.6Z", 1767323045600),
        ("2026-01-02T03:04:05.678Z", 1767323045678),
        ("2026-01-02T03:04:05.678999999Z", 1767323045678),
        ("2026-01-02T05:04:05.678+02:00", 1767323045678),
        ("2026-01-02T05:04:05.678+0200", 1767323045678),
    ],
)
def test_a_timestamp_of_any_form_that_passes_the_gate_is_milliseconds(written: str, expected: int) -> None:
    assert event.milliseconds(written) == expected


@pytest.mark.parametrize("written", ["", "2026-01-02", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05", "x.y"])
def test_what_is_no_timestamp_is_told(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        event.milliseconds(written)


class Shouted(str):
    """As the members of an Enum of texts do, it shows itself differently."""

    def __str__(self) -> str:
        return f"Shouted.{self.upper()}"


def test_a_text_of_another_class_is_its_value() -> None:
    assert event.encode([Shouted("csv"), {Shouted("a"): Shouted('"')}]) == '["csv",{"a":"\\""}]'
