"""Segment's other messages: a page and an identify are events that a manifest may declare, the rest are not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("uvicorn")

from collecting import JSON, Server, counted, event, records, running

from cli_analytics import reports, sinks
from cli_analytics.destination import SinkConfig

MANIFEST = b"""
schema = 1
[tool]
name = "mytool"
controller = "Example Foundation"
contact = "privacy@example.org"
[[sinks]]
type = "segment"
write_key = "KEY"
[events.quickstart]
why = "Which pages are read"
[events.quickstart.properties]
section = { one_of = ["docs"] }
[events.identify]
why = "What they have"
[events.identify.properties]
plan = { one_of = ["free", "paid"] }
"""
COMMON = ["anonymousId", "channel", "context", "integrations", "messageId", "originalTimestamp", "projectId"]
COMMON += ["receivedAt", "sentAt", "timestamp", "type", "userId", "version", "writeKey"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("collector"), MANIFEST) as server:
        yield server


def message(**changes: Any) -> dict[str, Any]:
    return {**{key: value for key, value in event().items() if key not in ("type", "event", "properties")}, **changes}


def page(**changes: Any) -> dict[str, Any]:
    return message(**{"type": "page", "name": "quickstart", "properties": {"section": "docs"}, **changes})


def identify(**changes: Any) -> dict[str, Any]:
    return message(**{"type": "identify", "traits": {"plan": "free"}, **changes})


def test_a_page_is_archived_with_its_name_and_its_properties(server: Server) -> None:
    sent = page(category="Docs", properties={"section": "docs", "url": "https://example.org/q"})
    assert server.send(sent) == (200, {"success": True})
    [record] = server.archived(sent["messageId"])
    assert (record["type"], record["name"], record["properties"]) == ("page", "quickstart", {"section": "docs"})
    assert list(record) == sorted([*COMMON, "name", "properties"])


def test_an_identify_is_archived_with_its_traits_and_without_the_user(server: Server) -> None:
    sent = identify(userId="jane", traits={"plan": "paid", "email": "jane@example.org"})
    assert server.send(sent) == (200, {"success": True})
    [record] = server.archived(sent["messageId"])
    assert (record["type"], record["traits"], record["userId"]) == ("identify", {"plan": "paid"}, None)
    assert list(record) == sorted([*COMMON, "traits"])


@pytest.mark.parametrize(
    ("path", "sent"), [("page", page()), ("p", page()), ("identify", identify()), ("i", identify())]
)
def test_they_are_taken_on_paths_of_their_own(server: Server, path: str, sent: dict[str, Any]) -> None:
    sent = {**sent, "type": None, "messageId": f"on-{path}"}
    assert server.request("POST", f"/v1/{path}", json.dumps(sent), JSON) == (200, {"success": True})
    [record] = server.archived(sent["messageId"])
    assert record["type"] == ("page" if path.startswith("p") else "identify")


@pytest.mark.parametrize(
    "sent",
    [
        page(name="secrets"),
        page(name=None),
        page(type="screen"),
        identify(type="group", groupId="team"),
        identify(type="alias", previousId="jane"),
        identify(anonymousId=None, userId="jane"),
        page(type="Page"),
        page(type=None),
        page(type=["page"]),
    ],
)
def test_what_no_manifest_declares_is_counted(server: Server, sent: dict[str, Any]) -> None:
    before = server.counts()
    assert server.send(sent) == (200, {"success": True})
    assert counted(server.counts(), before) == {"undeclared": 1}
    assert server.archived(sent["messageId"]) == []


def test_without_declared_events_both_are_counted(tmp_path: Path) -> None:
    with running(tmp_path) as bare:
        bare.send(page(), identify())
        assert counted(bare.counts(), dict.fromkeys(bare.counts(), 0)) == {"undeclared": 2}


def test_an_event_that_names_no_tool_is_of_the_tool_with_its_key(server: Server) -> None:
    sent = [page(context=None), page(context=None), page(context=None), page(context=None)]
    server.request("POST", "/v1/batch", json.dumps({"batch": [sent[0]]}), {"Authorization": "Basic S0VZOg=="})
    server.send(sent[1], writeKey="KEY")
    server.send(sent[2], writeKey="ANOTHER")
    server.send({**sent[3], "writeKey": ["KEY"]})
    found = [server.archived(each["messageId"]) for each in sent]
    assert [[each["context"]["app"] for each in records] for records in found] == [[{"name": "mytool"}]] * 2 + [[], []]


def test_an_event_that_names_another_tool_is_not_of_the_tool_with_its_key(server: Server) -> None:
    sent = page(context={"app": {"name": "another"}})
    server.send(sent, writeKey="KEY")
    assert server.archived(sent["messageId"]) == []


def test_what_our_segment_sink_sends_arrives_as_it_was(server: Server) -> None:
    sent = [page(), identify(), event()]
    config = SinkConfig("segment", f"http://127.0.0.1:{server.port}", {"write_key": "KEY"})
    [request] = sinks.encode(sent, config, "2026-01-02T03:04:06.000Z")
    assert server.request("POST", "/v1/batch", request.body, dict(request.headers)) == (200, {"success": True})
    for each in sent:
        [record] = server.archived(each["messageId"])
        assert {**record, "timestamp": each["timestamp"]}.items() >= each.items()
        assert record["originalTimestamp"] == each["timestamp"]


def test_a_report_counts_runs_beside_pages_and_identifies(server: Server, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    with running(tmp_path, MANIFEST) as own:
        own.send(page(), identify(), event(), identify(), event())
        assert len(records(own.archive)) == 5
        [path] = reports.write(str(own.archive), str(tmp_path / "out"), warn=pytest.fail)
    [line] = Path(path).read_text(encoding="utf-8").splitlines()[1:]
    assert line.startswith("mytool,1.2.3,run,2,1,")


def test_a_report_of_nothing_but_pages_is_empty(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    file = tmp_path / "archive" / "1.gz"
    file.parent.mkdir()
    file.write_bytes(gzip.compress(json.dumps(page()).encode() + b"\n"))
    [path] = reports.write(str(tmp_path / "archive"), str(tmp_path / "out"), warn=pytest.fail)
    assert len(Path(path).read_text(encoding="utf-8").splitlines()) == 1
