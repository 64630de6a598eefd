"""Promise 9, one truth: notice, page, gate, collector and report all say what the manifest says."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import html
import importlib.util
import itertools
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from collecting import records
from hypothesis import given, settings
from hypothesis import strategies as st
from manifests import Document, documents, names, sentences, toml

import cli_analytics
from cli_analytics import cli, disclosure, event, gate, manifest
from cli_analytics.manifest import Manifest
from cli_analytics.properties import BUILT_IN, Boolean, Bucket, CommandPath, Integer, Kind, OneOf, OptionNames, Version

pytestmark = pytest.mark.slow

PACKAGE = Path(cli_analytics.__file__).parent
ROOT = Path(__file__).parents[2]

has_msgspec = pytest.mark.skipif(
    importlib.util.find_spec("msgspec") is None, reason="the extra for the collector is not installed"
)

Said = dict[str, dict[str, str]]
scalars = sentences | st.integers() | st.booleans() | st.lists(sentences, max_size=2)
junk = st.dictionaries(names | sentences, scalars, max_size=6)


def parse(document: Document, layout: int = 0) -> Manifest:
    return manifest.parse(toml(document, layout))


def said_by(page: str) -> Said:
    """What a page says: event → property → the words for what it may be, as a browser would show them."""
    said: Said = {}
    for line in page.split("\n### With every event\n")[0].splitlines():
        if found := re.fullmatch(r"### `(.*)`", line):
            rows = said[found[1]] = {}
        elif found := re.fullmatch(r"\| `(\w+)` \| (.*) \|", line):
            rows[found[1]] = html.unescape(found[2].replace("\\|", "|"))
    return said


def some(kind: Kind) -> list[Any]:
    """What a kind is to let through, at its edges, said independently of it."""
    if isinstance(kind, OneOf):
        return list(kind.values)
    if isinstance(kind, Integer):
        return [kind.minimum, kind.maximum]
    if isinstance(kind, Bucket):
        return [f"<{kind.edges[0]}", f">={kind.edges[-1]}"]
    if isinstance(kind, Boolean):
        return [True, False]
    if isinstance(kind, OptionNames):
        return [["--x", "-y"]]
    return ["1.2.3" if isinstance(kind, Version) else "<unknown>" if isinstance(kind, CommandPath) else "<other>"]


def an_event(name: str, values: dict[str, Any], tool: str = "mytool") -> dict[str, Any]:
    context = event.context(tool, "1.2.3", {}, session_id=1767323045)
    return event.build(name, values, client_id="an-id", context=context, now=0)


def allows(words: str, value: Any) -> bool:
    """Whether the words of the page allow a value, as a reader would understand them."""
    if words.startswith("one of "):
        return f", {value}, " in f", {words[7:]}, "
    if words.startswith("a number, sent as one of "):
        return value in words[25:].split(", ")
    if words.startswith("a whole number from "):
        low, high = words[20:].split(" to ")
        return type(value) is int and int(low) <= value <= int(high)
    return isinstance(value, bool) if words == "true or false" else isinstance(value, (str, list))


@settings(deadline=None, max_examples=60)
@given(documents())
def test_the_page_names_everything_that_passes_the_gate(document: Document) -> None:
    declared = parse(document)
    said = said_by(disclosure.page(declared))
    assert said.keys() == {*document["events"], "command_run"}
    for name, item in declared.events.items():
        assert said[name].keys() == item.properties.keys()
        for key, kind in item.properties.items():
            for value in some(kind):
                left = gate.check(an_event(name, {key: value}), declared.events).event
                assert left is not None
                assert left["properties"] == {key: value}
                assert allows(said[name][key], value)


@settings(deadline=None, max_examples=100)
@given(documents(), names, junk, st.lists(scalars, min_size=1))
def test_what_the_page_does_not_name_passes_no_gate(
    document: Document, stranger: str, more: dict[str, Any], values: list[Any]
) -> None:
    declared = parse(document)
    said = said_by(disclosure.page(declared))
    for name in {stranger, *said}:
        planted = {**more, **dict(zip(said.get(name, ()), itertools.cycle(values)))}
        left = gate.check(an_event(name, planted), declared.events).event
        assert (left is not None) == (name in said)
        if left is not None:
            assert all(allows(said[name][key], value) for key, value in left["properties"].items())


def test_the_page_names_all_of_the_context_that_passes_the_gate() -> None:
    declared = manifest.load(str(PACKAGE / "demo" / "analytics.toml"))
    known = {**event.context("jotter", "1.2.3", {}, session_id=1767323045), "dropped_events": 7, "locale": "de_DE"}
    left = gate.check({**an_event("command_run", {}), "context": known}, declared.events).event
    assert left is not None
    assert left["context"].keys() == known.keys() - {"locale"}
    named = set(re.findall(r"\w+", disclosure.page(declared).split("### With every event")[1].split("\n## ")[0]))
    assert {*left, *left["context"]} - {"type", "event", "context", "properties"} <= named


@settings(deadline=None, max_examples=60)
@given(documents())
def test_the_notice_names_every_reason_and_every_recipient(document: Document) -> None:
    declared = parse(document)
    shown = " ".join(disclosure.notice(declared, declared.sinks, commands="x analytics", where="/choice").split())
    whys = [item.why for item in declared.events.values()]
    said = [*(why[1:] for why in whys), declared.tool.controller, declared.tool.contact]
    said += [sink.endpoint.split("/")[2] for sink in declared.sinks]
    assert [text for text in said if " ".join(text.split()) not in shown] == []


# What is done to a document → whether a user has to be told of it.
CHANGES: dict[str, Callable[[Document, Any], Any]] = {
    "nothing": lambda document, value: None,
    "the contact": lambda document, value: document["tool"].update(contact=f"{value}"),
    "a variable": lambda document, value: document["policy"].update(opt_out_env=["X"]),
    "who is responsible": lambda document, value: document["tool"].update(controller=f"{value}"),
    "how long": lambda document, value: document["policy"].update(retention_days=77),
    "in CI": lambda document, value: document["policy"].update(ci="on"),
    "a new id": lambda document, value: document["policy"].update(rotate_id_days=30),
    "a recipient": lambda document, value: document["sinks"].append({"type": "segment", "write_key": "k"}),
    "a key": lambda document, value: [sink.update(write_key="k") for sink in document["sinks"]],
    "an event": lambda document, value: document["events"].update(e={"why": f"{value}"}),
    "a reason": lambda document, value: document["events"].update(command_run={"why": f"{value}"}),
    "an exception": lambda document, value: document["events"].update(command_run={"exceptions": ["E"]}),
    "the order of exceptions": lambda document, value: [
        item["exceptions"].reverse() for item in document["events"].values() if "exceptions" in item
    ],
    "a property": lambda document, value: [
        item.setdefault("properties", {}).update(p={"one_of": [f"{value}", "x"]})
        for name, item in document["events"].items()
        if name not in BUILT_IN
    ],
}


def disclosed(declared: Manifest) -> Any:
    """All that a user has to be told of, as far as it can be compared."""
    facts = {
        name: (item.why, {key: _in_any_order(kind) for key, kind in item.properties.items()})
        for name, item in declared.events.items()
    }
    policy = (declared.policy.retention_days, declared.policy.ci, declared.policy.rotate_id_days)
    return facts, policy, declared.tool.controller, sorted(sink[:2] for sink in declared.sinks)


def _in_any_order(kind: Any) -> Any:
    return type(kind), *(sorted(field) if isinstance(field, tuple) else field for field in kind)


@settings(deadline=None, max_examples=100)
@given(documents(), st.sampled_from(sorted(CHANGES)), sentences, st.integers(0, 99))
def test_the_digest_changes_with_what_is_disclosed_and_with_nothing_else(
    document: Document, change: str, value: str, layout: int
) -> None:
    changed = copy.deepcopy(document)
    CHANGES[change](changed, value)
    for other in (document, changed):
        for kind in (kind for item in other["events"].values() for kind in item.get("properties", {}).values()):
            if "one_of" in kind:
                kind["one_of"].sort(reverse=layout % 2 == 0)
    before, after = parse(document), parse(changed, layout)
    is_same = disclosure.digest(before) == disclosure.digest(after)
    assert is_same is (disclosed(before) == disclosed(after))


def test_a_value_with_a_comma_is_not_taken_for_two() -> None:
    digests = set()
    for values in (["one, two"], ["one", "two"]):
        events = {"e": {"why": "W", "properties": {"p": {"one_of": values}}}}
        tool = {"name": "x", "controller": "E", "contact": "c"}
        document = {"schema": 1, "tool": tool, "policy": {}, "sinks": [], "events": events}
        digests.add(disclosure.digest(parse(document)))
    assert len(digests) == 2


@has_msgspec
@settings(deadline=None, max_examples=25)
@given(documents(), names, junk, st.lists(scalars, min_size=1))
def test_the_collector_keeps_what_the_page_names_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
    document: Document,
    stranger: str,
    more: dict[str, Any],
    values: list[Any],
) -> None:
    declared = parse(document)
    said = said_by(disclosure.page(declared))
    sent = [
        an_event(name, {**more, **dict(zip(said.get(name, ()), itertools.cycle(values)))}, declared.tool.name)
        for name in (stranger, *said)
    ]
    sent[0]["event"] = stranger = f"{stranger[:39]}X"  # as no declared name ends
    folder = tmp_path_factory.mktemp("archive")
    collect(declared, folder, {"batch": [{**each, "userId": "ada"} for each in sent]})
    kept = {each["event"]: each["properties"] for each in records(folder)}
    assert kept.keys() == said.keys()
    for name, found in kept.items():
        assert found == (gate.check(sent[[*said].index(name) + 1], declared.events).event or {})["properties"]
        assert all(allows(said[name][key], value) for key, value in found.items())


def collect(declared: Manifest, folder: Path, batch: dict[str, Any]) -> None:
    """Have a collector of this manifest take the batch and archive it."""
    from cli_analytics.collector.app import Collector
    from cli_analytics.collector.archive import Archive

    answers = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(batch).encode()}

    async def send(message: dict[str, Any]) -> None:
        answers.append(message.get("status", 200))

    scope = {"type": "http", "method": "POST", "path": "/v1/batch", "query_string": b"", "headers": []}
    with contextlib.closing(Archive(str(folder))) as archive:
        asyncio.run(Collector([declared], archive)(scope, receive, send))
    assert answers == [200, 200]


def test_a_report_reads_no_column_that_is_not_declared_for_every_tool() -> None:
    sql = (PACKAGE / "reports" / "records.sql").read_text(encoding="utf-8")
    [columns] = re.findall(r"'properties': 'struct\((.*?)\)'", sql)
    assert {column.split()[0] for column in columns.split(", ")} <= BUILT_IN["command_run"].properties.keys()
    [context] = re.findall(r"'context': 'struct\((.*)\)'", sql)
    assert context == "app struct(name varchar, version varchar), ephemeral varchar"
    assert "ephemeral" in gate.CONTEXT


DRIFTS: dict[str, Callable[[str], str]] = {
    "a value": lambda text: text.replace('["csv", "json"]', '["csv", "json", "html"]'),
    "a property": lambda text: text.replace("notes = {", 'cached = { type = "boolean" }\nnotes = {'),
    "an event": lambda text: text + '\n[events.page_opened]\nwhy = "Which pages are read"\n',
    "a reason": lambda text: text.replace("Whether the search", "How often the search"),
    "a range": lambda text: text.replace("[1, 10, 100, 1000]", "[1, 10]"),
    "less of what is built in": lambda text: text + '\n[events.command_run]\nomit = ["options"]\n',
    "who": lambda text: text.replace("The cli-analytics project", "Somebody else"),
    "a contact": lambda text: text.replace("privacy@", "other@"),
    "a recipient": lambda text: text.replace("collect.example.org", "other.example.org"),
    "how long": lambda text: text.replace("365", "366"),
    "an end": lambda text: text.replace("2030-12-31", "2031-12-31"),
    "the default": lambda text: text.replace("[policy]", '[policy]\ndefault = "off"'),
    "in CI": lambda text: text.replace("[policy]", '[policy]\nci = "on"'),
    "a new id": lambda text: text.replace("[policy]", "[policy]\nrotate_id_days = 30"),
    "a variable": lambda text: text.replace("JOTTER_NO_ANALYTICS", "JOTTER_OFF"),
    "the source": lambda text: text.replace("jotter/source", "jotter/code"),
    "the name": lambda text: text.replace('name = "jotter"', 'name = "jotted"'),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_a_page_that_does_not_say_what_the_manifest_says_fails_the_check(tmp_path: Path, drift: str) -> None:
    text = (PACKAGE / "demo" / "analytics.toml").read_text(encoding="utf-8")
    assert DRIFTS[drift](text) != text
    path, page = tmp_path / "analytics.toml", tmp_path / "page.md"
    path.write_text(DRIFTS[drift](text), encoding="utf-8")
    page.write_text((ROOT / "docs" / "ANALYTICS.md").read_text(encoding="utf-8"), encoding="utf-8")
    words = ["docs", str(path), "--out", str(page)]
    failed = CliRunner().invoke(cli.main, [*words, "--check"])
    assert failed.exit_code == 1
    mends = shlex.split(failed.output.partition("Run: cli-analytics ")[2])
    assert CliRunner().invoke(cli.main, mends).exit_code == 0
    assert CliRunner().invoke(cli.main, [*words, "--check"]).exit_code == 0
    page.write_text(page.read_text(encoding="utf-8") + "We also collect your name.\n", encoding="utf-8")
    assert CliRunner().invoke(cli.main, [*words, "--check"]).exit_code == 1
