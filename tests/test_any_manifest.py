"""What has to hold of every manifest, and of whatever else lies in its place."""

from __future__ import annotations

import string
from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifests import BUILT_IN, Document, documents, toml

from cli_analytics import disclosure, manifest
from cli_analytics.errors import ManifestError
from cli_analytics.properties import Boolean, Bucket, Integer, OneOf, Version

pytestmark = pytest.mark.slow

KEYS = ["schema", "tool", "policy", "sinks", "events", "name", "why", "properties", "type", "one_of", "bucket", "min"]
KEYS += ["max", "default", "ci", "ends", "endpoint", "write_key", "exceptions", "omit", "command_run", "e", "contact"]
words = st.sampled_from(["segment", "integer", "boolean", "on", "mytool", "https://x", "", "X Y"])
scalars = st.none() | st.booleans() | st.integers(-5, 5000) | st.floats() | words | st.dates() | st.datetimes()
keys = st.sampled_from(KEYS) | st.text(string.printable, max_size=5)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=6), max_leaves=10
)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.sampled_from(KEYS), trees, max_size=6))
def test_whatever_a_document_holds_it_is_a_manifest_or_a_manifest_error(document: dict[str, Any]) -> None:
    good: dict[str, Any] = {"schema": 1, "tool": {"name": "mytool", "controller": "E", "contact": "c"}}
    for candidate in (document, {**document, **good}, {**good, "events": document}, {**good, "policy": document}):
        try:
            manifest.parse(_toml(candidate))
        except ManifestError as error:
            str(error)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_a_file_holds_it_is_a_manifest_or_a_manifest_error(content: bytes) -> None:
    with pytest.raises(ManifestError):
        manifest.parse(content)


def _toml(value: Any) -> bytes:
    return "\n".join(f"{_text(key)} = {_inline(item)}" for key, item in value.items()).encode()


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)} = {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if value is None or isinstance(value, bool):
        return str(bool(value)).lower()
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    return '"' + "".join(f"\\u{ord(character):04x}" for character in value) + '"'


@settings(deadline=None, max_examples=100)
@given(documents(), st.integers(1, 99))
def test_any_valid_manifest_says_in_any_layout_what_its_document_says(document: Document, layout: int) -> None:
    parsed = manifest.parse(toml(document))
    assert manifest.parse(toml(document, layout)) == parsed
    assert {key: value for key, value in parsed.tool._asdict().items() if value} == document["tool"]
    said: dict[str, Any] = {key: str(value) if key == "ends" else value for key, value in document["policy"].items()}
    assert parsed.policy == manifest.Policy(**{**said, "opt_out_env": tuple(said.get("opt_out_env", ()))})
    assert [sink.settings["write_key"] for sink in parsed.sinks] == [sink["write_key"] for sink in document["sinks"]]
    for name in document["events"].keys() - BUILT_IN:
        event = document["events"][name]
        assert parsed.events[name].why == event["why"]
        kinds = {key: _kind(**table) for key, table in event.get("properties", {}).items()}
        assert parsed.events[name].properties == kinds


def _kind(type: str = "", one_of: Any = None, bucket: Any = None, **bounds: int) -> object:  # noqa: A002
    if one_of or bucket:
        return OneOf(tuple(one_of)) if one_of else Bucket(tuple(bucket))
    return Integer(bounds["min"], bounds["max"]) if bounds else {"boolean": Boolean(), "version": Version()}[type]


torn = st.binary(max_size=4) | st.sampled_from(
    [b"\n", b"[", b'"', b"{", b"=", b"0x" + b"f" * 5000, b"nan", b"2026-02-30"]
)


@settings(deadline=None, max_examples=200)
@given(documents(), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), torn), min_size=1, max_size=3))
def test_a_valid_manifest_with_anything_changed_is_a_manifest_or_a_manifest_error(
    document: Document, changes: list[tuple[float, int, bytes]]
) -> None:
    content = toml(document)
    for place, length, text in changes:
        start = int(place * len(content))
        content = content[:start] + text + content[start + length :]
    assert_told_or_tellable(content)


@settings(deadline=None, max_examples=200)
@given(documents(), st.lists(st.integers(0, 9), min_size=1, max_size=5), documents() | scalars)
def test_so_is_one_with_another_value_anywhere(document: Document, path: list[int], value: Any) -> None:
    inner: Any = document
    for step in path[:-1]:
        known = list(inner.values()) if isinstance(inner, dict) else inner
        if known and isinstance(known[step % len(known)], (dict, list)) and known[step % len(known)]:
            inner = known[step % len(known)]
    inner[list(inner)[path[-1] % len(inner)] if isinstance(inner, dict) else path[-1] % len(inner)] = value
    assert_told_or_tellable(_toml(document))


def assert_told_or_tellable(content: bytes) -> None:
    """A maintainer is told what is wrong, where, and what is allowed, or a user can be told what is collected."""
    problem = problem_in(content)
    if problem is not None:
        assert problem.file == "src/analytics.toml"
        is_no_text = problem.problem.startswith(("is not TOML", "is not UTF-8"))
        assert is_no_text or (problem.key and problem.allowed and problem.problem)
        return
    parsed = manifest.parse(content)
    assert parsed.tool.name in disclosure.page(parsed)
    assert parsed.tool.name in disclosure.notice(parsed, parsed.sinks, commands=None, where="/choice")
    assert len(disclosure.digest(parsed)) == 64


def problem_in(content: bytes) -> Optional[ManifestError]:
    try:
        manifest.parse(content, file="src/analytics.toml")
    except ManifestError as error:
        return error
    return None
